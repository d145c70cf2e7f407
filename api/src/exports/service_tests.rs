use std::time::Duration;

use contract::{CollectionId, ExportId, JobId, RecordId, TransferId, messages::JOBS_QUEUE};
use entity::{check, event, export_item, job};
use sea_orm::{
    ActiveModelTrait as _, ColumnTrait as _, EntityTrait as _, IntoActiveModel as _, QueryFilter as _,
    QueryOrder as _,
};
use uuid::Uuid;

use super::{
    Export, Selection, Status,
    service::{self, New, Report},
    store::{self, Filter},
};
use crate::jobs::reported::ReportStatus;
use crate::{
    Error,
    auth::{Caller, Role},
    page::Args,
    records::Record,
    testing::{World, archivist, caller, contributor, reader},
    transfers::Transfer,
    versions,
};

fn of_transfer(transfer: &Transfer) -> Selection {
    Selection::TransferId(TransferId(transfer.id))
}

fn of_records(records: &[&Record]) -> Selection {
    Selection::RecordIds(records.iter().map(|record| RecordId(record.id)).collect())
}

fn worker() -> Caller {
    caller("worker", Role::Worker, &[])
}

async fn request(world: &World, by: &Caller, selection: Selection) -> Result<Export, Error> {
    service::request(&world.app, by, None, New { selection }).await
}

async fn paths(world: &World, export: &Export) -> Vec<String> {
    let rows = export_item::Entity::find()
        .filter(export_item::Column::ExportId.eq(export.id))
        .order_by_asc(export_item::Column::Position)
        .all(world.app.database())
        .await
        .unwrap();
    for (place, row) in rows.iter().enumerate() {
        assert_eq!(row.position, i64::try_from(place).unwrap());
    }
    rows.into_iter().map(|row| row.payload_path).collect()
}

async fn job_of(world: &World, export: &Export) -> job::Model {
    let jobs = job::Entity::find().filter(job::Column::SubjectId.eq(export.id));
    jobs.one(world.app.database()).await.unwrap().unwrap()
}

/// Leases the export's job for a minute, as claiming does.
async fn claim(world: &World, export: &Export) -> JobId {
    let job = job_of(world, export).await;
    let mut unit = world.app.begin(&worker()).await.unwrap();
    service::work_for_claim(&mut unit, export.id).await.unwrap().unwrap();
    let leased = job::Model {
        status: job::Status::Leased,
        lease_token: Some("token".into()),
        lease_expires_at: Some(unit.now() + chrono::TimeDelta::seconds(60)),
        ..job.clone()
    };
    leased.into_active_model().reset_all().update(unit.db()).await.unwrap();
    unit.commit().await.unwrap();
    JobId(job.id)
}

async fn report(world: &World, job: JobId, report: Report) -> (ReportStatus, bool) {
    let reported = service::report(&world.app, &worker(), job, "token", report).await.unwrap();
    (reported.outcome, reported.cancelled)
}

async fn read(world: &World, export: &Export) -> Export {
    store::load(world.app.database(), export.id).await.unwrap().unwrap()
}

async fn actions(world: &World, export: &Export) -> Vec<String> {
    let events = event::Entity::find()
        .filter(event::Column::SubjectId.eq(export.id))
        .order_by_asc(event::Column::Id);
    let events = events.all(world.app.database()).await.unwrap();
    events.into_iter().map(|event| event.action).collect()
}

fn ready() -> Report {
    Report::Ready { size: 4096, sha256: "EF".repeat(32) }
}

#[tokio::test]
async fn a_transfer_is_packed_by_its_accepted_versions_in_the_order_of_bytes() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    for path in ["b", "a/z", "a b", "é", "Z"] {
        world.accepted(&transfer, path).await;
    }
    world.record(&transfer, "refused", versions::Status::Rejected).await;
    let other = world.transfer(&archivist()).await;
    world.accepted(&other, "elsewhere").await;
    world.clock.advance(Duration::from_secs(60));
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    assert_eq!(paths(&world, &export).await, ["Z", "a b", "a/z", "b", "é"]);
    assert_eq!((export.files, export.bytes), (5, 50));
    assert_eq!(export.reference, transfer.reference);
    assert!(export.as_of < export.created_at);
    let job = job_of(&world, &export).await;
    assert_eq!((job.queue.as_str(), job.lane, job.kind), (JOBS_QUEUE, export.id, job::Kind::Export));
}

