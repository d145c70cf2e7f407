//! The events that go into a package.

use contract::RecordId;
use serde_json::Value;
use tlog::Evidence;

use super::*;
use crate::{checkpoints, unit::Happened};

/// Something happens to a record.
async fn happen(world: &World, record: &Record) {
    let mut unit = world.app.begin(&archivist()).await.unwrap();
    let happened = Happened {
        action: "record.updated",
        record_id: Some(record.id),
        ..Happened::default()
    };
    unit.event(RecordId(record.id), happened);
    unit.commit().await.unwrap();
}

/// All lines of a package's events, in pages of so many.
async fn lines(world: &World, job: JobId, page: i32) -> Vec<String> {
    let mut lines = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let of = after.as_deref();
        let page = service::events(&world.app, &worker(), job, "token", Some(page), of)
            .await
            .unwrap();
        assert_eq!(page.has_previous, after.is_some());
        for (cursor, shown) in page.events {
            lines.push(tlog::line(&shown.entry, shown.leaf, &shown.proof));
            after = Some(cursor);
        }
        if !page.has_next {
            return lines;
        }
    }
}

async fn sealed(world: &World) {
    checkpoints::service::seal(&world.app, 1).await.unwrap();
}

#[tokio::test]
async fn a_package_holds_the_events_of_its_records_as_they_were_when_it_was_begun() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let other = world.transfer(&archivist()).await;
    let (b, a) = (
        world.accepted(&transfer, "b").await,
        world.accepted(&transfer, "a").await,
    );
    let foreign = world.accepted(&other, "c").await;
    for record in [&b, &foreign, &a, &b, &foreign, &a, &b] {
        happen(&world, record).await;
    }
    sealed(&world).await;
    // More is signed before it is asked for: the package is proved by the first tree that holds its events.
    happen(&world, &foreign).await;
    sealed(&world).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let job = claim(&world, &export).await;
    let first = lines(&world, job, 500).await;
    let records: Vec<Value> = first
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["event"]["record"].clone())
        .collect();
    let record = b;
    let (a, b) = (RecordId(a.id).to_string(), RecordId(record.id).to_string());
    assert_eq!(
        records,
        [&a, &a, &b, &b, &b].map(|id| Value::from(id.as_str()))
    );

    let mut unit = world.app.begin_internal().await.unwrap();
    let work = service::work_for_claim(&mut unit, export.id).await.unwrap();
    drop(unit);
    let evidence = work.unwrap().evidence.unwrap();
    let key = tlog::VerifierKey::parse(&evidence.checkpoint_key).unwrap();
    let checkpoint = tlog::Checkpoint::open(&evidence.checkpoint, &[key]).unwrap();
    let mut look = Evidence::new(checkpoint);
    for line in &first {
        look.add(line).unwrap();
    }
    assert_eq!((look.seen().events, look.seen().records), (5, 2));

    // The same selection with the same events is proved alike, whatever was signed since.
    happen(&world, &foreign).await;
    sealed(&world).await;
    let again = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let again = claim(&world, &again).await;
    assert_eq!(lines(&world, again, 2).await, first);
    // What happens while it is written is for the next one.
    happen(&world, &record).await;
    sealed(&world).await;
    for page in [1, 2, 3] {
        assert_eq!(lines(&world, job, page).await, first, "{page}");
    }
    let next = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let next = claim(&world, &next).await;
    assert_eq!(lines(&world, next, 500).await.len(), 6);
}

#[tokio::test]
async fn events_are_read_with_a_live_lease_only_and_in_pages() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    happen(&world, &world.accepted(&transfer, "a").await).await;
    sealed(&world).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let job = claim(&world, &export).await;
    let ask = async |by: &Caller, token: &str, first, after| {
        service::events(&world.app, by, job, token, first, after).await
    };
    assert_eq!(
        ask(&worker(), "token", None, None)
            .await
            .unwrap()
            .events
            .len(),
        1
    );
    assert!(matches!(
        ask(&worker(), "guess", None, None).await,
        Err(Error::Conflict(_))
    ));
    assert!(matches!(
        ask(&archivist(), "token", None, None).await,
        Err(Error::Forbidden(_))
    ));
    assert!(matches!(
        ask(&worker(), "token", Some(501), None).await,
        Err(Error::Limit(_))
    ));
    for (first, after) in [
        (Some(0), None),
        (None, Some("x")),
        (None, Some("1")),
        (None, Some("-1.0")),
    ] {
        let refused = ask(&worker(), "token", first, after).await;
        assert!(matches!(refused, Err(Error::BadInput { .. })), "{after:?}");
    }
    world.clock.advance(Duration::from_mins(1));
    assert!(matches!(
        ask(&worker(), "token", None, None).await,
        Err(Error::Conflict(_))
    ));
}

