//! What was left behind.

use chrono::TimeDelta;
use contract::JobId;

use super::shop::{Shop, all_passed};
use crate::{
    collections::service::By,
    jobs::{
        Kind, Status,
        reconciler::{Reconciled, reconcile},
        reported::ReportStatus,
        work::Answer,
    },
    testing::{World, contributor},
    transfers,
    versions::Status as VersionStatus,
};

async fn pass(shop: &Shop) -> Reconciled {
    reconcile(shop.app()).await
}

#[tokio::test]
async fn there_is_nothing_to_do_in_a_tidy_archive() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    shop.take(version.id, Kind::Check).await;
    assert_eq!(pass(&shop).await, Reconciled::default());
}

#[tokio::test]
async fn a_lease_that_ran_out_costs_an_attempt_once() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.pass(60);
    assert_eq!(pass(&shop).await.leases, 1);
    assert_eq!(pass(&shop).await.leases, 0);
    let job = shop.job(held.job).await;
    assert_eq!((job.status, job.attempt), (Status::Ready, 2));
    assert_eq!(
        job.last_error.as_deref(),
        Some("worker-1 was not heard of before its lease ran out")
    );
    let late = shop.report(&held, all_passed(&version)).await;
    assert_eq!(late.status, ReportStatus::LeaseLost);
}

#[tokio::test]
async fn a_worker_that_always_vanishes_leaves_a_version_that_people_see() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let job = JobId(shop.open(version.id, Kind::Check).await[0].id);
    for _ in 0..5 {
        shop.hold(job).await;
        shop.pass(400);
        pass(&shop).await;
        shop.pass(400);
    }
    assert_eq!(shop.job(job).await.status, Status::Dead);
    assert_eq!(
        shop.version(version.id).await.status,
        VersionStatus::NeedsReview
    );
    assert_eq!(shop.events("job.died").await.len(), 1);
}

#[tokio::test]
async fn an_upload_that_never_came_is_abandoned() {
    let shop = Shop::of(World::with_empty_store().await).await;
    let (record, version) = shop
        .world
        .record(&shop.transfer, "a.pdf", VersionStatus::AwaitingUpload)
        .await;
    assert_eq!(pass(&shop).await.uploads, 0);
    shop.pass(24 * 60 * 60 + 1);
    assert_eq!(pass(&shop).await.uploads, 1);
    assert_eq!(pass(&shop).await.uploads, 0);
    assert_eq!(
        shop.version(version.id).await.status,
        VersionStatus::Abandoned
    );
    let events = shop.events("version.abandoned").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].record_id, Some(record.id));
}

#[tokio::test]
async fn an_upload_that_cannot_be_looked_for_is_not_abandoned() {
    let shop = Shop::new().await;
    let (_, version) = shop
        .world
        .record(&shop.transfer, "a.pdf", VersionStatus::AwaitingUpload)
        .await;
    shop.pass(24 * 60 * 60 + 1);
    assert_eq!(pass(&shop).await.uploads, 0, "the object store is away");
    assert_eq!(
        shop.version(version.id).await.status,
        VersionStatus::AwaitingUpload
    );
}

#[tokio::test]
async fn an_upload_that_nobody_told_of_is_found_when_its_ticket_ends() {
    let size = Shop::new().await.uploaded("a.pdf").await.size;
    let shop = Shop::of(World::with_full_store(size).await).await;
    let (_, version) = shop
        .world
        .record(&shop.transfer, "a.pdf", VersionStatus::AwaitingUpload)
        .await;
    shop.pass(24 * 60 * 60 + 1);
    pass(&shop).await;
    let found = shop.version(version.id).await;
    assert_eq!(found.status, VersionStatus::Checking);
    assert_eq!(shop.events("version.uploaded").await.len(), 1);
    assert!(shop.events("version.abandoned").await.is_empty());
    assert_eq!(shop.open(version.id, Kind::Check).await.len(), 1);
}

#[tokio::test]
async fn a_clock_that_steps_back_neither_ends_a_lease_nor_doubles_an_event() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    let now = shop.app().clock().now();
    shop.world.clock.set(now - TimeDelta::hours(6));
    assert_eq!(pass(&shop).await.leases, 0);
    let told = shop.report(&held, all_passed(&version)).await;
    assert_eq!(told.status, ReportStatus::Applied);
    let again = shop.report(&held, all_passed(&version)).await;
    assert_eq!(again.status, ReportStatus::AlreadyApplied);
    let later = shop.uploaded("b.pdf").await;
    let told = shop.checked(&later, all_passed(&later)).await;
    assert_eq!(told.status, ReportStatus::Applied);
    assert_eq!(shop.events("version.decided").await.len(), 2);
}

#[tokio::test]
async fn a_clock_that_steps_ahead_ends_a_lease_and_the_next_worker_goes_on() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    let now = shop.app().clock().now();
    shop.world.clock.set(now + TimeDelta::hours(6));
    let late = shop.report(&held, all_passed(&version)).await;
    assert_eq!(late.status, ReportStatus::LeaseLost);
    assert_eq!(pass(&shop).await.leases, 1);
    shop.pass(3_600);
    let told = shop.checked(&version, all_passed(&version)).await;
    assert_eq!(told.status, ReportStatus::Applied);
    assert_eq!(shop.events("version.decided").await.len(), 1);
}

#[tokio::test]
async fn a_message_that_comes_hours_late_finds_nothing_to_do() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.report(&held, all_passed(&version)).await;
    shop.pass(6 * 60 * 60);
    let claimed = shop.claim(&[held.job]).await.remove(0);
    assert!(matches!(claimed.answer, Answer::NothingToDo), "{claimed:?}");
    assert_eq!(shop.job(held.job).await.status, Status::Done);
}

#[tokio::test]
async fn jobs_that_ended_long_ago_are_forgotten_and_those_that_have_not_ended_are_not() {
    let shop = Shop::new().await;
    let (ended, open) = (shop.uploaded("a.pdf").await, shop.uploaded("b.pdf").await);
    let held = shop.take(ended.id, Kind::Check).await;
    shop.report(&held, all_passed(&ended)).await;
    let waits = JobId(shop.open(open.id, Kind::Check).await[0].id);
    shop.pass(89 * 24 * 60 * 60);
    assert_eq!(pass(&shop).await.purged, 0);
    assert_eq!(shop.job(held.job).await.status, Status::Done);
    shop.pass(2 * 24 * 60 * 60);
    assert_eq!(pass(&shop).await.purged, 1);
    let db = shop.app().database();
    let found = crate::jobs::store::load(db, held.job.0).await;
    assert_eq!(found.expect("it is looked for"), None);
    assert_eq!(shop.job(waits).await.id, waits.0);
    assert_eq!(pass(&shop).await.purged, 0);
}

#[tokio::test]
async fn the_answer_to_a_key_is_kept_for_thirty_days() {
    let shop = Shop::new().await;
    let open = async |title: &str| {
        let new = transfers::service::New {
            collection: By::Id(shop.world.collection.id.into()),
            title: title.into(),
            source: None,
        };
        transfers::service::open(shop.app(), &contributor("ann"), Some("key"), new)
            .await
            .map(|transfer| transfer.id)
            .ok()
    };
    let first = open("First").await;
    shop.pass(29 * 24 * 60 * 60);
    assert_eq!(pass(&shop).await.purged, 0);
    assert_eq!(open("First").await, first);
    assert_eq!(open("Second").await, None);
    shop.pass(2 * 24 * 60 * 60);
    assert_eq!(pass(&shop).await.purged, 1);
    assert!(
        open("Second")
            .await
            .is_some_and(|second| Some(second) != first)
    );
}