#[tokio::test]
async fn no_two_files_of_a_package_have_names_that_some_system_takes_for_the_same() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let mut names = Vec::new();
    let originals = [
        "May.pdf", "may.PDF", "MAY.pdf", // twins by case
        "\u{e9}", "e\u{301}", // twins by normalisation
        "a\\b", "a_b", // alike once they are safe
        "folder", "Folder/x", "FOLDER/X", // a file and a folder
        "v1.2/notes", "v1.2/NOTES", ".keep", ".KEEP", "archive.tar.gz", "Archive.tar.gz",
        "long.notAnExtensionBecauseItIsLong", "Long.notAnExtensionBecauseItIsLong",
    ];
    let mut records = Vec::new();
    for path in originals {
        records.push(world.accepted(&transfer, path).await);
    }
    let forged = format!("may~{}.PDF", records[1].reference);
    records.push(world.accepted(&transfer, &forged).await);
    records.push(world.accepted(&transfer, &format!("{}/x", forged.to_lowercase())).await);
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    for path in paths(&world, &export).await {
        let mut shown = path.clone();
        for (number, record) in records.iter().enumerate() {
            shown = shown.replace(&record.reference, &format!("<{number}>"));
        }
        names.push((crate::records::path_key(&path), shown));
    }
    for (key, shown) in &names {
        let alike = names.iter().filter(|(other, _)| other == key).count();
        let folder = format!("{key}/");
        assert_eq!(alike, 1, "{shown} is not unique");
        assert!(!names.iter().any(|(other, _)| other.starts_with(&folder)), "{shown} is a folder too");
    }
    let mut shown: Vec<_> = names.into_iter().map(|(_, shown)| shown).collect();
    shown.sort();
    insta::assert_debug_snapshot!(shown);
}

#[tokio::test]
async fn a_collection_is_packed_with_a_folder_for_each_transfer() {
    let world = World::new().await;
    let (one, two) = (world.transfer(&archivist()).await, world.transfer(&archivist()).await);
    world.accepted(&one, "a.txt").await;
    world.accepted(&two, "A.txt").await;
    let elsewhere = world.collection("OTHER", "OTHER").await;
    let elsewhere = world.transfer_in(&elsewhere, &archivist()).await;
    world.accepted(&elsewhere, "x").await;
    let selection = Selection::CollectionId(CollectionId(world.collection.id));
    let export = request(&world, &archivist(), selection).await.unwrap();
    let mut expected = [format!("{}/a.txt", one.reference), format!("{}/A.txt", two.reference)];
    expected.sort();
    assert_eq!(paths(&world, &export).await, expected);
    assert_eq!(export.reference, "WO_95");
}

#[tokio::test]
async fn the_same_records_give_the_same_package_whenever_and_by_whomever_it_is_asked_for() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let (a, b) = (world.accepted(&transfer, "a").await, world.accepted(&transfer, "A").await);
    let one = request(&world, &archivist(), of_records(&[&a, &b])).await.unwrap();
    world.clock.advance(Duration::from_secs(3_600));
    let admin = caller("admin", Role::Admin, &[]);
    let two = request(&world, &admin, of_records(&[&b, &a, &b])).await.unwrap();
    assert_ne!(one.id, two.id);
    assert_eq!((&one.reference, one.as_of, one.files), (&two.reference, two.as_of, two.files));
    assert_eq!(paths(&world, &one).await, paths(&world, &two).await);
    let mut facts = Vec::new();
    for export in [&one, &two] {
        let mut unit = world.app.begin(&worker()).await.unwrap();
        let work = service::work_for_claim(&mut unit, export.id).await.unwrap().unwrap();
        facts.push(work.bag_info);
    }
    assert_eq!(facts[0], facts[1]);
}

#[tokio::test]
async fn the_facts_of_a_bag_are_those_of_its_transfer() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    world.clock.advance(Duration::from_secs(90));
    world.accepted(&transfer, "a").await;
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    let mut unit = world.app.begin(&worker()).await.unwrap();
    let work = service::work_for_claim(&mut unit, export.id).await.unwrap().unwrap();
    assert_eq!((work.bucket.as_str(), work.key), ("test-exports", format!("{}.tar", ExportId(export.id))));
    let facts: Vec<_> = work
        .bag_info
        .into_iter()
        .map(|entry| format!("{}: {}", entry.label, entry.value.replace(&transfer.reference, "<reference>")))
        .collect();
    insta::assert_snapshot!(facts.join("\n"), @r"
    Source-Organization: OWN
    Internal-Sender-Identifier: <reference>
    Consignment-Series: WO/95
    Consignment-Type: standard
    Consignment-Start-Datetime: 2026-01-01T00:00:00Z
    Consignment-Completed-Datetime: 2026-01-01T00:01:30Z
    ");
}

