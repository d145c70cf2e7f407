//! What follows from what a worker found.

use super::{DAY, Shop, bad, good, id};
use crate::{
    Error,
    checks::people::{Verdict, decide, rerun},
    exports,
    fixity::{Finding, Outcome, Selection, service, store},
    jobs::{
        Kind,
        fail::{Failed, Failure, fail},
        reported::ReportStatus,
    },
    tasks,
    testing::archivist,
    versions::{self, Status, Version},
};

async fn tasks_of(shop: &Shop, version: &Version) -> Vec<tasks::Task> {
    let filter = tasks::store::Filter {
        record: Some(version.record_id),
        ..tasks::store::Filter::default()
    };
    let args = crate::page::Args::default();
    let actor = archivist().actor;
    let page = tasks::store::list(
        shop.app().database(),
        &actor,
        filter,
        tasks::store::Order::CreatedAt,
        &args,
    );
    let page = page.await.unwrap();
    page.items.into_iter().map(|(_, row)| row).collect()
}

#[tokio::test]
async fn what_is_as_it_was_is_written_down_once() {
    let shop = Shop::new().await;
    let version = shop.kept("a.txt").await;
    let run = shop
        .verify(Selection::RecordId(version.record_id.into()))
        .await;
    let check = shop.fixity(version.id).await.remove(0);
    let held = shop.hold_check(&check).await;
    assert_eq!(shop.tell(&held, good()).await.status, ReportStatus::Applied);
    assert_eq!(
        shop.tell(&held, good()).await.status,
        ReportStatus::AlreadyApplied
    );
    assert_eq!(shop.tell(&held, bad()).await.status, ReportStatus::Conflict);
    let check = shop.fixity(version.id).await.remove(0);
    assert_eq!(
        (
            check.outcome,
            check.worker.as_deref(),
            check.engine.as_deref()
        ),
        (Some(Outcome::Match), Some("worker-1"), Some("a reader 1.0"))
    );
    let now = shop.version(version.id).await;
    assert_eq!(now.status, Status::Accepted);
    assert_eq!(now.verified_at, check.finished_at);
    assert_eq!(
        now.object_etag.as_deref(),
        Some("\"e2\""),
        "exports ask for the bytes that were found good"
    );
    let run = shop.run_now(&run).await;
    assert_eq!((run.asked, run.verified, run.mismatched), (1, 1, 0));
    assert!(run.finished_at.is_some());
}

#[tokio::test]
async fn a_worker_without_a_lease_changes_nothing() {
    let shop = Shop::new().await;
    let version = shop.kept("a.txt").await;
    shop.verify(Selection::Everything).await;
    let check = shop.fixity(version.id).await.remove(0);
    let held = shop.hold_check(&check).await;
    shop.pass(61);
    assert_eq!(
        shop.tell(&held, bad()).await.status,
        ReportStatus::LeaseLost
    );
    assert_eq!(shop.version(version.id).await.status, Status::Accepted);
    assert_eq!(shop.fixity(version.id).await[0].outcome, None);
}

#[tokio::test]
async fn damage_takes_a_version_out_of_use_and_opens_one_task_however_often_it_is_found() {
    let shop = Shop::new().await;
    let version = shop.kept("a.txt").await;
    let app = shop.app();
    for finding in [bad(), Finding::Missing, bad()] {
        shop.verified(&version, finding).await;
    }
    let outcomes: Vec<_> = shop.fixity(version.id).await;
    let outcomes: Vec<_> = outcomes.iter().rev().map(|check| check.outcome).collect();
    let (mismatch, missing) = (Some(Outcome::Mismatch), Some(Outcome::Missing));
    assert_eq!(outcomes, [mismatch, missing, mismatch]);
    let now = shop.version(version.id).await;
    assert_eq!(now.status, Status::NeedsReview);
    assert!(now.damaged_at.is_some());
    let download = versions::service::download(app, &archivist(), &now, "OWN", None).await;
    assert!(matches!(download, Ok(None)), "{download:?}");
    assert_eq!(shop.record(&version).await.current_version_id, None);
    let why = crate::checks::service::why_waiting(app, &now)
        .await
        .unwrap();
    let why = why.unwrap();
    assert!(
        why.contains("the object is not what was accepted: SHA-256 aaaa"),
        "{why}"
    );
    let tasks = tasks_of(&shop, &version).await;
    assert_eq!(tasks.len(), 1, "{tasks:#?}");
    assert_eq!(tasks[0].title, "Fixity failure: version 1 (a.txt)");
    assert_eq!(shop.events("version.fixityFailed").await.len(), 1);
    assert_eq!(shop.events("task.added").await.len(), 1);
}

#[tokio::test]
async fn an_older_version_that_is_whole_takes_the_place_of_a_damaged_one() {
    let shop = Shop::new().await;
    let first = shop.kept("a.txt").await;
    let second = versions::service::restore(shop.app(), &archivist(), None, id(&first), None)
        .await
        .unwrap();
    assert_eq!(
        shop.record(&first).await.current_version_id,
        Some(second.id)
    );
    shop.verify(Selection::RecordId(first.record_id.into()))
        .await;
    let check = shop.fixity(second.id).await.remove(0);
    shop.finds(&check, Finding::Missing).await;
    assert_eq!(shop.record(&first).await.current_version_id, Some(first.id));
}

