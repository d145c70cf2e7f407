//! Queries about the tree: the only place in this noun that names entities.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use entity::{checkpoint, event, event_leaf, event_node, event_pending, export_item};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, DbBackend, DbErr, EntityTrait,
    FromQueryResult, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement,
    sea_query::{Expr, ExprTrait},
};
use tlog::{Hash, NodeId};
use uuid::Uuid;

use super::{Checkpoint, as_row, from_row};
use crate::{
    Error,
    events::Event,
    page::{self, Args, Page, Sort},
    unit::chunks,
};

/// The advisory lock of the tree on PostgreSQL.
const TREE: i32 = 7_302;

/// Keeps others from adding to the tree until the transaction ends. SQLite has one writer anyway.
pub async fn lock_tree(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    let sql = format!("SELECT pg_advisory_xact_lock({TREE}, 0)");
    db.execute_unprepared(&sql).await.map(drop)
}

/// Whether an event is not in the tree yet.
pub async fn any_pending(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    let one = event_pending::Entity::find().limit(1).one(db).await?;
    Ok(one.is_some())
}

/// An event that is to become a leaf.
#[derive(FromQueryResult)]
pub struct Pending {
    /// Which.
    pub event_id: Uuid,
    /// Its hash.
    pub hash: Vec<u8>,
}

/// Events that are not in the tree yet, oldest first. Left out is what can be no leaf, or is one already: somebody
/// changed it, and it is not to hold up the others. `verify-log` tells of it, and [`waiting_since`] does.
pub async fn pending(db: &impl ConnectionTrait, limit: u64) -> Result<Vec<Pending>, DbErr> {
    let sql = "SELECT p.event_id, e.hash FROM event_pending p JOIN event e ON e.id = p.event_id
        WHERE LENGTH(e.hash) = 32 AND NOT EXISTS (SELECT 1 FROM event_leaf l WHERE l.event_id = p.event_id)
        ORDER BY p.event_id LIMIT $1";
    let backend = db.get_database_backend();
    Pending::find_by_statement(Statement::from_sql_and_values(
        backend,
        sql,
        [as_row(limit).into()],
    ))
    .all(db)
    .await
}

#[derive(FromQueryResult)]
struct Waiting {
    at: DateTime<Utc>,
}

/// When the oldest event happened that is not in the tree yet.
pub async fn waiting_since(db: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    let sql = "SELECT e.at FROM event_pending p JOIN event e ON e.id = p.event_id ORDER BY p.event_id LIMIT 1";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let found = Waiting::find_by_statement(statement).one(db).await?;
    Ok(found.map(|waiting| waiting.at))
}

/// How many leaves there are.
pub async fn leaves(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    let last = event_leaf::Entity::find()
        .order_by_desc(event_leaf::Column::Position)
        .limit(1)
        .one(db)
        .await?;
    Ok(last.map_or(0, |last| from_row(last.position) + 1))
}

/// The newest checkpoint.
pub async fn latest(db: &impl ConnectionTrait) -> Result<Option<Checkpoint>, DbErr> {
    checkpoint::Entity::find()
        .order_by_desc(checkpoint::Column::Size)
        .limit(1)
        .one(db)
        .await
}

/// The checkpoint of a size.
pub async fn of_size(db: &impl ConnectionTrait, size: u64) -> Result<Option<Checkpoint>, DbErr> {
    checkpoint::Entity::find()
        .filter(checkpoint::Column::Size.eq(as_row(size)))
        .one(db)
        .await
}

/// A page of checkpoints, newest first.
pub async fn list(db: &impl ConnectionTrait, args: &Args) -> Result<Page<Checkpoint>, Error> {
    let sort = Sort {
        name: "-size",
        key: Some(Expr::col((checkpoint::Entity, checkpoint::Column::Size))),
        of: |row: &Checkpoint| row.size.to_string(),
        value: |text| text.parse::<i64>().ok().map(Into::into),
        descending: true,
    };
    page::fetch(
        db,
        checkpoint::Entity::find(),
        checkpoint::Column::Id,
        sort,
        |row| row.id,
        args,
    )
    .await
}

