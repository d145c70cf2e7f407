//! What follows from what a worker found.

use sea_orm::ConnectionTrait as _;

use super::{DAY, Shop, bad, good, id};
use crate::{
    Error,
    auth::Role,
    checks::{
        dispositions::order,
        people::{Verdict, decide, rerun},
    },
    exports,
    fixity::{Finding, Outcome, Selection, service, store},
    jobs::{
        Kind,
        fail::{Failed, Failure, fail},
        reported::ReportStatus,
    },
    tasks,
    testing::{archivist, caller},
    versions::{self, Disposition, Status, Version},
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
    let second = shop.kept_again(&first).await;
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
async fn what_is_found_of_an_object_is_true_of_every_version_that_shares_it() {
    let shop = Shop::new().await;
    let first = shop.kept("a.txt").await;
    let second = versions::service::restore(shop.app(), &archivist(), None, id(&first), None)
        .await
        .unwrap();
    let record = Selection::RecordId(first.record_id.into());
    shop.verify(record).await;
    let check = shop.fixity(first.id).await.remove(0);
    shop.finds(&check, Finding::Missing).await;
    for version in [&first, &second] {
        let now = shop.version(version.id).await;
        assert_eq!(now.status, Status::NeedsReview, "version {}", now.number);
        assert!(now.damaged_at.is_some());
    }
    assert_eq!(shop.record(&first).await.current_version_id, None);
    let check = shop.fixity(second.id).await.remove(0);
    shop.finds(&check, Finding::Missing).await;
    assert_eq!(tasks_of(&shop, &first).await.len(), 1);
    assert_eq!(shop.events("version.fixityFailed").await.len(), 2);
}

#[tokio::test]
async fn a_reading_that_began_before_damage_was_found_does_not_say_that_it_is_gone() {
    let shop = Shop::new().await;
    let version = shop.kept("a.txt").await;
    let record = Selection::RecordId(version.record_id.into());
    shop.verify(record).await;
    let early = shop.fixity(version.id).await.remove(0);
    let early = shop.hold_check(&early).await;
    shop.pass(1);
    shop.verified(&version, bad()).await;
    assert_eq!(
        shop.tell(&early, good()).await.status,
        ReportStatus::Applied
    );
    let now = shop.version(version.id).await;
    assert!(now.damaged_at.is_some() && now.verified_at.is_none());
    shop.pass(1);
    shop.verified(&version, good()).await;
    assert_eq!(shop.version(version.id).await.damaged_at, None);
}

#[tokio::test]
async fn a_version_whose_checksum_is_gone_from_the_database_is_not_called_whole() {
    let shop = Shop::new().await;
    let version = shop.kept("a.txt").await;
    let mut check = shop.check(version.id, contract::checks::CHECKSUM).await;
    let unit = shop.app().begin_internal().await.unwrap();
    check.evidence = Some(serde_json::json!({"checksum": "?"}));
    crate::checks::store::update(&unit, check).await.unwrap();
    unit.commit().await.unwrap();
    shop.verified(&version, good()).await;
    let found = shop.fixity(version.id).await.remove(0);
    assert_eq!(found.outcome, Some(Outcome::Mismatch));
    assert!(found.detail.unwrap().contains("CHECKSUM check is gone"));
}

#[tokio::test]
async fn a_damaged_version_that_was_rejected_can_be_found_whole_again() {
    let shop = Shop::new().await;
    let version = shop.kept("a.txt").await;
    shop.verified(&version, bad()).await;
    decide(
        shop.app(),
        &archivist(),
        id(&version),
        Verdict::Reject,
        "it is gone",
    )
    .await
    .unwrap();
    shop.verified(&version, good()).await;
    let now = shop.version(version.id).await;
    assert_eq!((now.status, now.damaged_at), (Status::Rejected, None));
    let run = shop.verify(Selection::Everything).await;
    assert_eq!(run.asked, 0, "what was rejected is not kept otherwise");
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
    let again = rerun(app, &archivist(), None, vec![Ok(id(&version))], None).await;
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

#[tokio::test]
async fn content_that_goes_to_quarantine_takes_every_version_that_shares_it_out_of_use() {
    let shop = Shop::new().await;
    let first = shop.kept("a.txt").await;
    let second = versions::service::restore(shop.app(), &archivist(), None, id(&first), None)
        .await
        .unwrap();
    let other = shop.kept("b.txt").await;
    let mut unit = shop.app().begin_internal().await.unwrap();
    let checking = Version {
        status: Status::Checking,
        ..first.clone()
    };
    order(
        &mut unit,
        checking,
        Status::Accepted,
        Disposition::Quarantine,
        None,
    )
    .await
    .unwrap();
    unit.commit().await.unwrap();
    let now = shop.version(second.id).await;
    assert_eq!(now.status, Status::NeedsReview);
    assert_eq!(shop.record(&first).await.current_version_id, None);
    let by = caller("another", Role::Archivist, &[]);
    let accepted = decide(shop.app(), &by, id(&second), Verdict::Accept, "why not").await;
    assert!(
        matches!(&accepted, Err(Error::Precondition(why)) if why.contains("verifyNow")),
        "{accepted:?}"
    );
    assert_eq!(shop.version(other.id).await.status, Status::Accepted);
}

/// Waits until a statement of another transaction waits for a lock of this one.
async fn somebody_waits(shop: &Shop) {
    let sql = "SELECT 1 AS one FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let database = shop.app().database();
    let statement = || sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql);
    while database.query_one_raw(statement()).await.unwrap().is_none() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn of_two_versions_that_are_accepted_at_once_the_newer_is_the_current_one() {
    let shop = Shop::new().await;
    if shop.world.postgres_url().is_none() {
        // SQLite has one writer.
        return;
    }
    let first = shop.kept("a.txt").await;
    let second = shop.kept_again(&first).await;
    let mut unit = shop.app().begin_internal().await.unwrap();
    for row in [&first, &second] {
        let row = Version {
            status: Status::Checking,
            ..row.clone()
        };
        versions::store::update(&mut unit, row, Status::Accepted)
            .await
            .unwrap();
    }
    unit.commit().await.unwrap();
    let mut newer = shop.app().begin_internal().await.unwrap();
    versions::store::update(&mut newer, second.clone(), Status::Checking)
        .await
        .unwrap();
    let older = async {
        let mut older = shop.app().begin_internal().await.unwrap();
        versions::store::update(&mut older, first.clone(), Status::Checking)
            .await
            .unwrap();
        older.commit().await.unwrap();
    };
    let newer = async {
        somebody_waits(&shop).await;
        newer.commit().await.unwrap();
    };
    tokio::join!(older, newer);
    assert_eq!(
        shop.record(&first).await.current_version_id,
        Some(second.id)
    );
}
