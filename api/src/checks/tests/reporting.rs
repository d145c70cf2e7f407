//! Results from workers, each told at least twice.

use contract::checks::{ANTIVIRUS, CHECKSUM, FORMAT};

use crate::{
    Error,
    checks::{
        Status as CheckStatus,
        evidence::Claimed,
        reports::{CheckReport, report},
    },
    collections::{PolicyAction, Rules},
    jobs::{
        Kind, Status as JobStatus,
        claim::Held,
        reported::ReportStatus,
        tests::shop::{Shop, all_but, all_passed, passed, work},
        work::{Answer, Work},
    },
    testing::archivist,
    versions::{self, Disposition, Outcome, Status},
};

#[tokio::test]
async fn good_results_are_followed_by_a_move_under_a_lease() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let answer = shop.checked(&version, all_passed(&version)).await;
    assert_eq!(
        (answer.status, answer.version_status),
        (ReportStatus::Applied, Some(Status::Checking))
    );
    let next = answer.next.expect("a move follows");
    let Some(Work::Disposition(moving)) = work(&next) else {
        panic!("not a move");
    };
    assert_eq!(moving.disposition, Disposition::Accept);
    assert_eq!(moving.source.etag.as_deref(), Some("\"e1\""));
    assert_eq!(
        (moving.source.bucket.as_str(), moving.target.bucket.as_str()),
        ("test-incoming", "test-records")
    );
    assert_eq!(moving.source.key, moving.target.key);
    let job = shop.job(next.job).await;
    assert_eq!(
        (job.status, job.worker.as_deref()),
        (JobStatus::Leased, Some("worker-1"))
    );
    let row = shop.version(version.id).await;
    assert_eq!(row.sha512, Some("ef".repeat(64)));
    assert_eq!(row.puid.as_deref(), Some("fmt/18"));
    let decision = versions::decision(&row).expect("it is decided");
    assert_eq!(
        (decision.outcome, decision.policy_revision),
        (Outcome::Accept, 1)
    );
    let events = shop.events("version.decided").await;
    assert_eq!((events.len(), events[0].agent.as_str()), (1, "worker-1"));
}

#[tokio::test]
async fn the_same_report_again_is_harmless_and_answers_the_move_again() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    let first = shop
        .report(&held, all_passed(&version))
        .await
        .next
        .expect("a move follows");
    let again = shop.report(&held, all_passed(&version)).await;
    assert_eq!(again.status, ReportStatus::AlreadyApplied);
    let next = again.next.expect("the same move");
    assert_eq!(next.job, first.job);
    let (Answer::Claimed(one, _), Answer::Claimed(two, _)) = (&first.answer, &next.answer) else {
        panic!("not leased");
    };
    assert_eq!(one.token, two.token);
    // A stranger learns that it is done, and gets no lease.
    let stranger = Held {
        token: "another".into(),
        ..held
    };
    let other = shop.report(&stranger, all_passed(&version)).await;
    assert_eq!(other.status, ReportStatus::AlreadyApplied);
    assert!(other.next.is_none());
    assert_eq!(shop.events("version.decided").await.len(), 1);
    assert_eq!(shop.open(version.id, Kind::Disposition).await.len(), 1);
}

#[tokio::test]
async fn another_result_for_the_same_run_is_a_conflict_and_an_event() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.report(&held, all_passed(&version)).await;
    let before = shop.checks(version.id).await;
    let infected = all_but(&version, ANTIVIRUS, |result| {
        result.claimed = Claimed::Failed;
    });
    assert_eq!(
        shop.report(&held, infected).await.status,
        ReportStatus::Conflict
    );
    assert_eq!(shop.checks(version.id).await, before);
    assert_eq!(shop.events("check.contradicted").await.len(), 1);
}

#[tokio::test]
async fn results_may_come_one_by_one_and_the_last_decides() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    for kind in [FORMAT, CHECKSUM] {
        let answer = shop.report(&held, vec![passed(&version, kind)]).await;
        assert_eq!(answer.status, ReportStatus::Applied);
        assert!(answer.next.is_none());
        assert_eq!(shop.job(held.job).await.status, JobStatus::Leased);
    }
    let last = shop.report(&held, vec![passed(&version, ANTIVIRUS)]).await;
    assert!(last.next.is_some());
    assert_eq!(shop.job(held.job).await.status, JobStatus::Done);
}