#[tokio::test]
async fn a_damaged_version_is_accepted_again_only_after_it_was_found_whole_and_by_a_person() {
    let shop = Shop::new().await;
    let version = shop.kept("a.txt").await;
    let app = shop.app();
    shop.verified(&version, bad()).await;
    let person = archivist();
    let accept = || decide(app, &person, id(&version), Verdict::Accept, "restored");
    let refused = accept().await;
    assert!(
        matches!(&refused, Err(Error::Precondition(why)) if why.contains("verifyNow")),
        "{refused:?}"
    );
    let again = rerun(app, &archivist(), vec![Ok(id(&version))], None).await;
    let again = again.unwrap().pop().unwrap();
    assert!(
        matches!(&again, Err(Error::Precondition(why)) if why.contains("verifyNow")),
        "a check of the format alone would accept it: {again:?}"
    );
    shop.verified(&version, good()).await;
    let whole = shop.version(version.id).await;
    assert_eq!(
        (whole.status, whole.damaged_at),
        (Status::NeedsReview, None),
        "it waits for a person"
    );
    assert_eq!(shop.events("version.fixityRestored").await.len(), 1);
    // Its checks were never run in this small archive; the decision is what is looked at here.
    let refused = accept().await;
    assert!(
        matches!(&refused, Err(Error::Precondition(why)) if !why.contains("verifyNow")),
        "{refused:?}"
    );
}

#[tokio::test]
async fn what_cannot_be_read_is_no_damage_and_is_tried_again_a_day_later() {
    let shop = Shop::new().await;
    let version = shop.kept("a.txt").await;
    shop.pass(90 * DAY);
    let run = shop.verify(Selection::Everything).await;
    assert_eq!(shop.pass_once().await, 1);
    for check in shop.fixity(version.id).await {
        for _ in 0..5 {
            let held = shop.take(check.id, Kind::Fixity).await;
            let failed = Failed {
                held,
                failure: Failure::Retry,
                reason: "the object store refuses (403): AccessDenied".into(),
            };
            fail(shop.app(), &shop.worker, &[failed]).await.unwrap();
            shop.pass(300);
        }
    }
    for check in shop.fixity(version.id).await {
        assert_eq!(check.outcome, Some(Outcome::Unreadable));
        let detail = check.detail.unwrap();
        assert!(
            detail.contains("5 of 5 attempts") && detail.contains("403"),
            "{detail}"
        );
    }
    let now = shop.version(version.id).await;
    assert_eq!((now.status, now.damaged_at), (Status::Accepted, None));
    assert!(tasks_of(&shop, &version).await.is_empty());
    let schedule = service::schedule(&shop.world.collection);
    let time = shop.app().clock().now();
    assert!(
        service::is_overdue(&now, &schedule, time),
        "and it is shown"
    );
    let run = shop.run_now(&run).await;
    assert_eq!((run.asked, run.verified, run.unreadable), (1, 0, 1));
    assert!(run.finished_at.is_some(), "a run ends in any case");
    assert_eq!(shop.pass_once().await, 0);
    shop.pass(DAY);
    assert_eq!(shop.pass_once().await, 1);
}

#[tokio::test]
async fn a_damaged_package_is_failed_and_a_whole_one_is_not() {
    let shop = Shop::new().await;
    let (whole, damaged) = (shop.package().await, shop.package().await);
    shop.verify(Selection::TransferId(shop.transfer.id.into()))
        .await;
    let check = |export| {
        let filter = store::Filter {
            export: Some(export),
            ..store::Filter::default()
        };
        shop.fixity_by(filter)
    };
    let mut found = check(whole.id).await;
    shop.finds(&found.remove(0), good()).await;
    let mut found = check(damaged.id).await;
    shop.finds(&found.remove(0), bad()).await;
    let whole = shop.export(whole.id).await;
    assert_eq!(whole.status, exports::Status::Ready);
    assert!(whole.verified_at.is_some());
    let damaged = shop.export(damaged.id).await;
    assert_eq!(damaged.status, exports::Status::Failed);
    let error = damaged.error.unwrap();
    assert!(
        error.contains("not the one that was made: SHA-256 aa"),
        "{error}"
    );
    assert_eq!(shop.events("export.fixityFailed").await.len(), 1);
}

#[tokio::test]
async fn a_package_that_expires_before_its_turn_is_not_missing() {
    let shop = Shop::new().await;
    let package = shop.package().await;
    let run = shop.verify(Selection::ExportId(package.id.into())).await;
    let filter = store::Filter {
        export: Some(package.id),
        ..store::Filter::default()
    };
    let check = shop.fixity_by(filter.clone()).await.remove(0);
    shop.pass(31 * DAY);
    shop.finds(&check, Finding::Missing).await;
    assert_eq!(
        shop.fixity_by(filter).await[0].outcome,
        Some(Outcome::NotKept)
    );
    let run = shop.run_now(&run).await;
    assert_eq!((run.asked, run.missing), (0, 0));
    assert!(run.finished_at.is_some());
}
