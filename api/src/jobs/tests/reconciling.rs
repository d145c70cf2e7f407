//! What was left behind.

use std::time::Duration;

use chrono::TimeDelta;
use contract::JobId;

use super::shop::{Shop, all_passed};
use crate::{
    collections::service::By,
    jobs::{
        Kind, Status,
        claim::Held,
        fail::Failure,
        reconciler::{Reconciled, reconcile},
        reported::ReportStatus,
        work::Answer,
    },
    testing::{World, contributor},
    transfers,
    versions::{Status as VersionStatus, Version},
};

async fn pass(shop: &Shop) -> Reconciled {
    reconcile(shop.app()).await
}

#[tokio::test]
async fn there_is_nothing_to_do_in_a_tidy_archive() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    shop.take(version.id, Kind::Check).await;
    assert_eq!(pass(&shop).await, Reconciled::default());
}

#[tokio::test]
async fn a_lease_that_ran_out_costs_an_attempt_once() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.pass(60);
    assert_eq!(pass(&shop).await.leases, 1);
    assert_eq!(pass(&shop).await.leases, 0);
    let job = shop.job(held.job).await;
    assert_eq!((job.status, job.attempt), (Status::Ready, 2));
    assert_eq!(
        job.last_error.as_deref(),
        Some("worker-1 was not heard of before its lease ran out")
    );
    let late = shop.report(&held, all_passed(&version)).await;
    assert_eq!(late.status, ReportStatus::LeaseLost);
}

#[tokio::test]
async fn a_worker_that_always_vanishes_leaves_a_version_that_people_see() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let job = JobId(shop.open(version.id, Kind::Check).await[0].id);
    for _ in 0..5 {
        shop.hold(job).await;
        shop.pass(400);
        pass(&shop).await;
        shop.pass(400);
    }
    assert_eq!(shop.job(job).await.status, Status::Dead);
    assert_eq!(
        shop.version(version.id).await.status,
        VersionStatus::NeedsReview
    );
    assert_eq!(shop.events("job.died").await.len(), 1);
}

/// The check jobs of so many files, and those.
async fn several(shop: &Shop, count: usize) -> Vec<(JobId, Version)> {
    let mut jobs = Vec::new();
    for nth in 0..count {
        let version = shop.uploaded(&format!("{nth}.pdf")).await;
        let job = shop.open(version.id, Kind::Check).await.remove(0);
        jobs.push((JobId(job.id), version));
    }
    jobs
}

/// Has a worker ask for all of these; answers what it got.
async fn begun(shop: &Shop, jobs: &[(JobId, Version)]) -> Vec<Held> {
    let ids: Vec<JobId> = jobs.iter().map(|(job, _)| *job).collect();
    let claims = shop.claim(&ids).await.into_iter();
    let held = claims.filter_map(|claim| match claim.answer {
        Answer::Claimed(lease, _) => Some(Held {
            job: claim.job,
            token: lease.token,
        }),
        Answer::Busy | Answer::NothingToDo => None,
    });
    held.collect()
}

#[tokio::test]
async fn jobs_whose_worker_vanished_do_not_begin_together_again() {
    let shop = Shop::new().await;
    let jobs = several(&shop, 4).await;
    assert_eq!(begun(&shop, &jobs).await.len(), 4);
    shop.pass(60);
    assert_eq!(pass(&shop).await.leases, 4);
    shop.pass(1);
    let first = begun(&shop, &jobs).await;
    assert_eq!(first.len(), 1);
    shop.pass(20);
    assert_eq!(begun(&shop, &jobs).await.len(), 0, "one is under way");
    let mut due = Vec::new();
    for (job, _) in &jobs {
        let job = shop.job(*job).await;
        assert_eq!(job.attempt, 2, "to wait costs no attempt");
        due.extend((job.status == Status::Ready).then_some(job.not_before));
    }
    due.sort_unstable();
    due.dedup();
    assert_eq!(due.len(), 3, "they come due one after another");
    let (_, version) = &jobs[0];
    shop.report(&first[0], all_passed(version)).await;
    shop.pass(6);
    assert_eq!(begun(&shop, &jobs).await.len(), 1);
    shop.pass(60);
    let others = begun(&shop, &jobs).await.len();
    assert_eq!(others, 1, "one that takes long does not hold the others up");
}

#[tokio::test]
async fn an_attempt_that_its_worker_lives_through_clears_the_job() {
    let shop = Shop::new().await;
    let jobs = several(&shop, 2).await;
    begun(&shop, &jobs).await;
    shop.pass(60);
    pass(&shop).await;
    for _ in 0..2 {
        shop.pass(6);
        for held in begun(&shop, &jobs).await {
            shop.failed(&held, Failure::Retry).await;
        }
    }
    shop.pass(60);
    assert_eq!(begun(&shop, &jobs).await.len(), 2);
}

