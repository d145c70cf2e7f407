//! What was left behind.

use contract::JobId;

use super::shop::{Shop, all_passed};
use crate::{
    jobs::{
        Kind, Status,
        reconciler::{Reconciled, reconcile},
        reported::ReportStatus,
    },
    testing::World,
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