#[tokio::test]
async fn an_export_of_nothing_is_an_export() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    assert_eq!((export.files, export.bytes, export.as_of), (0, 0, transfer.created_at));
    let job = claim(&world, &export).await;
    let page = service::items(&world.app, &worker(), job, "token", None, None).await.unwrap();
    assert!(page.items.is_empty() && !page.has_next);
}

#[tokio::test]
async fn contributors_export_what_they_deposited_and_nothing_else() {
    let world = World::new().await;
    let ann = contributor("ann");
    let (own, other) = (world.transfer(&ann).await, world.transfer(&contributor("bob")).await);
    let record = world.accepted(&own, "a").await;
    let foreign = world.collection("OTHER", "OTHER").await;
    let foreign = world.transfer_in(&foreign, &archivist()).await;
    let hidden = world.accepted(&foreign, "a").await;
    let collection = Selection::CollectionId(CollectionId(world.collection.id));
    let export = request(&world, &ann, of_transfer(&own)).await.unwrap();
    for (by, selection, expected) in [
        (&ann, of_transfer(&other), "forbidden"),
        (&ann, of_records(&[&record]), "forbidden"),
        (&ann, collection.clone(), "forbidden"),
        (&ann, of_transfer(&foreign), "no transfer"),
        (&ann, of_records(&[&record, &hidden]), "no record"),
        (&reader("rob"), collection, "forbidden"),
        (&reader("rob"), of_transfer(&own), "no transfer"),
        (&worker(), of_transfer(&own), "no transfer"),
    ] {
        let refused = match request(&world, by, selection.clone()).await {
            Err(Error::Forbidden(_)) => "forbidden".to_owned(),
            Err(Error::NotFound(noun)) => format!("no {noun}"),
            answer => panic!("{selection:?}: {answer:?}"),
        };
        assert_eq!(refused, expected, "{} {selection:?}", by.actor.subject);
    }
    for (by, sees) in [(ann, true), (contributor("bob"), false), (reader("ann"), false), (worker(), false)] {
        let page = store::list(world.app.database(), &by.actor, Filter::default(), &Args::default()).await.unwrap();
        assert_eq!(page.items.len(), usize::from(sees));
        let found = store::lookup(world.app.database(), &by.actor, export.id).await.unwrap();
        assert_eq!(found.is_some(), sees);
        let cancelled = service::cancel(&world.app, &by, ExportId(export.id)).await;
        assert_eq!(cancelled.is_ok(), sees);
    }
}

#[tokio::test]
async fn a_repeated_request_gives_the_first_export() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let ask = |selection| service::request(&world.app, &ARCHIVIST, Some("k"), New { selection });
    static ARCHIVIST: std::sync::LazyLock<Caller> = std::sync::LazyLock::new(archivist);
    let first = ask(of_transfer(&transfer)).await.unwrap();
    assert_eq!(ask(of_transfer(&transfer)).await.unwrap(), first);
    let other = ask(Selection::CollectionId(CollectionId(world.collection.id))).await;
    assert!(matches!(other, Err(Error::Conflict(_))));
}

#[tokio::test]
async fn a_file_that_no_check_measured_is_not_packed() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let (_, version) = world.record(&transfer, "a", versions::Status::Accepted).await;
    let mut version = version.into_active_model();
    version.sha512 = sea_orm::ActiveValue::Set(None);
    version.update(world.app.database()).await.unwrap();
    let refused = request(&world, &archivist(), of_transfer(&transfer)).await;
    assert!(matches!(refused, Err(Error::Precondition(_))));
}

#[tokio::test]
async fn progress_only_goes_up_and_never_beyond_the_whole() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    for path in ["a", "b"] {
        world.accepted(&transfer, path).await;
    }
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    let job = claim(&world, &export).await;
    let mut seen = Vec::new();
    for (files, bytes) in [(1, 10), (0, 0), (1, 15), (9, 900)] {
        let answer = report(&world, job, Report::Progress { files, bytes }).await;
        let now = read(&world, &export).await;
        seen.push((answer.0, now.files_done, now.bytes_done));
    }
    assert_eq!(
        seen,
        [
            (ReportStatus::Applied, 1, 10),
            (ReportStatus::AlreadyApplied, 1, 10),
            (ReportStatus::Applied, 1, 15),
            (ReportStatus::Applied, 2, 20)
        ]
    );
}