#[tokio::test]
async fn a_file_that_ends_its_worker_takes_no_neighbour_along() {
    const POISON: usize = 2;
    let shop = Shop::new().await;
    let jobs = several(&shop, 8).await;
    let poison = jobs[POISON].0;
    // Four places, in the order of the queue; whoever is not done is asked for again and again.
    for _ in 0..1_000 {
        let mut open = Vec::new();
        for (job, version) in &jobs {
            let state = shop.job(*job).await;
            if !matches!(state.status, Status::Done | Status::Dead) {
                open.push((state.not_before, *job, version.clone()));
            }
        }
        if open.is_empty() {
            break;
        }
        let due = |(not_before, job, version)| {
            (not_before <= shop.app().clock().now()).then_some((job, version))
        };
        let open: Vec<_> = open.into_iter().filter_map(due).take(4).collect();
        let held = begun(&shop, &open).await;
        if held.iter().any(|held| held.job == poison) {
            shop.pass(60);
            pass(&shop).await;
            continue;
        }
        for held in held {
            let version = jobs.iter().find(|(job, _)| *job == held.job);
            let (_, version) = version.expect("it is one of them");
            shop.report(&held, all_passed(version)).await;
        }
        shop.pass(1);
    }
    for (job, _) in &jobs {
        let job = shop.job(*job).await;
        let expected = if job.id == poison.0 {
            (Status::Dead, 5)
        } else {
            (Status::Done, job.attempt.min(2))
        };
        assert_eq!((job.status, job.attempt), expected);
    }
    let poisoned = shop.version(jobs[POISON].1.id).await;
    assert_eq!(poisoned.status, VersionStatus::NeedsReview);
}

#[tokio::test]
async fn an_upload_that_never_came_is_abandoned() {
    let shop = Shop::of(World::with_empty_store().await).await;
    let (record, version) = shop
        .world
        .record(&shop.transfer, "a.pdf", VersionStatus::AwaitingUpload)
        .await;
    assert_eq!(pass(&shop).await.uploads, 0);
    shop.pass(24 * 60 * 60 + 1);
    assert_eq!(pass(&shop).await.uploads, 1);
    assert_eq!(pass(&shop).await.uploads, 0);
    assert_eq!(
        shop.version(version.id).await.status,
        VersionStatus::Abandoned
    );
    let events = shop.events("version.abandoned").await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0].record_id, Some(record.id));
}

#[tokio::test]
async fn an_upload_that_cannot_be_looked_for_is_not_abandoned() {
    let shop = Shop::new().await;
    let (_, version) = shop
        .world
        .record(&shop.transfer, "a.pdf", VersionStatus::AwaitingUpload)
        .await;
    shop.pass(24 * 60 * 60 + 1);
    assert_eq!(pass(&shop).await.uploads, 0, "the object store is away");
    assert_eq!(
        shop.version(version.id).await.status,
        VersionStatus::AwaitingUpload
    );
}

#[tokio::test]
async fn an_upload_that_nobody_told_of_is_found_when_its_ticket_ends() {
    let size = Shop::new().await.uploaded("a.pdf").await.size;
    let shop = Shop::of(World::with_full_store(size).await).await;
    let (_, version) = shop
        .world
        .record(&shop.transfer, "a.pdf", VersionStatus::AwaitingUpload)
        .await;
    shop.pass(24 * 60 * 60 + 1);
    pass(&shop).await;
    let found = shop.version(version.id).await;
    assert_eq!(found.status, VersionStatus::Checking);
    assert_eq!(shop.events("version.uploaded").await.len(), 1);
    assert!(shop.events("version.abandoned").await.is_empty());
    assert_eq!(shop.open(version.id, Kind::Check).await.len(), 1);
}

#[tokio::test]
async fn a_clock_that_steps_back_neither_ends_a_lease_nor_doubles_an_event() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    let now = shop.app().clock().now();
    shop.world.clock.set(now - TimeDelta::hours(6));
    assert_eq!(pass(&shop).await.leases, 0);
    let told = shop.report(&held, all_passed(&version)).await;
    assert_eq!(told.status, ReportStatus::Applied);
    let again = shop.report(&held, all_passed(&version)).await;
    assert_eq!(again.status, ReportStatus::AlreadyApplied);
    let later = shop.uploaded("b.pdf").await;
    let told = shop.checked(&later, all_passed(&later)).await;
    assert_eq!(told.status, ReportStatus::Applied);
    assert_eq!(shop.events("version.decided").await.len(), 2);
}

