//! Attempts that fail, and jobs that are given up.

use contract::JobId;

use super::shop::{Shop, all_passed};
use crate::{
    checks::Status as CheckStatus,
    jobs::{
        Kind, Status, claim::Held, fail::Failure, reported::ReportStatus, why_waiting, work::Answer,
    },
    versions::{self, Status as VersionStatus},
};

#[tokio::test]
async fn a_failed_attempt_waits_for_the_next_and_says_why() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    assert_eq!(
        shop.failed(&held, Failure::Retry).await.status,
        ReportStatus::Applied
    );
    let job = shop.job(held.job).await;
    assert_eq!((job.status, job.attempt), (Status::Ready, 2));
    assert_eq!(
        why_waiting(&job, shop.app().clock().now()).as_deref(),
        Some(
            "attempt 2 of 5 begins at 00:00:01 UTC; the one before failed: the store cut the connection"
        )
    );
    assert!(matches!(
        shop.claim(&[held.job]).await[0].answer,
        Answer::Busy
    ));
    shop.pass(1);
    assert!(matches!(
        shop.claim(&[held.job]).await[0].answer,
        Answer::Claimed(..)
    ));
}

#[tokio::test]
async fn telling_a_failure_twice_counts_one_attempt() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.failed(&held, Failure::Retry).await;
    let again = shop.failed(&held, Failure::Retry).await;
    assert_eq!(again.status, ReportStatus::AlreadyApplied);
    assert_eq!(shop.job(held.job).await.attempt, 2);
}

#[tokio::test]
async fn a_poison_file_ends_where_people_see_it() {
    let shop = Shop::new().await;
    let version = shop.uploaded("poison.pdf").await;
    let job = JobId(shop.open(version.id, Kind::Check).await[0].id);
    for _ in 0..5 {
        let held = shop.hold(job).await;
        shop.failed(&held, Failure::Retry).await;
        shop.pass(300);
    }
    assert_eq!(shop.job(job).await.status, Status::Dead);
    let row = shop.version(version.id).await;
    assert_eq!(row.status, VersionStatus::NeedsReview);
    for check in shop.checks(version.id).await {
        assert_eq!(check.status, CheckStatus::Inconclusive);
        let detail = check.detail.unwrap_or_default();
        assert_eq!(
            detail,
            "given up after 5 of 5 attempts: the store cut the connection"
        );
    }
    assert_eq!(shop.events("job.died").await.len(), 1);
    assert_eq!(shop.events("version.decided").await.len(), 1);
    assert!(matches!(
        shop.claim(&[job]).await[0].answer,
        Answer::NothingToDo
    ));
}

#[tokio::test]
async fn giving_up_does_not_wait_for_further_attempts() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.failed(&held, Failure::GiveUp).await;
    assert_eq!(shop.job(held.job).await.status, Status::Dead);
    assert_eq!(
        shop.version(version.id).await.status,
        VersionStatus::NeedsReview
    );
}

#[tokio::test]
async fn bytes_that_cannot_be_moved_are_a_persons_business() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let next = shop
        .checked(&version, all_passed(&version))
        .await
        .next
        .expect("a move follows");
    let Answer::Claimed(lease, _) = next.answer else {
        panic!("it is leased to the reporter");
    };
    let held = Held {
        job: next.job,
        token: lease.token,
    };
    shop.failed(&held, Failure::GiveUp).await;
    let row = shop.version(version.id).await;
    assert_eq!(
        (row.status, row.disposition),
        (VersionStatus::NeedsReview, None)
    );
    let reasons = versions::decision(&row).expect("it was decided").reasons;
    assert_eq!(
        reasons,
        ["given up after 1 of 5 attempts: the store cut the connection"]
    );
    assert_eq!(shop.events("version.notMoved").await.len(), 1);
}

#[tokio::test]
async fn a_job_that_is_done_cannot_fail() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.report(&held, all_passed(&version)).await;
    assert_eq!(
        shop.failed(&held, Failure::GiveUp).await.status,
        ReportStatus::Conflict
    );
    let stranger = Held {
        token: "another".into(),
        ..held
    };
    let lost = shop.failed(&stranger, Failure::GiveUp).await;
    assert_eq!(lost.status, ReportStatus::LeaseLost);
    assert_eq!(
        shop.version(version.id).await.status,
        VersionStatus::Checking
    );
}
