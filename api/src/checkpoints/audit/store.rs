//! The rows that the look goes through, page by page.

use entity::{checkpoint, event, event_leaf, event_node, event_pending};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect, Statement, Value, sea_query::ExprTrait,
};
use tlog::NodeId;
use uuid::Uuid;

use super::PAGE;
use crate::checkpoints::{Checkpoint, as_row};

pub(super) use entity::event_leaf::Model as Leaf;

/// Leaves from a place on, as far as a tree of `size` goes.
pub(super) async fn leaves(
    db: &impl ConnectionTrait,
    from: u64,
    size: u64,
) -> Result<Vec<Leaf>, DbErr> {
    event_leaf::Entity::find()
        .filter(event_leaf::Column::Position.gte(as_row(from)))
        .filter(event_leaf::Column::Position.lt(as_row(size)))
        .order_by_asc(event_leaf::Column::Position)
        .limit(PAGE)
        .all(db)
        .await
}

/// Checkpoints of more than `size` events and no more than `most`.
pub(super) async fn checkpoints(
    db: &impl ConnectionTrait,
    size: i64,
    most: u64,
) -> Result<Vec<Checkpoint>, DbErr> {
    checkpoint::Entity::find()
        .filter(checkpoint::Column::Size.gt(size))
        .filter(checkpoint::Column::Size.lte(as_row(most)))
        .order_by_asc(checkpoint::Column::Size)
        .limit(PAGE)
        .all(db)
        .await
}

/// The inner nodes that became full when the tree grew from one size to another.
pub(super) async fn nodes(
    db: &impl ConnectionTrait,
    from: u64,
    to: u64,
) -> Result<Vec<(NodeId, Vec<u8>)>, DbErr> {
    let mut any = Condition::any();
    for level in 1..u64::BITS {
        let (from, to) = (from >> level, to >> level);
        if to == 0 {
            break;
        }
        if from < to {
            let level = i32::try_from(level).unwrap_or(i32::MAX);
            any = any.add(
                event_node::Column::Level
                    .eq(level)
                    .and(event_node::Column::Position.gte(as_row(from)))
                    .and(event_node::Column::Position.lt(as_row(to))),
            );
        }
    }
    if any.is_empty() {
        return Ok(Vec::new());
    }
    let rows = event_node::Entity::find().filter(any).all(db).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let (level, index) = (row.level.unsigned_abs(), row.position.unsigned_abs());
            (NodeId { level, index }, row.hash)
        })
        .collect())
}

#[derive(FromQueryResult)]
struct Sizes {
    leaves: i64,
    signed: i64,
}

/// How many leaves there are, and how many were signed, at one moment.
pub(super) async fn sizes(db: &impl ConnectionTrait) -> Result<(u64, u64), DbErr> {
    let sql = "SELECT (SELECT COALESCE(MAX(position) + 1, 0) FROM event_leaf) AS leaves,
        (SELECT COALESCE(MAX(size), 0) FROM checkpoint) AS signed";
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let sizes = Sizes::find_by_statement(statement).one(db).await?;
    let sizes = sizes.map_or((0, 0), |sizes| (sizes.leaves, sizes.signed));
    Ok((sizes.0.unsigned_abs(), sizes.1.unsigned_abs()))
}

/// An event in its chain.
#[derive(FromQueryResult)]
pub(super) struct Link {
    pub(super) id: Uuid,
    pub(super) subject_type: String,
    pub(super) subject_id: Uuid,
    pub(super) sequence: i64,
    pub(super) previous: Option<Vec<u8>>,
    pub(super) hash: Option<Vec<u8>>,
    pub(super) leaf: Option<i64>,
    pub(super) pending: Option<Uuid>,
}

/// Events in the order of their chains, after one.
pub(super) async fn links(
    db: &impl ConnectionTrait,
    after: Option<&Link>,
) -> Result<Vec<Link>, DbErr> {
    let begin = if after.is_some() {
        "AND (e.subject_id, e.subject_type, e.sequence, e.id) > ($2, $3, $4, $5)"
    } else {
        ""
    };
    let sql = format!(
        "SELECT e.id, e.subject_type, e.subject_id, e.sequence, e.previous, e.hash, l.position AS leaf, p.event_id AS pending
        FROM event e LEFT JOIN event_leaf l ON l.event_id = e.id LEFT JOIN event_pending p ON p.event_id = e.id
        WHERE e.sequence IS NOT NULL {begin}
        ORDER BY e.subject_id, e.subject_type, e.sequence, e.id LIMIT $1"
    );
    let mut values: Vec<Value> = vec![as_row(PAGE).into()];
    if let Some(after) = after {
        values.extend([
            after.subject_id.into(),
            after.subject_type.as_str().into(),
            after.sequence.into(),
            after.id.into(),
        ]);
    }
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Link::find_by_statement(statement).all(db).await
}

/// Events that wait for the tree and are not there.
pub(super) async fn removed_unsealed(
    db: &impl ConnectionTrait,
    after: Uuid,
) -> Result<Vec<Uuid>, DbErr> {
    let sql = "SELECT p.event_id FROM event_pending p LEFT JOIN event e ON e.id = p.event_id
        WHERE e.id IS NULL AND p.event_id > $1 ORDER BY p.event_id LIMIT $2";
    let values: [Value; 2] = [after.into(), as_row(PAGE).into()];
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    let rows = event_pending::Model::find_by_statement(statement)
        .all(db)
        .await?;
    Ok(rows.into_iter().map(|row| row.event_id).collect())
}

/// How many events have no place in a chain yet: those of an older version.
pub(super) async fn unchained(db: &impl ConnectionTrait) -> Result<u64, DbErr> {
    event::Entity::find()
        .filter(event::Column::Hash.is_null())
        .count(db)
        .await
}
