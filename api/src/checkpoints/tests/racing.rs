//! Several at the same time.

use std::collections::BTreeSet;

use contract::RecordId;
use uuid::Uuid;

use super::*;
use crate::app::connect;

async fn write(app: App, subjects: Vec<u128>, rounds: usize) {
    for _ in 0..rounds {
        let mut unit = app.begin(&archivist()).await.unwrap();
        for subject in &subjects {
            let happened = Happened {
                action: "record.updated",
                ..Happened::default()
            };
            unit.event(RecordId(Uuid::from_u128(*subject)), happened);
        }
        unit.commit().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn units_that_race_for_the_same_subjects_neither_fork_a_chain_nor_wait_for_each_other() {
    let world = World::new().await;
    // In different orders, and twice in one unit.
    let orders: [&[u128]; 4] = [&[1, 2, 3, 40], &[40, 3, 2, 1], &[2, 1, 2], &[3, 40, 1]];
    let writers = orders.map(|order| write(world.app.clone(), order.to_vec(), 20));
    futures::future::join_all(writers).await;
    for (subject, count) in [(1, 80), (2, 80), (3, 60), (40, 60)] {
        let numbers: BTreeSet<_> = of(&world, subject)
            .await
            .iter()
            .map(|event| event.sequence.unwrap())
            .collect();
        assert_eq!(numbers, (1..=count).collect(), "{subject}");
    }
    seal(&world).await;
    assert_eq!(look(&world).await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_that_seal_at_once_make_one_tree() {
    let world = World::new().await;
    let Some(url) = world.postgres_url() else {
        // SQLite has one writer.
        return seal_at_once(&world, vec![world.app.clone(), world.app.clone()]).await;
    };
    let mut processes = Vec::new();
    for _ in 0..3 {
        let database = connect(url, 4).await.unwrap();
        processes.push(world.another(database));
    }
    seal_at_once(&world, processes).await;
}

async fn seal_at_once(world: &World, processes: Vec<App>) {
    let each = processes
        .into_iter()
        .enumerate()
        .map(|(number, app)| async move {
            for round in 0..10 {
                happen(&app, ((number as u128) << 8) | (round % 3), 2).await;
                service::seal(&app, 5).await.unwrap();
            }
        });
    futures::future::join_all(each).await;
    seal(world).await;
    let (findings, totals) = look_against(world, &[]).await;
    assert_eq!(findings, []);
    assert_eq!((totals.leaves, totals.waiting), (totals.events, 0));
    let known: BTreeSet<Uuid> = leaves(world)
        .await
        .iter()
        .map(|leaf| leaf.event_id)
        .collect();
    assert_eq!(known.len() as u64, totals.events);
}
