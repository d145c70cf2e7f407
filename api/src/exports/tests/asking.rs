//! Who may ask for a package and fetch it, and for how long.

use super::*;

#[tokio::test]
async fn contributors_export_what_they_deposited_and_nothing_else() {
    let world = World::new().await;
    let ann = contributor("ann");
    let (own, other) = (
        world.transfer(&ann).await,
        world.transfer(&contributor("bob")).await,
    );
    let record = world.accepted(&own, "a").await;
    let foreign = world.collection("OTHER", "OTHER").await;
    let foreign = world.transfer_in(&foreign, &archivist()).await;
    let hidden = world.accepted(&foreign, "a").await;
    let collection = Selection::CollectionId(CollectionId(world.collection.id));
    let export = request(&world, &ann, of_transfer(&own)).await.unwrap();
    for (by, selection, expected) in [
        (&ann, of_transfer(&other), "forbidden"),
        (&ann, of_records(&[&record]), "forbidden"),
        (&ann, collection.clone(), "forbidden"),
        (&ann, of_transfer(&foreign), "no transfer"),
        (&ann, of_records(&[&record, &hidden]), "no record"),
        (&reader("rob"), collection, "forbidden"),
        (&reader("rob"), of_transfer(&own), "no transfer"),
        (&worker(), of_transfer(&own), "no transfer"),
    ] {
        let refused = match request(&world, by, selection.clone()).await {
            Err(Error::Forbidden(_)) => "forbidden".to_owned(),
            Err(Error::NotFound(noun)) => format!("no {noun}"),
            answer => panic!("{selection:?}: {answer:?}"),
        };
        assert_eq!(refused, expected, "{} {selection:?}", by.actor.subject);
    }
    for (by, sees) in [
        (ann, true),
        (contributor("bob"), false),
        (reader("ann"), false),
        (worker(), false),
    ] {
        let page = store::list(
            world.app.database(),
            &by.actor,
            Filter::default(),
            &Args::default(),
        )
        .await
        .unwrap();
        assert_eq!(page.items.len(), usize::from(sees));
        let found = store::lookup(world.app.database(), &by.actor, export.id)
            .await
            .unwrap();
        assert_eq!(found.is_some(), sees);
        let cancelled = service::cancel(&world.app, &by, ExportId(export.id)).await;
        assert_eq!(cancelled.is_ok(), sees);
    }
}

#[tokio::test]
async fn a_repeated_request_gives_the_first_export() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let by = archivist();
    let ask = |selection| service::request(&world.app, &by, Some("k"), New { selection });
    let first = ask(of_transfer(&transfer)).await.unwrap();
    assert_eq!(ask(of_transfer(&transfer)).await.unwrap(), first);
    let other = ask(Selection::CollectionId(CollectionId(world.collection.id))).await;
    assert!(matches!(other, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn a_package_is_downloadable_while_it_is_kept() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    assert!(
        service::download(&world.app, &export, None)
            .await
            .unwrap()
            .is_none()
    );
    let job = claim(&world, &export).await;
    report(&world, job, ready()).await;
    let row = read(&world, &export).await;
    let (signed, until) = service::download(&world.app, &row, Some(3_600))
        .await
        .unwrap()
        .unwrap();
    assert!(
        signed
            .url
            .contains(&format!("/test-exports/{}.tar?", ExportId(export.id))),
        "{}",
        signed.url
    );
    assert_eq!(
        until,
        row.finished_at.unwrap() + chrono::TimeDelta::hours(1)
    );
    for seconds in [0, -1, 3_601] {
        let refused = service::download(&world.app, &row, Some(seconds)).await;
        assert!(matches!(refused, Err(Error::BadInput { .. })));
    }
    world.clock.advance(world.app.limits().export_kept);
    assert!(
        service::download(&world.app, &row, None)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_package_whose_bytes_cannot_be_removed_is_met_again() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let job = claim(&world, &export).await;
    report(&world, job, ready()).await;
    world.clock.advance(world.app.limits().export_kept);
    // Nobody listens where the world's object store is said to be.
    assert_eq!(service::expire(&world.app).await.unwrap(), 0);
    assert_eq!(read(&world, &export).await.status, Status::Ready);
    let due = store::outlived(world.app.database(), world.app.clock().now(), 10)
        .await
        .unwrap();
    assert_eq!(due.len(), 1);
}