/// The hashes of full subtrees, as far as they are known.
pub async fn hashes(
    db: &impl ConnectionTrait,
    nodes: impl IntoIterator<Item = NodeId>,
) -> Result<HashMap<NodeId, Hash>, DbErr> {
    let mut known = HashMap::new();
    for chunk in chunks(nodes.into_iter().collect()) {
        let mut levels: HashMap<u32, Vec<i64>> = HashMap::new();
        for node in chunk {
            levels
                .entry(node.level)
                .or_default()
                .push(as_row(node.index));
        }
        if let Some(places) = levels.remove(&0) {
            let rows = event_leaf::Entity::find()
                .filter(event_leaf::Column::Position.is_in(places))
                .all(db)
                .await?;
            for row in rows {
                insert(&mut known, 0, row.position, row.hash);
            }
        }
        if levels.is_empty() {
            continue;
        }
        let mut any = Condition::any();
        for (level, places) in levels {
            any = any.add(
                event_node::Column::Level
                    .eq(level)
                    .and(event_node::Column::Position.is_in(places)),
            );
        }
        let rows = event_node::Entity::find().filter(any).all(db).await?;
        for row in rows {
            insert(&mut known, row.level.unsigned_abs(), row.position, row.hash);
        }
    }
    Ok(known)
}

fn insert(known: &mut HashMap<NodeId, Hash>, level: u32, position: i64, hash: Vec<u8>) {
    if let Ok(hash) = hash.try_into() {
        let index = from_row(position);
        known.insert(NodeId { level, index }, hash);
    }
}

/// What a sealing adds.
#[derive(Default)]
pub struct Addition {
    /// Place, event and hash of each leaf.
    pub leaves: Vec<(u64, Uuid, Hash)>,
    /// The subtrees that became full.
    pub nodes: Vec<(NodeId, Hash)>,
}

/// Adds to the tree. The events no longer wait.
pub async fn add(db: &impl ConnectionTrait, addition: Addition) -> Result<(), DbErr> {
    for chunk in chunks(addition.leaves) {
        let events: Vec<Uuid> = chunk.iter().map(|(_, event, _)| *event).collect();
        let rows = chunk.into_iter().map(|(position, event_id, hash)| {
            let position = as_row(position);
            let row = event_leaf::Model {
                position,
                event_id,
                hash: hash.to_vec(),
            };
            row.into_active_model().reset_all()
        });
        event_leaf::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await?;
        event_pending::Entity::delete_many()
            .filter(event_pending::Column::EventId.is_in(events))
            .exec(db)
            .await?;
    }
    for chunk in chunks(addition.nodes) {
        let rows = chunk.into_iter().map(|(node, hash)| {
            let row = event_node::Model {
                level: i32::try_from(node.level).unwrap_or(i32::MAX),
                position: as_row(node.index),
                hash: hash.to_vec(),
            };
            row.into_active_model().reset_all()
        });
        event_node::Entity::insert_many(rows)
            .exec_without_returning(db)
            .await?;
    }
    Ok(())
}

/// Adds a checkpoint.
pub async fn insert_checkpoint(
    db: &impl ConnectionTrait,
    id: Uuid,
    size: u64,
    note: String,
    created_at: DateTime<Utc>,
) -> Result<(), DbErr> {
    let row = Checkpoint {
        id,
        size: as_row(size),
        note,
        created_at,
    };
    checkpoint::Entity::insert(row.into_active_model().reset_all())
        .exec_without_returning(db)
        .await
        .map(drop)
}

/// The places of events in the tree.
pub async fn places(
    db: &impl ConnectionTrait,
    events: &[Uuid],
) -> Result<HashMap<Uuid, u64>, DbErr> {
    let rows = event_leaf::Entity::find()
        .filter(event_leaf::Column::EventId.is_in(events.iter().copied()))
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| (row.event_id, from_row(row.position)))
        .collect())
}

