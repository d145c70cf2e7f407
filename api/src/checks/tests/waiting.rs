//! Why something waits.

use crate::{
    checks::{evidence::Claimed, service::why_waiting},
    jobs::{
        Kind,
        tests::shop::{Shop, all_but, all_passed},
    },
    versions::Status,
};

async fn why(shop: &Shop, id: uuid::Uuid) -> Option<String> {
    let row = shop.version(id).await;
    why_waiting(shop.app(), &row).await.expect("it is read")
}

#[tokio::test]
async fn whatever_is_undecided_says_why() {
    let shop = Shop::new().await;
    let (_, awaited) = shop
        .world
        .record(&shop.transfer, "b.pdf", Status::AwaitingUpload)
        .await;
    assert_eq!(
        why(&shop, awaited.id).await.as_deref(),
        Some("waiting for its bytes until 2026-01-02 00:00 UTC")
    );
    let version = shop.uploaded("a.pdf").await;
    assert_eq!(
        why(&shop, version.id).await.as_deref(),
        Some(
            "CHECKSUM PENDING, ANTIVIRUS PENDING, FORMAT PENDING: waiting for its turn in the queue jobs"
        )
    );
    let held = shop.take(version.id, Kind::Check).await;
    assert_eq!(
        why(&shop, version.id).await.as_deref(),
        Some(
            "CHECKSUM RUNNING, ANTIVIRUS RUNNING, FORMAT RUNNING: worker-1 is at work on it (attempt 1 of 5)"
        )
    );
    shop.report(&held, all_passed(&version)).await;
    assert_eq!(
        why(&shop, version.id).await.as_deref(),
        Some("decided; its bytes are to be moved: worker-1 is at work on it (attempt 1 of 5)")
    );
}

#[tokio::test]
async fn a_review_says_what_a_person_is_asked_about() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let results = all_but(&version, "ANTIVIRUS", |result| {
        result.claimed = Claimed::Inconclusive;
        result.detail = Some("timed out".into());
    });
    shop.checked(&version, results).await;
    assert_eq!(
        why(&shop, version.id).await.as_deref(),
        Some("an archivist must decide: not scanned: timed out")
    );
}

#[tokio::test]
async fn what_is_decided_waits_for_nothing() {
    let shop = Shop::new().await;
    for status in [
        Status::Accepted,
        Status::Rejected,
        Status::Quarantined,
        Status::Abandoned,
    ] {
        let path = format!("{status:?}.pdf");
        let (_, row) = shop.world.record(&shop.transfer, &path, status).await;
        assert_eq!(why(&shop, row.id).await, None);
    }
}
