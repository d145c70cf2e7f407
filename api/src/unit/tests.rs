//! All of a unit, or nothing of it (invariant 2).

use contract::messages::JOBS_QUEUE;
use entity::event;
use futures::{FutureExt as _, poll};
use sea_orm::{ConnectionTrait as _, PaginatorTrait as _};

use super::*;
use crate::{
    testing::{World, contributor},
    transfers::{self, Transfer},
};

const ACTION: &str = "transfer.tested";

/// What is there of it: the row's change, its event, its job, its total.
#[derive(Debug, PartialEq)]
struct There {
    changed: bool,
    events: u64,
    jobs: u64,
    total: i64,
}

const NOTHING: There = There {
    changed: false,
    events: 0,
    jobs: 0,
    total: 0,
};

async fn there(world: &World, transfer: &Transfer) -> There {
    let db = world.app.database();
    let row = transfers::store::load(db, transfer.id).await.unwrap();
    let events = event::Entity::find().filter(event::Column::Action.eq(ACTION));
    let jobs = job::Entity::find().filter(job::Column::SubjectId.eq(transfer.id));
    let total = transfer_total::Entity::find_by_id((transfer.id, RECORDS.to_owned()));
    There {
        changed: row.unwrap().title != transfer.title,
        events: events.count(db).await.unwrap(),
        jobs: jobs.count(db).await.unwrap(),
        total: total.one(db).await.unwrap().map_or(0, |total| total.count),
    }
}

/// With a change of a row, an event, a job, a total and an announcement in it.
async fn full(world: &World, transfer: &Transfer) -> Unit {
    let mut unit = world.app.begin_internal().await.unwrap();
    let row = Transfer {
        title: "Another title".into(),
        ..transfer.clone()
    };
    transfers::store::update(&mut unit, row).await.unwrap();
    unit.event(
        TransferId(transfer.id),
        Happened {
            action: ACTION,
            collection_id: Some(transfer.collection_id),
            ..Happened::default()
        },
    );
    unit.job(NewJob {
        kind: job::Kind::Check,
        queue: JOBS_QUEUE.into(),
        subject_id: transfer.id,
        lane: transfer.id,
        lease: None,
    });
    unit.count_records(transfer.id, 7);
    unit
}

#[tokio::test]
async fn whatever_of_a_unit_cannot_be_written_nothing_of_it_is_and_nobody_hears_of_it() {
    let world = World::new().await;
    let transfer = world.transfer(&contributor("ann")).await;
    let rename = async |from: &str, to: &str| {
        let sql = format!("ALTER TABLE {from} RENAME TO {to}");
        let database = world.app.database();
        database.execute_unprepared(&sql).await.unwrap();
    };
    let mut listener = world.app.changes().listen();
    for table in ["job", "event", "transfer_total"] {
        rename(table, "hidden").await;
        let unit = full(&world, &transfer).await;
        assert!(unit.commit().await.is_err(), "without the table {table}");
        rename("hidden", table).await;
        assert_eq!(there(&world, &transfer).await, NOTHING, "{table}");
    }
    drop(full(&world, &transfer).await);
    assert_eq!(there(&world, &transfer).await, NOTHING, "dropped");
    assert!(poll!(listener.next().boxed()).is_pending(), "announced");

    full(&world, &transfer).await.commit().await.unwrap();
    let all = There {
        changed: true,
        events: 1,
        jobs: 1,
        total: 7,
    };
    assert_eq!(there(&world, &transfer).await, all);
    let heard = listener.next().await;
    assert_eq!(heard, Some(Change::Transfer(TransferId(transfer.id))));
}