#[tokio::test]
async fn a_package_becomes_ready_once() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    world.accepted(&transfer, "a").await;
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    let job = claim(&world, &export).await;
    assert_eq!(report(&world, job, ready()).await, (ReportStatus::Applied, false));
    let row = read(&world, &export).await;
    assert_eq!((row.status, row.size, row.sha256), (Status::Ready, Some(4096), Some("ef".repeat(32))));
    assert_eq!((row.files_done, row.bytes_done), (1, 10));
    assert_eq!(row.expires_at, row.finished_at.map(|at| at + chrono::TimeDelta::days(30)));
    assert_eq!(job_of(&world, &export).await.status, job::Status::Done);
    assert_eq!(report(&world, job, ready()).await, (ReportStatus::AlreadyApplied, false));
    let other = Report::Ready { size: 1, sha256: "ef".repeat(32) };
    assert_eq!(report(&world, job, other).await, (ReportStatus::Conflict, false));
    let failed = Report::Failed { reason: "no".into() };
    assert_eq!(report(&world, job, failed).await, (ReportStatus::Conflict, false));
    assert_eq!(actions(&world, &export).await, ["export.requested", "export.started", "export.ready"]);
}

#[tokio::test]
async fn a_package_that_cannot_be_made_says_why() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    let job = claim(&world, &export).await;
    let failed = || Report::Failed { reason: "data/a has changed".into() };
    assert_eq!(report(&world, job, failed()).await, (ReportStatus::Applied, false));
    assert_eq!(report(&world, job, failed()).await, (ReportStatus::AlreadyApplied, false));
    let row = read(&world, &export).await;
    assert_eq!((row.status, row.error.as_deref()), (Status::Failed, Some("data/a has changed")));
    assert_eq!(job_of(&world, &export).await.status, job::Status::Done);
}

#[tokio::test]
async fn nothing_is_read_or_reported_without_a_live_lease() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    let job = claim(&world, &export).await;
    let stranger = service::report(&world.app, &worker(), job, "guess", ready()).await.unwrap();
    assert_eq!(stranger.outcome, ReportStatus::LeaseLost);
    let refused = service::items(&world.app, &worker(), job, "guess", None, None).await;
    assert!(matches!(refused, Err(Error::Conflict(_))));
    let person = service::report(&world.app, &archivist(), job, "token", ready()).await;
    assert!(matches!(person, Err(Error::Forbidden(_))));
    world.clock.advance(Duration::from_secs(60));
    assert_eq!(report(&world, job, ready()).await, (ReportStatus::LeaseLost, false));
    let refused = service::items(&world.app, &worker(), job, "token", None, None).await;
    assert!(matches!(refused, Err(Error::Conflict(_))));
    assert_eq!(read(&world, &export).await.status, Status::Running);
}

#[tokio::test]
async fn a_worker_learns_that_an_export_was_cancelled() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    let job = claim(&world, &export).await;
    let id = ExportId(export.id);
    assert!(!store::is_cancelled(world.app.database(), export.id).await.unwrap());
    let row = service::cancel(&world.app, &archivist(), id).await.unwrap();
    assert_eq!(row.status, Status::Cancelled);
    assert_eq!(service::cancel(&world.app, &archivist(), id).await.unwrap(), row);
    assert!(store::is_cancelled(world.app.database(), export.id).await.unwrap());
    assert_eq!(report(&world, job, ready()).await, (ReportStatus::Applied, true));
    assert_eq!(report(&world, job, ready()).await, (ReportStatus::AlreadyApplied, true));
    assert_eq!(read(&world, &export).await.size, None);
    assert_eq!(job_of(&world, &export).await.status, job::Status::Done);
    assert_eq!(actions(&world, &export).await, ["export.requested", "export.started", "export.cancelled"]);
}

