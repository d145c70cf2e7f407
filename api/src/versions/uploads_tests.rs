//! What becomes of what was seen in the store.

use std::collections::HashMap;

use contract::{
    VersionId,
    objects::{Place, version_key},
};

use super::{
    Status, Version,
    reported::{Reported, Stored, report},
    uploads::{Look, write_down},
};
use crate::{jobs::tests::shop::Shop, testing::World};

#[tokio::test]
async fn what_was_moved_on_while_it_was_looked_for_is_not_missing() {
    let shop = Shop::of(World::with_empty_store().await).await;
    let moved = shop.uploaded("a.pdf").await;
    let (_, awaited) = shop
        .world
        .record(&shop.transfer, "b.pdf", Status::AwaitingUpload)
        .await;
    let gone = || Look::Missing("the bytes are not there yet".into());
    let looks = HashMap::from([(moved.id, gone()), (awaited.id, gone())]);
    let mut unit = shop.app().begin_internal().await.expect("a transaction");
    let answers = write_down(&mut unit, &looks).await.expect("it is read");
    unit.commit().await.expect("nothing is in its way");
    let answers: Vec<_> = answers.into_iter().collect();
    assert_eq!(answers.len(), 1, "the other is missing: {answers:?}");
    let (id, (now, row)) = &answers[0];
    assert_eq!((*id, *now, row.status), (moved.id, false, Status::Checking));
}

/// A version that stands so, and what is told hours later of the bytes in its place.
async fn told_late(shop: &Shop, status: Status) -> (Version, Reported) {
    let path = format!("{status:?}.pdf");
    let (_, version) = shop.world.record(&shop.transfer, &path, status).await;
    shop.pass(30 * 60 * 60);
    let stored = Stored {
        bucket: shop.app().objects().bucket(Place::Incoming).to_owned(),
        key: version_key(VersionId(version.id)),
    };
    let mut told = report(shop.app(), &shop.worker, &[stored])
        .await
        .expect("a worker may");
    (version, told.remove(0))
}

#[tokio::test]
async fn what_is_told_hours_late_of_an_accepted_version_changes_nothing() {
    let shop = Shop::of(World::with_empty_store().await).await;
    let (version, told) = told_late(&shop, Status::Accepted).await;
    assert!(matches!(told, Reported::AlreadyApplied(_)), "{told:?}");
    assert_eq!(shop.version(version.id).await, version);
    assert!(shop.world.deleted.lock().expect("no panic").is_empty());
    assert!(shop.events("version.uploaded").await.is_empty());
}

#[tokio::test]
async fn bytes_that_come_after_their_version_was_abandoned_are_removed() {
    let shop = Shop::of(World::with_empty_store().await).await;
    let (version, told) = told_late(&shop, Status::Abandoned).await;
    assert!(matches!(told, Reported::Unknown), "{told:?}");
    assert_eq!(shop.version(version.id).await, version);
    let key = version_key(VersionId(version.id));
    let bucket = shop.app().objects().bucket(Place::Incoming);
    assert_eq!(
        *shop.world.deleted.lock().expect("no panic"),
        [format!("/{bucket}/{key}")]
    );
}

#[tokio::test]
async fn late_bytes_that_cannot_be_removed_now_are_to_be_told_again() {
    let shop = Shop::new().await;
    let (_, told) = told_late(&shop, Status::Abandoned).await;
    assert!(matches!(told, Reported::Later(_)), "{told:?}");
}