#[tokio::test]
async fn what_happened_before_a_package_is_begun_is_sealed_for_it() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let record = world.accepted(&transfer, "a").await;
    happen(&world, &record).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let job = JobId(job_of(&world, &export).await.id);
    let minute = Duration::from_mins(1);
    let claims = crate::jobs::claim::claim(&world.app, &worker(), &[job], "w", minute, None).await;
    let claims = claims.unwrap();
    assert!(matches!(
        claims[0].answer,
        crate::jobs::work::Answer::Claimed(..)
    ));
    let row = read(&world, &export).await;
    assert!(row.tree_size.is_some());
}

#[tokio::test]
async fn a_record_that_was_tampered_with_is_packed_and_its_bag_shows_it() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let record = world.accepted(&transfer, "a").await;
    for _ in 0..3 {
        happen(&world, &record).await;
    }
    sealed(&world).await;
    let edited = event::Entity::update_many()
        .col_expr(event::Column::Agent, "nobody".into())
        .filter(event::Column::RecordId.eq(record.id))
        .filter(event::Column::Sequence.eq(2))
        .exec(world.app.database());
    assert_eq!(edited.await.unwrap().rows_affected, 1);
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let job = claim(&world, &export).await;
    let lines = lines(&world, job, 500).await;
    let row = read(&world, &export).await;
    let size = u64::try_from(row.tree_size.unwrap()).unwrap();
    let signed = checkpoints::store::of_size(world.app.database(), size)
        .await
        .unwrap();
    let mut look = Evidence::new(tlog::Checkpoint::read(&signed.unwrap().note).unwrap());
    let found: Vec<_> = lines.iter().map(|line| look.add(line).is_ok()).collect();
    assert_eq!(
        found,
        [true, false, false],
        "the edited one, and the one that followed it"
    );
}

#[tokio::test]
async fn a_package_holds_although_its_events_were_written_by_processes_whose_clocks_are_apart() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let record = world.accepted(&transfer, "a").await;
    let database = crate::app::connect(world.url(), 2).await.unwrap();
    let ahead = world.another(database);
    // Ids of the system's clock, which the test's own is far behind: the first of the chain has the largest id.
    for app in [&ahead, &world.app, &ahead, &world.app] {
        let mut unit = app.begin(&archivist()).await.unwrap();
        let happened = Happened {
            action: "record.updated",
            record_id: Some(record.id),
            ..Happened::default()
        };
        unit.event(RecordId(record.id), happened);
        unit.commit().await.unwrap();
    }
    sealed(&world).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let job = claim(&world, &export).await;
    let mut unit = world.app.begin_internal().await.unwrap();
    let work = service::work_for_claim(&mut unit, export.id).await.unwrap();
    drop(unit);
    let evidence = work.unwrap().evidence.unwrap();
    let key = tlog::VerifierKey::parse(&evidence.checkpoint_key).unwrap();
    for page in [500, 1] {
        let checkpoint =
            tlog::Checkpoint::open(&evidence.checkpoint, std::slice::from_ref(&key)).unwrap();
        let mut look = Evidence::new(checkpoint);
        let lines = lines(&world, job, page).await;
        let leaves: Vec<u64> = lines
            .iter()
            .map(|line| tlog::Line::parse(line).unwrap().leaf)
            .collect();
        assert!(!leaves.is_sorted(), "the clocks are apart: {leaves:?}");
        for line in &lines {
            look.add(line).unwrap();
        }
        assert_eq!(look.seen().events, 4);
    }
}