/// The smallest signed tree that holds all events of an export's records that are in the tree; `None`: there are none.
pub async fn covering(db: &impl ConnectionTrait, export: Uuid) -> Result<Option<i64>, DbErr> {
    let records = export_item::Entity::find()
        .select_only()
        .column(export_item::Column::RecordId)
        .filter(export_item::Column::ExportId.eq(export))
        .into_query();
    let events = event::Entity::find()
        .select_only()
        .column(event::Column::Id)
        .filter(event::Column::RecordId.in_subquery(records))
        .into_query();
    let newest = event_leaf::Entity::find()
        .filter(event_leaf::Column::EventId.in_subquery(events))
        .order_by_desc(event_leaf::Column::Position)
        .limit(1)
        .one(db)
        .await?;
    let Some(newest) = newest else {
        return Ok(None);
    };
    let covering = checkpoint::Entity::find()
        .filter(checkpoint::Column::Size.gt(newest.position))
        .order_by_asc(checkpoint::Column::Size)
        .limit(1)
        .one(db)
        .await?;
    Ok(covering.map(|row| row.size))
}

/// An event of an export, with its places in bag and tree.
#[derive(Debug, Clone)]
pub struct Placed {
    /// Of its record, in the bag.
    pub item: i64,
    /// Its own, in the tree.
    pub leaf: u64,
    /// What happened.
    pub event: Event,
}

/// A place in the list of an export's events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct After {
    /// Of its record, in the bag.
    pub item: i64,
    /// Its number in its chain.
    pub sequence: i64,
    /// Its place in the tree.
    pub leaf: i64,
}

impl After {
    /// Before all of them.
    pub const NOTHING: Self = Self {
        item: -1,
        sequence: -1,
        leaf: -1,
    };
}

#[derive(FromQueryResult)]
struct Place {
    item: i64,
    leaf: i64,
    event_id: Uuid,
}

/// Events of an export's records that are in the tree of `size` leaves, in the order of the bag and then of their
/// chains, after a place. Not in the order of the tree: events come there by their ids, and two processes whose clocks
/// are apart make ids in another order than they write to a chain.
pub async fn of_export(
    db: &impl ConnectionTrait,
    export: Uuid,
    size: i64,
    after: After,
    limit: u64,
) -> Result<Vec<Placed>, DbErr> {
    let sql = "SELECT i.position AS item, l.position AS leaf, l.event_id AS event_id
        FROM export_item i JOIN event e ON e.record_id = i.record_id JOIN event_leaf l ON l.event_id = e.id
        WHERE i.export_id = $1 AND l.position < $2 AND i.position >= $3 AND (i.position > $3
          OR COALESCE(e.sequence, 0) > $4 OR (COALESCE(e.sequence, 0) = $4 AND l.position > $5))
        ORDER BY i.position, COALESCE(e.sequence, 0), l.position LIMIT $6";
    let values = [
        export.into(),
        size.into(),
        after.item.into(),
        after.sequence.into(),
        after.leaf.into(),
        as_row(limit).into(),
    ];
    let backend = db.get_database_backend();
    let places = Place::find_by_statement(Statement::from_sql_and_values(backend, sql, values))
        .all(db)
        .await?;
    let ids: Vec<Uuid> = places.iter().map(|place| place.event_id).collect();
    let mut events = by_ids(db, &ids).await?;
    Ok(places
        .into_iter()
        .filter_map(|place| {
            Some(Placed {
                item: place.item,
                leaf: from_row(place.leaf),
                event: events.remove(&place.event_id)?,
            })
        })
        .collect())
}

/// Events by id.
pub async fn by_ids(
    db: &impl ConnectionTrait,
    ids: &[Uuid],
) -> Result<HashMap<Uuid, Event>, DbErr> {
    let mut events = HashMap::new();
    for ids in ids.chunks(500) {
        let rows = event::Entity::find()
            .filter(event::Column::Id.is_in(ids.iter().copied()))
            .all(db)
            .await?;
        events.extend(rows.into_iter().map(|row| (row.id, row)));
    }
    Ok(events)
}