#[tokio::test]
async fn each_bad_result_leads_where_it_belongs() {
    for (kind, claimed, expected, moves) in [
        (CHECKSUM, Claimed::Inconclusive, Status::NeedsReview, false),
        (ANTIVIRUS, Claimed::Inconclusive, Status::NeedsReview, false),
        (ANTIVIRUS, Claimed::Failed, Status::Checking, true),
        (FORMAT, Claimed::Inconclusive, Status::NeedsReview, false),
    ] {
        let shop = Shop::new().await;
        let version = shop.uploaded("a.pdf").await;
        let results = all_but(&version, kind, |result| result.claimed = claimed);
        let answer = shop.checked(&version, results).await;
        assert_eq!(answer.version_status, Some(expected), "{kind} {claimed:?}");
        assert_eq!(answer.next.is_some(), moves, "{kind} {claimed:?}");
        assert_eq!(shop.version(version.id).await.status, expected);
    }
}

#[tokio::test]
async fn a_wrong_digest_is_rejected_and_malware_goes_to_the_quarantine() {
    let shop = Shop::new().await;
    let wrong = shop.uploaded("wrong.pdf").await;
    let results = all_but(&wrong, CHECKSUM, |result| {
        if let Some(measured) = &mut result.evidence.checksum {
            measured.sha256 = "cd".repeat(32);
        }
    });
    shop.checked(&wrong, results).await;
    let row = shop.version(wrong.id).await;
    assert_eq!(
        (row.status, row.decided_at.is_some()),
        (Status::Rejected, true)
    );

    let infected = shop.uploaded("eicar.com").await;
    let results = all_but(&infected, ANTIVIRUS, |result| {
        result.claimed = Claimed::Failed;
        result.detail = Some("Win.Test.EICAR_HDB-1".into());
    });
    let next = shop
        .checked(&infected, results)
        .await
        .next
        .expect("a move follows");
    let Some(Work::Disposition(moving)) = work(&next) else {
        panic!("not a move");
    };
    assert_eq!(moving.disposition, Disposition::Quarantine);
    assert_eq!(moving.target.bucket, "test-quarantine");
    let decision = versions::decision(&shop.version(infected.id).await).expect("it is decided");
    assert_eq!(decision.reasons[0], "malware: Win.Test.EICAR_HDB-1");
}

#[tokio::test]
async fn without_an_engine_the_policy_may_take_it_with_a_warning_that_stays() {
    let rules = |rules| Rules {
        on_not_scanned: PolicyAction::Warn,
        ..rules
    };
    let shop = Shop::with_rules(rules).await;
    let version = shop.uploaded("a.pdf").await;
    let results = all_but(&version, ANTIVIRUS, |result| {
        result.claimed = Claimed::Inconclusive;
        result.bytes_looked = 0;
        result.detail = Some("no engine configured".into());
    });
    assert!(shop.checked(&version, results).await.next.is_some());
    let decision = versions::decision(&shop.version(version.id).await).expect("it is decided");
    assert_eq!(decision.warnings, ["not scanned: no engine configured"]);
    assert_eq!(decision.policy_revision, 2);
}

