//! What a worker may do with an export.

use super::*;

#[tokio::test]
async fn an_export_of_nothing_is_an_export() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    assert_eq!(
        (export.files, export.bytes, export.as_of),
        (0, 0, transfer.created_at)
    );
    let job = claim(&world, &export).await;
    let page = service::items(&world.app, &worker(), job, "token", None, None)
        .await
        .unwrap();
    assert!(page.items.is_empty() && !page.has_next);
}

#[tokio::test]
async fn progress_only_goes_up_and_never_beyond_the_whole() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    for path in ["a", "b"] {
        world.accepted(&transfer, path).await;
    }
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
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
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let job = claim(&world, &export).await;
    assert_eq!(
        report(&world, job, ready()).await,
        (ReportStatus::Applied, false)
    );
    let row = read(&world, &export).await;
    assert_eq!(
        (row.status, row.size, row.sha256),
        (Status::Ready, Some(4096), Some("ef".repeat(32)))
    );
    assert_eq!((row.files_done, row.bytes_done), (1, 10));
    assert_eq!(
        row.expires_at,
        row.finished_at.map(|at| at + chrono::TimeDelta::days(30))
    );
    assert_eq!(job_of(&world, &export).await.status, job::Status::Done);
    assert_eq!(
        report(&world, job, ready()).await,
        (ReportStatus::AlreadyApplied, false)
    );
    let other = Report::Ready {
        size: 1,
        sha256: "ef".repeat(32),
    };
    assert_eq!(
        report(&world, job, other).await,
        (ReportStatus::Conflict, false)
    );
    let failed = Report::Failed {
        reason: "no".into(),
    };
    assert_eq!(
        report(&world, job, failed).await,
        (ReportStatus::Conflict, false)
    );
    assert_eq!(
        actions(&world, &export).await,
        ["export.requested", "export.started", "export.ready"]
    );
}

#[tokio::test]
async fn a_package_that_cannot_be_made_says_why() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let job = claim(&world, &export).await;
    let failed = || Report::Failed {
        reason: "data/a has changed".into(),
    };
    assert_eq!(
        report(&world, job, failed()).await,
        (ReportStatus::Applied, false)
    );
    assert_eq!(
        report(&world, job, failed()).await,
        (ReportStatus::AlreadyApplied, false)
    );
    let row = read(&world, &export).await;
    assert_eq!(
        (row.status, row.error.as_deref()),
        (Status::Failed, Some("data/a has changed"))
    );
    assert_eq!(job_of(&world, &export).await.status, job::Status::Done);
}

#[tokio::test]
async fn nothing_is_read_or_reported_without_a_live_lease() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let job = claim(&world, &export).await;
    let stranger = service::report(&world.app, &worker(), job, "guess", ready())
        .await
        .unwrap();
    assert_eq!(stranger.outcome, ReportStatus::LeaseLost);
    let refused = service::items(&world.app, &worker(), job, "guess", None, None).await;
    assert!(matches!(refused, Err(Error::Conflict(_))));
    let person = service::report(&world.app, &archivist(), job, "token", ready()).await;
    assert!(matches!(person, Err(Error::Forbidden(_))));
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(
        report(&world, job, ready()).await,
        (ReportStatus::LeaseLost, false)
    );
    let refused = service::items(&world.app, &worker(), job, "token", None, None).await;
    assert!(matches!(refused, Err(Error::Conflict(_))));
    assert_eq!(read(&world, &export).await.status, Status::Running);
}

#[tokio::test]
async fn a_worker_learns_that_an_export_was_cancelled() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let job = claim(&world, &export).await;
    let id = ExportId(export.id);
    assert!(
        !store::is_cancelled(world.app.database(), export.id)
            .await
            .unwrap()
    );
    let row = service::cancel(&world.app, &archivist(), id).await.unwrap();
    assert_eq!(row.status, Status::Cancelled);
    assert_eq!(
        service::cancel(&world.app, &archivist(), id).await.unwrap(),
        row
    );
    assert!(
        store::is_cancelled(world.app.database(), export.id)
            .await
            .unwrap()
    );
    assert_eq!(
        report(&world, job, ready()).await,
        (ReportStatus::Applied, true)
    );
    assert_eq!(
        report(&world, job, ready()).await,
        (ReportStatus::AlreadyApplied, true)
    );
    assert_eq!(read(&world, &export).await.size, None);
    assert_eq!(job_of(&world, &export).await.status, job::Status::Done);
    assert_eq!(
        actions(&world, &export).await,
        ["export.requested", "export.started", "export.cancelled"]
    );
}

#[tokio::test]
async fn an_export_that_ended_is_not_packed_and_does_not_die() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    service::cancel(&world.app, &archivist(), ExportId(export.id))
        .await
        .unwrap();
    let mut unit = world.app.begin_internal().await.unwrap();
    assert!(
        service::work_for_claim(&mut unit, export.id)
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        service::work_for_claim(&mut unit, Uuid::nil())
            .await
            .unwrap()
            .is_none()
    );
    service::job_died(&mut unit, export.id, "gone")
        .await
        .unwrap();
    unit.commit().await.unwrap();
    assert_eq!(read(&world, &export).await.status, Status::Cancelled);
}

#[tokio::test]
async fn an_export_whose_job_died_has_failed() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    for _ in 0..2 {
        let mut unit = world.app.begin_internal().await.unwrap();
        service::job_died(&mut unit, export.id, &"x".repeat(5_000))
            .await
            .unwrap();
        unit.commit().await.unwrap();
    }
    let row = read(&world, &export).await;
    assert_eq!(
        (row.status, row.error.map(|error| error.len())),
        (Status::Failed, Some(4_000))
    );
    assert_eq!(
        actions(&world, &export).await,
        ["export.requested", "export.failed"]
    );
}

#[tokio::test]
async fn the_files_of_an_export_are_read_page_by_page() {
    let world = World::new().await;
    let transfer = world.transfer(&archivist()).await;
    for path in ["c", "a", "b"] {
        world.accepted(&transfer, path).await;
    }
    let (_, version) = world
        .record(&transfer, "d", versions::Status::Accepted)
        .await;
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
    let export = request(&world, &archivist(), of_transfer(&transfer))
        .await
        .unwrap();
    let job = claim(&world, &export).await;
    let mut seen = Vec::new();
    let mut after = None;
    for more in [true, false] {
        let page = service::items(
            &world.app,
            &worker(),
            job,
            "token",
            Some(2),
            after.as_deref(),
        )
        .await
        .unwrap();
        assert_eq!((page.has_next, page.has_previous), (more, !more));
        after = page.items.last().map(|item| item.position.to_string());
        seen.extend(page.items);
    }
    let names: Vec<_> = seen.iter().map(|item| item.payload_path.as_str()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    let last = &seen[3];
    assert_eq!(
        (last.version.id, last.record.id),
        (version.id, version.record_id)
    );
    assert_eq!(last.transfer_reference, transfer.reference);
    assert_eq!(
        last.antivirus_check.as_ref().map(|check| check.run),
        Some(2)
    );
    assert_eq!(last.format_check, None);
    for (first, after) in [
        (Some(0), None),
        (Some(501), None),
        (None, Some("-1")),
        (None, Some("x")),
    ] {
        let refused = service::items(&world.app, &worker(), job, "token", first, after).await;
        assert!(matches!(
            refused,
            Err(Error::BadInput { .. } | Error::Limit(_))
        ));
    }
}
