//! Taking jobs, and keeping them.

use std::time::Duration;

use contract::JobId;
use uuid::Uuid;

use super::shop::{Shop, all_passed, work};
use crate::{
    Error,
    checks::Status as CheckStatus,
    jobs::{
        Kind, Status,
        claim::{Held, claim, extend},
        lease::ClaimKey,
        reported::ReportStatus,
        service,
        work::{Answer, Claim, Work},
    },
    testing::archivist,
};

#[tokio::test]
async fn a_claimed_job_says_what_to_do_and_under_which_lease() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let job = shop.open(version.id, Kind::Check).await.remove(0);
    let claims = shop.claim(&[JobId(job.id)]).await;
    let Answer::Claimed(lease, work) = &claims[0].answer else {
        panic!("not claimed");
    };
    assert_eq!(
        (lease.attempt, lease.max_attempts, lease.token.len()),
        (1, 5, 64)
    );
    assert_eq!(
        lease.expires_at,
        version.created_at + Duration::from_mins(1)
    );
    let Work::Check(work) = work.as_ref() else {
        panic!("not a check");
    };
    assert_eq!(work.object.bucket, "test-incoming");
    assert!(work.object.key.starts_with("version_"));
    let kinds: Vec<&str> = work
        .checks
        .iter()
        .map(|check| check.kind.as_str())
        .collect();
    assert_eq!(kinds, ["CHECKSUM", "ANTIVIRUS", "FORMAT"]);
    assert!(
        shop.checks(version.id)
            .await
            .iter()
            .all(|check| check.status == CheckStatus::Running)
    );
    let row = shop.job(JobId(job.id)).await;
    assert_eq!(
        (row.status, row.worker.as_deref()),
        (Status::Leased, Some("worker-1"))
    );
}

#[tokio::test]
async fn a_job_is_given_to_one_worker_at_a_time() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let job = JobId(shop.open(version.id, Kind::Check).await[0].id);
    let twice = shop.claim(&[job, job]).await;
    assert!(work(&twice[0]).is_some());
    assert!(matches!(twice[1].answer, Answer::Busy));
    assert!(matches!(shop.claim(&[job]).await[0].answer, Answer::Busy));
    // Also when the lease has run out: the reconciler counts the attempt first.
    shop.pass(61);
    assert!(matches!(shop.claim(&[job]).await[0].answer, Answer::Busy));
}

#[tokio::test]
async fn a_claim_whose_answer_was_lost_is_answered_again_on_the_same_attempt() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let job = JobId(shop.open(version.id, Kind::Check).await[0].id);
    let key = |digit: &str| ClaimKey::parse("claimKey", digit.repeat(32)).expect("a key");
    let lease = |mut claims: Vec<Claim>| match claims.remove(0).answer {
        Answer::Claimed(lease, _) => lease,
        other => panic!("{other:?}"),
    };
    let first = lease(shop.claim_with(&[job], Some(&key("a"))).await);
    shop.pass(30);
    let again = lease(shop.claim_with(&[job], Some(&key("a"))).await);
    assert_eq!((&again.token, again.attempt), (&first.token, 1));
    // It is counted from the answer that arrives.
    assert_eq!(again.expires_at, first.expires_at + Duration::from_secs(30));
    for other in [Some(&key("b")), None] {
        let answer = &shop.claim_with(&[job], other).await[0].answer;
        assert!(matches!(answer, Answer::Busy));
    }
    let held = Held {
        job,
        token: again.token,
    };
    let answer = shop.report(&held, all_passed(&version)).await;
    assert_eq!(answer.status, ReportStatus::Applied);
    let answer = &shop.claim_with(&[job], Some(&key("a"))).await[0].answer;
    assert!(matches!(answer, Answer::NothingToDo));
}

#[tokio::test]
async fn a_claim_is_not_repeated_by_its_key_when_its_lease_has_run_out() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let job = JobId(shop.open(version.id, Kind::Check).await[0].id);
    let key = ClaimKey::parse("claimKey", "a".repeat(32)).expect("a key");
    let first = &shop.claim_with(&[job], Some(&key)).await[0].answer;
    assert!(matches!(first, Answer::Claimed(..)));
    shop.pass(61);
    let late = &shop.claim_with(&[job], Some(&key)).await[0].answer;
    assert!(matches!(late, Answer::Busy));
}

#[tokio::test]
async fn there_is_nothing_to_do_for_a_job_that_ended_or_never_was() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.report(&held, all_passed(&version)).await;
    for job in [held.job, JobId(Uuid::nil())] {
        assert!(matches!(
            shop.claim(&[job]).await[0].answer,
            Answer::NothingToDo
        ));
    }
}

#[tokio::test]
async fn a_job_whose_checks_all_have_results_ends_when_it_is_claimed() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let job = shop.open(version.id, Kind::Check).await.remove(0);
    let mut unit = shop.app().begin_internal().await.expect("a unit begins");
    crate::checks::service::give_up(&mut unit, version.clone(), &job.queue, "on purpose")
        .await
        .expect("it is given up");
    unit.commit().await.expect("it commits");
    assert!(matches!(
        shop.claim(&[JobId(job.id)]).await[0].answer,
        Answer::NothingToDo
    ));
    assert_eq!(shop.job(JobId(job.id)).await.status, Status::Done);
}

#[tokio::test]
async fn only_workers_take_jobs() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let job = JobId(shop.open(version.id, Kind::Check).await[0].id);
    let refused = claim(
        shop.app(),
        &archivist(),
        &[job],
        "me",
        Duration::from_mins(1),
        None,
    )
    .await;
    assert!(matches!(refused, Err(Error::Forbidden(_))));
}

#[tokio::test]
async fn a_lease_is_kept_by_extending_it_in_time() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    let stranger = Held {
        token: "another".into(),
        ..held.clone()
    };
    shop.pass(59);
    let length = Duration::from_mins(1);
    let leases = [held.clone(), stranger];
    let answers = extend(shop.app(), &shop.worker, &leases, length)
        .await
        .expect("it may");
    let end = version.created_at + Duration::from_secs(119);
    assert_eq!((answers[0].until, answers[0].cancelled), (Some(end), false));
    assert_eq!(answers[1].until, None);
    shop.pass(60);
    let late = extend(shop.app(), &shop.worker, &[held], length)
        .await
        .expect("it may");
    assert_eq!(late[0].until, None);
}

#[tokio::test]
async fn only_a_live_lease_is_good_for_anything() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    let forged = Held {
        token: "another".into(),
        ..held.clone()
    };
    assert_eq!(
        shop.report(&forged, all_passed(&version)).await.status,
        ReportStatus::LeaseLost
    );
    shop.pass(60);
    assert_eq!(
        shop.report(&held, all_passed(&version)).await.status,
        ReportStatus::LeaseLost
    );
    assert!(
        shop.checks(version.id)
            .await
            .iter()
            .all(|check| check.digest.is_none())
    );
}

#[tokio::test]
async fn after_a_restart_what_was_under_way_is_announced_again_and_has_lost_an_attempt() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    for recovered in [1, 0] {
        let done = service::recover_embedded(shop.app())
            .await
            .expect("it recovers");
        assert_eq!(done, recovered);
    }
    let job = shop.job(held.job).await;
    assert_eq!((job.status, job.attempt), (Status::Ready, 2));
    let answer = shop.report(&held, all_passed(&version)).await;
    assert_eq!(answer.status, ReportStatus::LeaseLost);
}
