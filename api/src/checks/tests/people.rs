//! What people do about checks.

use contract::{
    VersionId,
    checks::{ANTIVIRUS, CHECKSUM},
};

use crate::{
    Error,
    auth::{Caller, Role},
    checks::{
        Status as CheckStatus,
        dispositions::{MoveReport, Moved, report},
        evidence::Claimed,
        people::{Verdict, decide, rerun},
        waiver,
    },
    jobs::{
        Kind,
        tests::shop::{Shop, all_but, all_passed, passed},
    },
    testing::{archivist, caller, contributor, reader},
    versions::{self, Status, Version},
};

async fn in_review(shop: &Shop) -> Version {
    let version = shop.uploaded("a.pdf").await;
    let results = all_but(&version, ANTIVIRUS, |result| {
        result.claimed = Claimed::Inconclusive;
        result.detail = Some("timed out".into());
    });
    shop.checked(&version, results).await;
    shop.version(version.id).await
}

async fn say(shop: &Shop, by: &Caller, row: &Version, verdict: Verdict) -> Result<Version, Error> {
    decide(
        shop.app(),
        by,
        VersionId(row.id),
        verdict,
        "scanned elsewhere",
    )
    .await
}

async fn again(
    shop: &Shop,
    by: &Caller,
    row: &Version,
    kinds: Option<&[String]>,
) -> Result<Version, Error> {
    rerun(shop.app(), by, None, vec![Ok(VersionId(row.id))], kinds)
        .await
        .expect("the call is taken")
        .remove(0)
}

#[tokio::test]
async fn an_archivist_accepts_with_a_reason_that_stays() {
    let shop = Shop::new().await;
    let row = in_review(&shop).await;
    assert_eq!(row.status, Status::NeedsReview);
    let row = say(&shop, &archivist(), &row, Verdict::Accept)
        .await
        .expect("they may");
    assert_eq!(row.status, Status::Checking);
    let waived = waiver(&shop.check(row.id, ANTIVIRUS).await).expect("it is waived");
    assert_eq!(
        (waived.by.as_str(), waived.reason.as_str()),
        ("arch", "scanned elsewhere")
    );
    assert!(waiver(&shop.check(row.id, CHECKSUM).await).is_none());
    let held = shop.take(row.id, Kind::Disposition).await;
    let told = MoveReport {
        held,
        moved: Moved::Done { etag: None },
    };
    report(shop.app(), &shop.worker, &[told])
        .await
        .expect("a worker may");
    let row = shop.version(row.id).await;
    assert_eq!(row.status, Status::Accepted);
    let decision = versions::decision(&row).expect("it is decided");
    assert_eq!(
        (decision.by.as_str(), decision.reasons[0].as_str()),
        ("arch", "scanned elsewhere")
    );
    assert_eq!(
        decision.warnings,
        ["ANTIVIRUS INCONCLUSIVE, waived: timed out"]
    );
    assert_eq!(shop.events("version.acceptedByPerson").await.len(), 1);
}

#[tokio::test]
async fn an_archivist_rejects_with_a_reason_that_stays() {
    let shop = Shop::new().await;
    let row = in_review(&shop).await;
    let row = say(&shop, &archivist(), &row, Verdict::Reject)
        .await
        .expect("they may");
    assert_eq!(row.status, Status::Rejected);
    assert_eq!(
        versions::decision(&row).map(|decision| decision.by),
        Some("arch".into())
    );
    let twice = say(&shop, &archivist(), &row, Verdict::Reject).await;
    assert!(matches!(twice, Err(Error::Precondition(_))));
}

#[tokio::test]
async fn nobody_accepts_malware() {
    let shop = Shop::new().await;
    let version = shop.uploaded("eicar.com").await;
    let results = all_but(&version, ANTIVIRUS, |result| {
        result.claimed = Claimed::Failed;
    });
    shop.checked(&version, results).await;
    // Its move to the quarantine failed, so that it waits for a person.
    let job = shop.open(version.id, Kind::Disposition).await.remove(0);
    let mut unit = shop.app().begin_internal().await.expect("a unit begins");
    let row = shop.version(job.subject_id).await;
    crate::checks::dispositions::not_moved(&mut unit, row, "on purpose".into())
        .await
        .expect("it is told");
    unit.commit().await.expect("it commits");
    let row = shop.version(version.id).await;
    let refused = say(&shop, &archivist(), &row, Verdict::Accept).await;
    assert!(matches!(refused, Err(Error::Precondition(why)) if why.contains("malware")));
    assert!(waiver(&shop.check(row.id, ANTIVIRUS).await).is_none());
}

#[tokio::test]
async fn nobody_decides_about_what_never_came() {
    let shop = Shop::new().await;
    let (_, row) = shop
        .world
        .record(&shop.transfer, "a.pdf", Status::Rejected)
        .await;
    for refused in [
        say(&shop, &archivist(), &row, Verdict::Accept).await,
        again(&shop, &archivist(), &row, None).await,
    ] {
        assert!(matches!(refused, Err(Error::Precondition(why)) if why.contains("never came")));
    }
}

