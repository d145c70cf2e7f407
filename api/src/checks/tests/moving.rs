//! Moves of decided versions' bytes, each told at least twice.

use crate::{
    checks::{
        dispositions::{MoveReport, Moved, report},
        evidence::Claimed,
    },
    jobs::{
        Kind, Status as JobStatus,
        claim::Held,
        reported::{ReportStatus, Reported},
        tests::shop::{Shop, all_but, all_passed},
        work::{Answer, Claim},
    },
    versions::{self, Place, Status, Version},
};

fn done() -> Moved {
    Moved::Done {
        etag: Some("\"e9\"".into()),
    }
}

fn changed() -> Moved {
    Moved::ContentChanged {
        detail: Some("412".into()),
    }
}

fn held(next: &Claim) -> Held {
    let Answer::Claimed(lease, _) = &next.answer else {
        panic!("not leased");
    };
    Held {
        job: next.job,
        token: lease.token.clone(),
    }
}

async fn moved(shop: &Shop, held: &Held, moved: Moved) -> Reported {
    let told = MoveReport {
        held: held.clone(),
        moved,
    };
    report(shop.app(), &shop.worker, &[told])
        .await
        .expect("a worker may")
        .pop()
        .expect("an answer")
}

async fn accepted(shop: &Shop) -> (Version, Held) {
    let version = shop.uploaded("a.pdf").await;
    let next = shop
        .checked(&version, all_passed(&version))
        .await
        .next
        .expect("a move follows");
    (version, held(&next))
}

#[tokio::test]
async fn a_version_is_accepted_when_its_bytes_are_in_place() {
    let shop = Shop::new().await;
    let (version, held) = accepted(&shop).await;
    let answer = moved(&shop, &held, done()).await;
    assert_eq!(
        (answer.status, answer.version_status),
        (ReportStatus::Applied, Some(Status::Accepted))
    );
    let row = shop.version(version.id).await;
    assert_eq!(
        (row.status, row.place, row.disposition),
        (Status::Accepted, Place::Records, None)
    );
    assert_eq!(row.object_etag.as_deref(), Some("\"e9\""));
    assert!(row.decided_at.is_some());
    assert_eq!(shop.job(held.job).await.status, JobStatus::Done);
    let again = moved(&shop, &held, done()).await;
    assert_eq!(again.status, ReportStatus::AlreadyApplied);
    assert_eq!(shop.events("version.accepted").await.len(), 1);
    assert_eq!(
        moved(&shop, &held, changed()).await.status,
        ReportStatus::Conflict
    );
    assert_eq!(shop.version(version.id).await.status, Status::Accepted);
}

#[tokio::test]
async fn bytes_that_changed_after_the_checks_are_never_released() {
    let shop = Shop::new().await;
    let (version, held) = accepted(&shop).await;
    let answer = moved(&shop, &held, changed()).await;
    assert_eq!(answer.version_status, Some(Status::NeedsReview));
    let row = shop.version(version.id).await;
    assert_eq!((row.place, row.disposition), (Place::Incoming, None));
    let reasons = versions::decision(&row).expect("it was decided").reasons;
    assert_eq!(
        reasons,
        ["the bytes changed after they were checked, and were not moved: 412"]
    );
    assert_eq!(
        moved(&shop, &held, changed()).await.status,
        ReportStatus::AlreadyApplied
    );
    assert_eq!(
        moved(&shop, &held, done()).await.status,
        ReportStatus::Conflict
    );
    assert_eq!(shop.events("version.notMoved").await.len(), 1);
}

#[tokio::test]
async fn malware_ends_in_the_quarantine() {
    let shop = Shop::new().await;
    let version = shop.uploaded("eicar.com").await;
    let results = all_but(&version, "ANTIVIRUS", |result| {
        result.claimed = Claimed::Failed;
    });
    let next = shop
        .checked(&version, results)
        .await
        .next
        .expect("a move follows");
    moved(&shop, &held(&next), done()).await;
    let row = shop.version(version.id).await;
    assert_eq!(
        (row.status, row.place),
        (Status::Quarantined, Place::Quarantine)
    );
    assert_eq!(shop.events("version.quarantined").await.len(), 1);
}

#[tokio::test]
async fn a_move_whose_worker_vanished_is_made_by_another() {
    let shop = Shop::new().await;
    let (version, first) = accepted(&shop).await;
    shop.pass(60);
    crate::jobs::reconciler::reconcile(shop.app()).await;
    assert_eq!(
        moved(&shop, &first, done()).await.status,
        ReportStatus::LeaseLost
    );
    shop.pass(1);
    let second = shop.take(version.id, Kind::Disposition).await;
    assert_eq!(
        moved(&shop, &second, done()).await.status,
        ReportStatus::Applied
    );
    // The first one's word comes late, and is true.
    assert_eq!(
        moved(&shop, &first, done()).await.status,
        ReportStatus::AlreadyApplied
    );
    assert_eq!(shop.version(version.id).await.status, Status::Accepted);
}

#[tokio::test]
async fn a_check_cannot_be_reported_as_a_move() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    assert_eq!(
        moved(&shop, &held, done()).await.status,
        ReportStatus::Conflict
    );
    assert_eq!(shop.version(version.id).await.status, Status::Checking);
}
