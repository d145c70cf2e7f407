//! Identifying again what has been accepted.

use contract::{
    VersionId,
    checks::{CHECKSUM, FORMAT},
};

use crate::{
    Error,
    checks::{
        Status as CheckStatus,
        dispositions::{MoveReport, Moved, report},
        people::rerun,
        reports::CheckResult,
        service::why_waiting,
        store,
    },
    fixity::reports::left_accepted,
    jobs::{
        Kind,
        claim::Held,
        fail::{Failed, Failure, fail},
        reported::ReportStatus,
        tests::shop::{Shop, all_passed, passed},
        work::Answer,
    },
    page::Args,
    testing::archivist,
    versions::{self, Status, Version},
};

/// One that was identified with an old pair of signatures.
async fn accepted(shop: &Shop) -> Version {
    let version = shop.uploaded("a.pdf").await;
    let mut results = all_passed(&version);
    for result in &mut results {
        if result.kind == FORMAT {
            result.signature_version = Some("V109/20200121".into());
        }
    }
    let next = shop.checked(&version, results).await.next;
    let next = next.expect("a move follows");
    let Answer::Claimed(lease, _) = next.answer else {
        panic!("not leased");
    };
    let told = MoveReport {
        held: Held {
            job: next.job,
            token: lease.token,
        },
        moved: Moved::Done {
            etag: Some("\"e9\"".into()),
        },
    };
    report(shop.app(), &shop.worker, &[told])
        .await
        .expect("a worker may");
    shop.version(version.id).await
}

async fn again(shop: &Shop, row: &Version, kinds: Option<&[&str]>) -> Result<Version, Error> {
    let kinds: Option<Vec<String>> =
        kinds.map(|kinds| kinds.iter().map(|&kind| kind.to_owned()).collect());
    rerun(
        shop.app(),
        &archivist(),
        None,
        vec![Ok(VersionId(row.id))],
        kinds.as_deref(),
    )
    .await
    .expect("the call is taken")
    .remove(0)
}

/// What a newer pair of signatures says.
fn newer(row: &Version, run: i32) -> CheckResult {
    let mut result = passed(row, FORMAT);
    result.run = run;
    result.signature_version = Some("V122/20260119".into());
    if let Some(format) = &mut result.evidence.format {
        format.matches[0].puid = "fmt/9999".into();
    }
    result
}

async fn history(shop: &Shop, row: &Version) -> Vec<(i32, CheckStatus, bool)> {
    let args = Args::default();
    let page = store::history(shop.app().database(), row.id, &args).await;
    let runs = page.expect("it is read").items.into_iter();
    runs.map(|(_, run)| run)
        .filter(|run| run.kind == FORMAT)
        .map(|run| (run.run, run.status, run.current))
        .collect()
}

#[tokio::test]
async fn an_accepted_version_is_identified_again_and_stays_accepted() {
    let shop = Shop::new().await;
    let row = accepted(&shop).await;
    let queued = again(&shop, &row, Some(&[FORMAT])).await.expect("they may");
    assert_eq!(queued.status, Status::Accepted);
    // Until there is a result, the first one counts, and it is said what is going on.
    let check = shop.check(row.id, FORMAT).await;
    assert_eq!((check.run, check.status), (1, CheckStatus::Passed));
    let why = why_waiting(shop.app(), &row).await.expect("it is asked");
    assert!(why.is_some_and(|why| why.contains("FORMAT PENDING")));

    let held = shop.take(row.id, Kind::Check).await;
    let answer = shop.report(&held, vec![newer(&row, 2)]).await;
    assert_eq!(
        (answer.status, answer.version_status),
        (ReportStatus::Applied, Some(Status::Accepted))
    );
    assert!(answer.next.is_none(), "its bytes stay where they are");
    let told_twice = shop.report(&held, vec![newer(&row, 2)]).await;
    assert_eq!(told_twice.status, ReportStatus::AlreadyApplied);

    let after = shop.version(row.id).await;
    assert_eq!(after.puid.as_deref(), Some("fmt/9999"));
    let kept = |row: &Version| {
        (
            row.status,
            row.decision.clone(),
            row.object_etag.clone(),
            row.decided_at,
        )
    };
    assert_eq!(kept(&after), kept(&row));
    let check = shop.check(row.id, FORMAT).await;
    assert_eq!(check.run, 2);
    assert_eq!(check.signature_version.as_deref(), Some("V122/20260119"));
    assert_eq!(
        history(&shop, &row).await,
        [
            (1, CheckStatus::Passed, false),
            (2, CheckStatus::Passed, true)
        ]
    );
    let event = shop.events("version.identifiedAgain").await.remove(0);
    let told = |puid, run, signatures| {
        Some(serde_json::json!({"puid": puid, "run": run, "signatureVersion": signatures}))
    };
    assert_eq!(event.before, told("fmt/18", 1, "V109/20200121"));
    assert_eq!(event.after, told("fmt/9999", 2, "V122/20260119"));
    assert_eq!(
        why_waiting(shop.app(), &after).await.expect("it is asked"),
        None
    );
}