#[tokio::test]
async fn a_further_check_has_its_own_queue_and_is_waited_for() {
    let shop = Shop::with_rules(|mut rules| {
        rules.required_checks.push("OCR".into());
        rules
    })
    .await;
    let version = shop.uploaded("a.pdf").await;
    let jobs = shop.open(version.id, Kind::Check).await;
    let mut queues: Vec<&str> = jobs.iter().map(|job| job.queue.as_str()).collect();
    queues.sort_unstable();
    assert_eq!(queues, ["OCR", "jobs"]);
    let of = |queue: &str| {
        let job = jobs
            .iter()
            .find(|job| job.queue == queue)
            .expect("it is there");
        contract::JobId(job.id)
    };
    let built_in = shop.hold(of("jobs")).await;
    let answer = shop.report(&built_in, all_passed(&version)).await;
    assert_eq!(
        (answer.status, answer.next.is_some()),
        (ReportStatus::Applied, false)
    );
    // A worker of one queue has no say in the checks of another.
    let ocr = shop.hold(of("OCR")).await;
    let meddling = shop.report(&ocr, vec![passed(&version, CHECKSUM)]).await;
    assert_eq!(meddling.status, ReportStatus::Conflict);
    // Nor is it given the move, though its result is the last.
    let last = shop.report(&ocr, vec![passed(&version, "OCR")]).await;
    assert!(last.next.is_none());
    let moves = shop.open(version.id, Kind::Disposition).await;
    let states: Vec<_> = moves
        .iter()
        .map(|job| (job.queue.as_str(), job.status))
        .collect();
    assert_eq!(states, [("jobs", JobStatus::Ready)]);
}

#[tokio::test]
async fn a_check_that_the_policy_came_to_need_meanwhile_is_begun_and_waited_for() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.set_rules(1, |mut rules| {
        rules.required_checks.push("OCR".into());
        rules
    })
    .await;
    let answer = shop.report(&held, all_passed(&version)).await;
    assert!(answer.next.is_none());
    assert_eq!(
        shop.check(version.id, "OCR").await.status,
        CheckStatus::Pending
    );
    let ocr = shop.take(version.id, Kind::Check).await;
    shop.report(&ocr, vec![passed(&version, "OCR")]).await;
    assert_eq!(shop.open(version.id, Kind::Disposition).await.len(), 1);
}

#[tokio::test]
async fn a_report_that_makes_no_sense_does_not_spoil_the_others() {
    let shop = Shop::new().await;
    let (one, two) = (shop.uploaded("1.pdf").await, shop.uploaded("2.pdf").await);
    let broken = shop.take(one.id, Kind::Check).await;
    let good = shop.take(two.id, Kind::Check).await;
    let of = |held: &Held, results| CheckReport {
        held: held.clone(),
        object_etag: "\"e\"".into(),
        results,
    };
    let mut unknown = passed(&one, CHECKSUM);
    unknown.run = 7;
    let twice = vec![passed(&one, CHECKSUM), passed(&one, CHECKSUM)];
    let nobodys = Held {
        job: contract::JobId(uuid::Uuid::nil()),
        token: String::new(),
    };
    let reports = vec![
        of(&broken, Vec::new()),
        of(&broken, vec![unknown]),
        of(&broken, twice),
        of(&broken, vec![passed(&one, "NONSENSE")]),
        of(&nobodys, all_passed(&one)),
        of(&good, all_passed(&two)),
    ];
    let answers = report(shop.app(), &shop.worker, reports)
        .await
        .expect("a worker may");
    let statuses: Vec<ReportStatus> = answers.iter().map(|answer| answer.status).collect();
    let conflict = ReportStatus::Conflict;
    assert_eq!(
        statuses,
        [
            conflict,
            conflict,
            conflict,
            conflict,
            ReportStatus::LeaseLost,
            ReportStatus::Applied
        ]
    );
    let open = |check: &crate::checks::Check| check.status == CheckStatus::Running;
    assert!(shop.checks(one.id).await.iter().all(open));
}

#[tokio::test]
async fn bytes_that_change_between_the_checks_are_not_accepted() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.report(
        &held,
        vec![passed(&version, CHECKSUM), passed(&version, FORMAT)],
    )
    .await;
    let other = CheckReport {
        held: held.clone(),
        object_etag: "\"e2\"".into(),
        results: vec![passed(&version, ANTIVIRUS)],
    };
    let answers = report(shop.app(), &shop.worker, vec![other])
        .await
        .expect("a worker may");
    assert_eq!(answers[0].version_status, Some(Status::NeedsReview));
}

#[tokio::test]
async fn only_workers_report() {
    let shop = Shop::new().await;
    let refused = report(shop.app(), &archivist(), Vec::new()).await;
    assert!(matches!(refused, Err(Error::Forbidden(_))));
}