#[tokio::test]
async fn an_export_that_ended_is_not_packed_and_does_not_die() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    service::cancel(&world.app, &archivist(), ExportId(export.id)).await.unwrap();
    let mut unit = world.app.begin_internal().await.unwrap();
    assert!(service::work_for_claim(&mut unit, export.id).await.unwrap().is_none());
    assert!(service::work_for_claim(&mut unit, Uuid::nil()).await.unwrap().is_none());
    service::job_died(&mut unit, export.id, "gone").await.unwrap();
    unit.commit().await.unwrap();
    assert_eq!(read(&world, &export).await.status, Status::Cancelled);
}

#[tokio::test]
async fn an_export_whose_job_died_has_failed() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    for _ in 0..2 {
        let mut unit = world.app.begin_internal().await.unwrap();
        service::job_died(&mut unit, export.id, &"x".repeat(5_000)).await.unwrap();
        unit.commit().await.unwrap();
    }
    let row = read(&world, &export).await;
    assert_eq!((row.status, row.error.map(|error| error.len())), (Status::Failed, Some(4_000)));
    assert_eq!(actions(&world, &export).await, ["export.requested", "export.failed"]);
}

#[tokio::test]
async fn the_files_of_an_export_are_read_page_by_page() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    for path in ["c", "a", "b"] {
        world.accepted(&transfer, path).await;
    }
    let (_, version) = world.record(&transfer, "d", versions::Status::Accepted).await;
    for (run, current) in [(1, false), (2, true)] {
        check::Model {
            id: world.app.ids().uuid7(),
            version_id: version.id,
            kind: "ANTIVIRUS".into(),
            run,
            current,
            status: check::Status::Passed,
            engine: None,
            engine_version: None,
            signature_version: None,
            bytes_looked: Some(10),
            detail: None,
            evidence: None,
            digest: None,
            waiver: None,
            started_at: None,
            finished_at: None,
            created_at: version.created_at,
        }
        .into_active_model()
        .reset_all()
        .insert(world.app.database())
        .await
        .unwrap();
    }
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    let job = claim(&world, &export).await;
    let mut seen = Vec::new();
    let mut after = None;
    for more in [true, false] {
        let page = service::items(&world.app, &worker(), job, "token", Some(2), after.as_deref()).await.unwrap();
        assert_eq!((page.has_next, page.has_previous), (more, !more));
        after = page.items.last().map(|item| item.position.to_string());
        seen.extend(page.items);
    }
    let names: Vec<_> = seen.iter().map(|item| item.payload_path.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let last = &seen[3];
    assert_eq!((last.version.id, last.record.id), (version.id, version.record_id));
    assert_eq!(last.transfer_reference, transfer.reference);
    assert_eq!(last.antivirus_check.as_ref().map(|check| check.run), Some(2));
    assert_eq!(last.format_check, None);
    for (first, after) in [(Some(0), None), (Some(501), None), (None, Some("-1")), (None, Some("x"))] {
        let refused = service::items(&world.app, &worker(), job, "token", first, after).await;
        assert!(matches!(refused, Err(Error::BadInput { .. } | Error::Limit(_))));
    }
}

#[tokio::test]
async fn a_package_is_downloadable_while_it_is_kept() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    assert!(service::download(&world.app, &export, None).await.unwrap().is_none());
    let job = claim(&world, &export).await;
    report(&world, job, ready()).await;
    let row = read(&world, &export).await;
    let (signed, until) = service::download(&world.app, &row, Some(3_600)).await.unwrap().unwrap();
    assert!(signed.url.contains(&format!("/test-exports/{}.tar?", ExportId(export.id))), "{}", signed.url);
    assert_eq!(until, row.finished_at.unwrap() + chrono::TimeDelta::hours(1));
    for seconds in [0, -1, 3_601] {
        let refused = service::download(&world.app, &row, Some(seconds)).await;
        assert!(matches!(refused, Err(Error::BadInput { .. })));
    }
    world.clock.advance(world.app.limits().export_kept);
    assert!(service::download(&world.app, &row, None).await.unwrap().is_none());
}

#[tokio::test]
async fn a_package_whose_bytes_cannot_be_removed_is_met_again() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer)).await.unwrap();
    let job = claim(&world, &export).await;
    report(&world, job, ready()).await;
    world.clock.advance(world.app.limits().export_kept);
    // Nobody listens where the world's object store is said to be.
    assert_eq!(service::expire(&world.app).await.unwrap(), 0);
    assert_eq!(read(&world, &export).await.status, Status::Ready);
    let due = store::outlived(world.app.database(), world.app.clock().now(), 10).await.unwrap();
    assert_eq!(due.len(), 1);
}
