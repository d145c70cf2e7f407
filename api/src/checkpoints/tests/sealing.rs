//! Putting events into the tree.

use super::*;

#[tokio::test]
async fn each_event_comes_into_the_tree_once_and_what_comes_of_it_is_signed() {
    let world = World::new().await;
    happen(&world.app, 1, 5).await;
    assert_eq!(seal(&world).await, 6);
    assert_eq!(seal(&world).await, 0);
    happen(&world.app, 2, 1).await;
    assert_eq!(seal(&world).await, 1);
    let positions: Vec<i64> = leaves(&world)
        .await
        .iter()
        .map(|leaf| leaf.position)
        .collect();
    assert_eq!(positions, [0, 1, 2, 3, 4, 5, 6]);
    let newest = store::latest(world.app.database()).await.unwrap().unwrap();
    let keys = [world.app.checkpoint_key().verifier().clone()];
    let signed = tlog::Checkpoint::open(&newest.note, &keys).unwrap();
    assert_eq!((signed.size, newest.size), (7, 7));
    let mut tree = tlog::Frontier::default();
    for leaf in leaves(&world).await {
        tree.push(leaf.hash.try_into().unwrap(), |_, _| {});
    }
    assert_eq!(tree.root(), signed.root);
}

#[tokio::test]
async fn more_than_a_batch_comes_in_batches() {
    let world = World::new().await;
    let mut unit = world.app.begin(&archivist()).await.unwrap();
    for number in 0..2_500_u128 {
        let subject = contract::RecordId(uuid::Uuid::from_u128(number % 1_100));
        let happened = Happened {
            action: "record.updated",
            ..Happened::default()
        };
        unit.event(subject, happened);
    }
    unit.commit().await.unwrap();
    assert_eq!(service::seal(&world.app, 2).await.unwrap(), 2_000);
    assert_eq!(service::seal(&world.app, 2).await.unwrap(), 501);
    let (findings, totals) = look_against(&world, &[]).await;
    assert_eq!(findings, []);
    assert_eq!((totals.subjects, totals.checkpoints), (1_101, 3));
}

#[tokio::test]
async fn events_of_an_older_version_get_their_places() {
    let world = World::new().await;
    happen(&world.app, 1, 3).await;
    // As an older version left them, one with a number that was not made a text.
    sql(
        &world,
        "UPDATE event SET sequence = NULL, previous = NULL, hash = NULL",
    )
    .await;
    sql(&world, "UPDATE event SET \"after\" = '{\"width\": 2.25}'").await;
    sql(&world, "DELETE FROM event_pending").await;
    let (findings, totals) = look_against(&world, &[]).await;
    assert_eq!((findings, totals.waiting), (vec![], 4));
    let adopted = crate::events::chain::adopt(&world.app).await.unwrap();
    assert_eq!(adopted, 4);
    assert_eq!(crate::events::chain::adopt(&world.app).await.unwrap(), 0);
    happen(&world.app, 1, 1).await;
    let events = of(&world, 1).await;
    let numbers: Vec<_> = events.iter().map(|event| event.sequence).collect();
    assert_eq!(numbers, [Some(1), Some(2), Some(3), Some(4)]);
    assert!(events.is_sorted_by_key(|event| event.id));
    assert_eq!(seal(&world).await, 5);
    assert_eq!(look(&world).await, []);
}

#[tokio::test]
async fn nothing_is_signed_on_a_tree_that_is_not_the_one_signed_last() {
    for tampering in [
        "DELETE FROM event_leaf WHERE position = 20",
        "UPDATE event_leaf SET hash = (SELECT hash FROM event_leaf WHERE position = 3) WHERE position = 20",
        "DELETE FROM checkpoint",
        "DELETE FROM checkpoint WHERE size = 21",
        "UPDATE checkpoint SET note = 'x'",
        "DELETE FROM event_node WHERE level = 4",
    ] {
        let world = World::new().await;
        log(&world).await;
        sql(&world, tampering).await;
        happen(&world.app, 2, 1).await;
        let refused = service::seal(&world.app, 1).await;
        assert!(refused.is_err(), "{tampering}");
    }
}

#[tokio::test]
async fn the_reconciler_seals_although_the_object_store_does_not_answer() {
    let world = World::over_a_silent_store().await;
    let transfer = world.transfer(&archivist()).await;
    world
        .record(&transfer, "a", crate::versions::Status::AwaitingUpload)
        .await;
    world.clock.advance(std::time::Duration::from_hours(48));
    let shutdown = runtime::shutdown::Shutdown::new();
    let (app, stop) = (world.app.clone(), shutdown.clone());
    let running = shutdown.spawn("reconciler", async move {
        crate::jobs::reconciler::run(app, &stop).await;
    });
    while store::any_pending(world.app.database()).await.unwrap() {
        tokio::task::yield_now().await;
    }
    drop(running);
    shutdown.drain(std::time::Duration::ZERO).await;
}

#[tokio::test]
async fn the_reconciler_seals() {
    let world = World::new().await;
    happen(&world.app, 1, 2).await;
    let shutdown = runtime::shutdown::Shutdown::new();
    let (app, stop) = (world.app.clone(), shutdown.clone());
    let running = shutdown.spawn("reconciler", async move {
        crate::jobs::reconciler::run(app, &stop).await;
    });
    while store::leaves(world.app.database()).await.unwrap() < 3 {
        tokio::task::yield_now().await;
    }
    drop(running);
    shutdown.drain(std::time::Duration::from_secs(5)).await;
    assert_eq!(look(&world).await, []);
}

#[tokio::test]
async fn a_row_that_somebody_changed_does_not_keep_others_out_of_the_tree() {
    let world = World::new().await;
    happen(&world.app, 1, 2).await;
    seal(&world).await;
    // One that is a leaf loses its hash, and one that is to be a leaf gets a short one.
    let sealed = of(&world, 1).await.remove(0);
    let id = quoted(&world, sealed.id);
    sql(
        &world,
        &format!("UPDATE event SET hash = NULL WHERE id = {id}"),
    )
    .await;
    happen(&world.app, 2, 1).await;
    let short = of(&world, 2).await.remove(0);
    let id = quoted(&world, short.id);
    let bytes = match world.app.database().get_database_backend() {
        sea_orm::DbBackend::Postgres => "'\\x00'",
        _ => "x'00'",
    };
    sql(
        &world,
        &format!("UPDATE event SET hash = {bytes} WHERE id = {id}"),
    )
    .await;
    happen(&world.app, 3, 4).await;
    assert_eq!(seal(&world).await, 4);
    assert_eq!(
        store::waiting_since(world.app.database()).await.unwrap(),
        Some(short.at)
    );
    assert!(!look(&world).await.is_empty(), "and it is found");
}

#[tokio::test]
async fn another_key_neither_starts_nor_signs_on() {
    let world = World::new().await;
    service::check_key(&world.app).await.unwrap();
    happen(&world.app, 1, 2).await;
    seal(&world).await;
    service::check_key(&world.app).await.unwrap();
    let stranger = world.with_another_key();
    let refused = service::check_key(&stranger).await;
    assert!(
        matches!(&refused, Err(crate::Error::Precondition(why)) if why.contains("not signed with this key")),
        "{refused:?}"
    );
    happen(&world.app, 1, 1).await;
    assert!(service::seal(&stranger, 1).await.is_err());
    assert_eq!(seal(&world).await, 1);
    assert_eq!(look(&world).await, []);
}