#[tokio::test]
async fn a_second_look_that_does_not_pass_stays_in_the_history() {
    let shop = Shop::new().await;
    let row = accepted(&shop).await;
    again(&shop, &row, Some(&[FORMAT])).await.expect("they may");
    let mut encrypted = newer(&row, 2);
    if let Some(format) = &mut encrypted.evidence.format {
        format.encrypted = true;
    }
    shop.checked(&row, vec![encrypted]).await;
    let after = shop.version(row.id).await;
    assert_eq!(
        (after.status, after.puid.as_deref()),
        (Status::Accepted, Some("fmt/18"))
    );
    assert_eq!(
        history(&shop, &row).await,
        [
            (1, CheckStatus::Passed, true),
            (2, CheckStatus::Failed, false)
        ]
    );
    let event = shop.events("version.notIdentifiedAgain").await.remove(0);
    let said = event.after.expect("it says what was found");
    assert_eq!(
        (&said["puid"], &said["status"]),
        (&"fmt/9999".into(), &"FAILED".into())
    );
    // And again, which is a third run.
    again(&shop, &row, Some(&[FORMAT])).await.expect("they may");
    shop.checked(&row, vec![newer(&row, 3)]).await;
    assert_eq!(shop.version(row.id).await.puid.as_deref(), Some("fmt/9999"));
}

#[tokio::test]
async fn a_second_look_that_is_given_up_changes_nothing_and_may_be_asked_for_again() {
    let shop = Shop::new().await;
    let row = accepted(&shop).await;
    again(&shop, &row, Some(&[FORMAT])).await.expect("they may");
    let failed = Failed {
        held: shop.take(row.id, Kind::Check).await,
        failure: Failure::GiveUp,
        reason: "the store is gone".into(),
    };
    fail(shop.app(), &shop.worker, &[failed])
        .await
        .expect("a worker may");
    assert_eq!(shop.version(row.id).await.status, Status::Accepted);
    assert_eq!(
        history(&shop, &row).await,
        [
            (1, CheckStatus::Passed, true),
            (2, CheckStatus::Inconclusive, false)
        ]
    );
    assert!(again(&shop, &row, Some(&[FORMAT])).await.is_ok());
}

#[tokio::test]
async fn nothing_but_the_format_is_run_on_what_was_accepted_and_one_at_a_time() {
    let shop = Shop::new().await;
    let row = accepted(&shop).await;
    for kinds in [None, Some(&[CHECKSUM][..]), Some(&[FORMAT, CHECKSUM][..])] {
        let refused = again(&shop, &row, kinds).await;
        assert!(matches!(refused, Err(Error::Precondition(why)) if why.contains("only FORMAT")));
    }
    again(&shop, &row, Some(&[FORMAT])).await.expect("they may");
    let twice = again(&shop, &row, Some(&[FORMAT])).await;
    assert!(matches!(twice, Err(Error::Precondition(_))));
    assert_eq!(shop.open(row.id, Kind::Check).await.len(), 1);
}

#[tokio::test]
async fn runs_are_numbered_on_after_a_second_look_that_did_not_count() {
    let shop = Shop::new().await;
    let row = accepted(&shop).await;
    again(&shop, &row, Some(&[FORMAT])).await.expect("they may");
    let mut unknown = newer(&row, 2);
    unknown.claimed = crate::checks::evidence::Claimed::Inconclusive;
    shop.checked(&row, vec![unknown]).await;
    // As a fixity failure leaves it.
    let mut unit = shop.app().begin_internal().await.expect("a unit begins");
    let mut row = shop.version(row.id).await;
    row.status = versions::next(row.status, versions::Input::FixityFailed).expect("it may");
    let row = versions::store::update(&mut unit, row, Status::Accepted)
        .await
        .expect("it is kept");
    unit.commit().await.expect("it commits");
    let kinds = [FORMAT.to_owned()];
    rerun(
        shop.app(),
        &archivist(),
        None,
        vec![Ok(VersionId(row.id))],
        Some(&kinds),
    )
    .await
    .expect("the call is taken")
    .remove(0)
    .expect("they may");
    assert_eq!(shop.check(row.id, FORMAT).await.run, 3);
}

#[tokio::test]
async fn a_second_look_ends_with_the_acceptance_that_it_was_beside() {
    let shop = Shop::new().await;
    let row = accepted(&shop).await;
    again(&shop, &row, Some(&[FORMAT]))
        .await
        .expect("it begins");
    let held = shop.take(row.id, Kind::Check).await;
    let mut unit = shop.app().begin_internal().await.expect("a unit begins");
    let now = shop.version(row.id).await;
    left_accepted(&mut unit, now, "version.fixityFailed", "a bit".into())
        .await
        .expect("it leaves");
    unit.commit().await.expect("it commits");
    let runs = history(&shop, &row).await;
    assert!(
        runs.contains(&(2, CheckStatus::Inconclusive, false)),
        "{runs:?}"
    );
    let told = shop.report(&held, vec![newer(&row, 2)]).await;
    assert_eq!(told.status, ReportStatus::Conflict);
    let mut unit = shop.app().begin_internal().await.expect("a unit begins");
    let mut now = shop.version(row.id).await;
    (now.status, now.damaged_at) = (Status::Accepted, None);
    versions::store::update(&mut unit, now.clone(), Status::NeedsReview)
        .await
        .expect("it is kept");
    unit.commit().await.expect("it commits");
    again(&shop, &now, Some(&[FORMAT]))
        .await
        .expect("accepted again, it is identified again");
}