#[tokio::test]
async fn a_clock_that_steps_ahead_ends_a_lease_and_the_next_worker_goes_on() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    let now = shop.app().clock().now();
    shop.world.clock.set(now + TimeDelta::hours(6));
    let late = shop.report(&held, all_passed(&version)).await;
    assert_eq!(late.status, ReportStatus::LeaseLost);
    assert_eq!(pass(&shop).await.leases, 1);
    shop.pass(3_600);
    let told = shop.checked(&version, all_passed(&version)).await;
    assert_eq!(told.status, ReportStatus::Applied);
    assert_eq!(shop.events("version.decided").await.len(), 1);
}

/// What a message says that comes now.
async fn told(shop: &Shop, job: JobId) -> Answer {
    shop.claim(&[job]).await.remove(0).answer
}

#[tokio::test]
async fn a_message_that_comes_hours_late_finds_nothing_to_do() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.report(&held, all_passed(&version)).await;
    shop.pass(6 * 60 * 60);
    let answer = told(&shop, held.job).await;
    assert!(matches!(answer, Answer::NothingToDo), "{answer:?}");
    assert_eq!(shop.job(held.job).await.status, Status::Done);
}

#[tokio::test]
async fn jobs_that_ended_long_ago_are_forgotten_and_those_that_have_not_ended_are_not() {
    let shop = Shop::new().await;
    let (ended, open) = (shop.uploaded("a.pdf").await, shop.uploaded("b.pdf").await);
    let held = shop.take(ended.id, Kind::Check).await;
    shop.report(&held, all_passed(&ended)).await;
    let waits = JobId(shop.open(open.id, Kind::Check).await[0].id);
    shop.pass(89 * 24 * 60 * 60);
    assert_eq!(pass(&shop).await.purged, 0);
    assert_eq!(shop.job(held.job).await.status, Status::Done);
    shop.pass(2 * 24 * 60 * 60);
    assert_eq!(pass(&shop).await.purged, 1);
    let db = shop.app().database();
    let found = crate::jobs::store::load(db, held.job.0).await;
    assert_eq!(found.expect("it is looked for"), None);
    assert_eq!(shop.job(waits).await.id, waits.0);
    assert_eq!(pass(&shop).await.purged, 0);
}

#[tokio::test]
async fn the_answer_to_a_key_is_kept_for_thirty_days() {
    let shop = Shop::new().await;
    let open = async |title: &str| {
        let new = transfers::service::New {
            collection: By::Id(shop.world.collection.id.into()),
            title: title.into(),
            source: None,
        };
        transfers::service::open(shop.app(), &contributor("ann"), Some("key"), new)
            .await
            .map(|transfer| transfer.id)
            .ok()
    };
    let first = open("First").await;
    shop.pass(29 * 24 * 60 * 60);
    assert_eq!(pass(&shop).await.purged, 0);
    assert_eq!(open("First").await, first);
    assert_eq!(open("Second").await, None);
    shop.pass(2 * 24 * 60 * 60);
    assert_eq!(pass(&shop).await.purged, 1);
    assert!(
        open("Second")
            .await
            .is_some_and(|second| Some(second) != first)
    );
}

#[tokio::test]
async fn a_message_that_comes_hours_late_takes_nothing_from_whoever_has_the_job() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    for _ in 0..6 {
        shop.keep(&held, Duration::from_hours(1)).await;
        shop.pass(59 * 60);
    }
    let before = shop.job(held.job).await;
    let answer = told(&shop, held.job).await;
    assert!(matches!(answer, Answer::Busy), "{answer:?}");
    assert_eq!(shop.job(held.job).await, before);
    let done = shop.report(&held, all_passed(&version)).await;
    assert_eq!(done.status, ReportStatus::Applied);
}

#[tokio::test]
async fn a_message_of_the_first_attempt_that_comes_hours_late_costs_the_second_nothing() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.pass(6 * 60 * 60);
    pass(&shop).await;
    let early = told(&shop, held.job).await;
    assert!(matches!(early, Answer::Busy), "it is not due: {early:?}");
    shop.pass(1);
    let (first, second) = (told(&shop, held.job).await, told(&shop, held.job).await);
    assert!(matches!(first, Answer::Claimed(..)), "{first:?}");
    assert!(matches!(second, Answer::Busy), "{second:?}");
    let job = shop.job(held.job).await;
    assert_eq!((job.status, job.attempt), (Status::Leased, 2));
}

#[tokio::test]
async fn a_message_that_comes_hours_late_does_not_revive_what_was_given_up() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.failed(&held, Failure::GiveUp).await;
    let before = shop.job(held.job).await;
    shop.pass(6 * 60 * 60);
    let answer = told(&shop, held.job).await;
    assert!(matches!(answer, Answer::NothingToDo), "{answer:?}");
    assert_eq!(shop.job(held.job).await, before);
    assert_eq!(before.status, Status::Dead);
    assert_eq!(shop.events("job.died").await.len(), 1);
}