#[tokio::test]
async fn only_an_archivist_decides_and_strangers_see_nothing() {
    let shop = Shop::new().await;
    let row = in_review(&shop).await;
    let admin = caller("root", Role::Admin, &[]);
    for by in [&contributor("ann"), &admin] {
        let refused = say(&shop, by, &row, Verdict::Accept).await;
        assert!(matches!(refused, Err(Error::Forbidden(_))));
    }
    let stranger = caller("eve", Role::Contributor, &["OTHER"]);
    for by in [&stranger, &reader("bob")] {
        let hidden = say(&shop, by, &row, Verdict::Accept).await;
        assert!(matches!(hidden, Err(Error::NotFound("version"))));
        let hidden = again(&shop, by, &row, None).await;
        assert!(matches!(hidden, Err(Error::NotFound("version"))));
    }
    // Nor about a deposit of their own.
    let depositor = caller(&row.created_by, Role::Archivist, &[]);
    let refused = say(&shop, &depositor, &row, Verdict::Accept).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))));
}

#[tokio::test]
async fn whoever_waives_a_checksum_takes_the_bytes_as_they_are() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let results = all_but(&version, CHECKSUM, |result| {
        if let Some(measured) = &mut result.evidence.checksum {
            measured.size = 12;
            measured.sha256 = "cd".repeat(32);
        }
    });
    shop.checked(&version, results).await;
    let row = shop.version(version.id).await;
    assert_eq!(row.status, Status::Rejected);
    let row = say(&shop, &archivist(), &row, Verdict::Accept)
        .await
        .expect("they may");
    assert_eq!((row.size, row.sha256), (12, "cd".repeat(32)));
    let event = shop.events("version.takenAsMeasured").await.remove(0);
    let declared = serde_json::json!({"size": 10, "sha256": "ab".repeat(32)});
    assert_eq!(event.before, Some(declared));
}

#[tokio::test]
async fn a_rerun_is_a_new_row_and_keeps_the_old_one() {
    let shop = Shop::new().await;
    let row = in_review(&shop).await;
    let kinds = [ANTIVIRUS.to_owned()];
    let row = again(&shop, &archivist(), &row, Some(&kinds))
        .await
        .expect("they may");
    assert_eq!(
        (row.status, row.decision.as_ref()),
        (Status::Checking, None)
    );
    let check = shop.check(row.id, ANTIVIRUS).await;
    assert_eq!((check.run, check.status), (2, CheckStatus::Pending));
    let args = crate::page::Args::default();
    let history = crate::checks::store::history(shop.app().database(), row.id, &args).await;
    assert_eq!(history.expect("it is read").items.len(), 4);
    // While they run, there is nothing to run again.
    let twice = again(&shop, &archivist(), &row, None).await;
    assert!(matches!(twice, Err(Error::Precondition(_))));
    let depositor = again(&shop, &contributor("ann"), &row, None).await;
    assert!(matches!(depositor, Err(Error::Forbidden(_))));
    let mut result = passed(&row, ANTIVIRUS);
    result.run = 2;
    assert!(shop.checked(&row, vec![result]).await.next.is_some());
}

#[tokio::test]
async fn results_of_a_run_that_was_superseded_change_nothing() {
    let shop = Shop::new().await;
    let row = in_review(&shop).await;
    let row = again(&shop, &archivist(), &row, None)
        .await
        .expect("they may");
    let held = shop.take(row.id, Kind::Check).await;
    let stale = shop.report(&held, all_passed(&row)).await;
    assert_eq!(stale.status, crate::jobs::reported::ReportStatus::Conflict);
    assert_eq!(shop.version(row.id).await.status, Status::Checking);
}

#[tokio::test]
async fn only_checks_that_the_policy_needs_are_run_again() {
    let shop = Shop::new().await;
    let row = in_review(&shop).await;
    let kinds = ["OCR".to_owned()];
    let refused = again(&shop, &archivist(), &row, Some(&kinds)).await;
    assert!(matches!(refused, Err(Error::BadInput { .. })));
    assert_eq!(shop.version(row.id).await.status, Status::NeedsReview);
}

#[tokio::test]
async fn a_version_that_is_named_twice_is_run_again_once() {
    let shop = Shop::new().await;
    let row = in_review(&shop).await;
    let ids = vec![Ok(row.id.into()), Ok(row.id.into())];
    let outcomes = rerun(shop.app(), &archivist(), None, ids, None)
        .await
        .expect("it is asked");
    assert!(outcomes[0].is_ok() && matches!(outcomes[1], Err(Error::Precondition(_))));
    let totals = crate::transfers::store::totals(shop.app().database(), &[row.transfer_id])
        .await
        .expect("they are read");
    assert_eq!(totals[&row.transfer_id].needs_review, 0);
}

#[tokio::test]
async fn a_rerun_with_the_same_key_is_answered_again_and_done_once() {
    let shop = Shop::new().await;
    let row = in_review(&shop).await;
    let absent = VersionId(uuid::Uuid::from_u128(1));
    let ids = || {
        let malformed = Error::input("input.versionIds.2", "no id");
        vec![Ok(row.id.into()), Ok(absent), Err(malformed)]
    };
    let ask = async |ids| rerun(shop.app(), &archivist(), Some("key"), ids, None).await;
    for _ in 0..2 {
        let outcomes = ask(ids()).await.expect("it is asked");
        assert_eq!(
            outcomes[0].as_ref().expect("queued").status,
            Status::Checking
        );
        assert!(matches!(outcomes[1], Err(Error::NotFound("version"))));
        assert!(matches!(outcomes[2], Err(Error::BadInput { .. })));
    }
    assert_eq!(shop.check(row.id, ANTIVIRUS).await.run, 2);
    assert_eq!(shop.events("version.checksRerun").await.len(), 1);
    let other = ask(vec![Ok(row.id.into())]).await;
    assert!(matches!(other, Err(Error::Conflict(_))));
}
