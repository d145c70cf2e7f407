//! The loop: what becomes of messages and jobs when things go wrong.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use contract::JobId;
use embedded::queue::MemoryQueue;
use runtime::queue::{Depth, Outgoing, Queue, QueueError, Receipt, Received};
use runtime::shutdown::{Drained, Shutdown};
use uuid::Uuid;
use worker::client::{DispositionWork, FailureKind, ObjectLocation, Work};

use crate::world::{FakeApi, LONG, PanicsOnce, Status, Waits, World};

#[tokio::test]
async fn a_panicking_job_gives_its_slot_back() {
    let mut world = World::new().await;
    world.config.jobs = 1;
    world.scanner = Arc::new(PanicsOnce::default());
    let first = world.check(1, "a.txt", b"first").await;
    let first = world.job(1, Work::Check(first)).await;
    let second = world.check(2, "b.txt", b"second").await;
    let second = world.job(2, Work::Check(second)).await;
    world
        .work_until(|api| {
            api.job(first).failures.len() == 1 && api.job(second).status == Status::Done
        })
        .await;
    let failure = world.api.job(first).failures.remove(0);
    assert_eq!(failure.0, FailureKind::Retry);
    assert_eq!(failure.1, "the job panicked");
    world.announce(first).await;
    world.work().await;
    assert_eq!(world.api.job(first).status, Status::Done);
}

#[tokio::test]
async fn a_message_that_says_nothing_is_deleted_and_the_others_are_done() {
    let world = World::new().await;
    world.say("not json").await;
    world
        .say(r#"{"jobId":"record_00000000000000000000000001"}"#)
        .await;
    let work = world.check(1, "a.txt", b"text").await;
    let job = world.job(1, Work::Check(work)).await;
    world.say("{}").await;
    // The worker has room for all four, so they come together.
    let left = world.work().await;
    assert_eq!(world.api.job(job).status, Status::Done);
    assert_eq!((left.visible, left.in_flight), (0, 0));
}

#[tokio::test]
async fn a_job_that_the_api_does_not_know_leaves_the_others_alone() {
    let world = World::new().await;
    let unknown = JobId(Uuid::from_u128(99));
    world.api.state().unknown.push(unknown);
    world.announce(unknown).await;
    let work = world.check(1, "a.txt", b"text").await;
    let job = world.job(1, Work::Check(work)).await;
    let left = world.work().await;
    assert_eq!(world.api.job(job).status, Status::Done);
    assert_eq!((left.visible, left.in_flight), (0, 0));
}

#[tokio::test]
async fn a_message_of_a_job_that_is_over_is_deleted() {
    let world = World::new().await;
    let work = world.check(1, "a.txt", b"text").await;
    let job = world.job(1, Work::Check(work)).await;
    world.api.change(job, |job| job.status = Status::Done);
    let left = world
        .work_until(|api| api.state().calls.contains_key("claimJobs"))
        .await;
    assert_eq!((left.visible, left.in_flight), (0, 0));
}

#[tokio::test]
async fn a_message_of_a_busy_job_is_deleted_because_the_job_is_announced_anew_when_it_is_due() {
    let world = World::new().await;
    let work = world.check(1, "a.txt", b"text").await;
    let job = world.job(1, Work::Check(work)).await;
    world.api.change(job, |job| job.status = Status::Leased);
    let left = world
        .work_until(|api| api.state().calls.contains_key("claimJobs"))
        .await;
    assert_eq!((left.visible, left.in_flight), (0, 0));
}

#[tokio::test]
async fn an_api_that_does_not_answer_costs_time_and_no_message() {
    let world = World::new().await;
    let work = world.check(1, "a.txt", b"text").await;
    let job = world.job(1, Work::Check(work)).await;
    world.api.state().unreachable = 1;
    let left = world
        .work_until(|api| api.state().calls.contains_key("claimJobs"))
        .await;
    assert_eq!(left.in_flight, 1, "the message is left");
    assert_eq!(world.api.job(job).attempt, 0);
    world.announce(job).await;
    world.work().await;
    assert_eq!(world.api.job(job).status, Status::Done);
}

#[tokio::test]
async fn a_lost_lease_ends_the_job_at_once_and_says_nothing() {
    let mut world = World::new().await;
    let waits = Arc::new(Waits::default());
    world.scanner = waits.clone();
    world.config.lease = Duration::from_millis(900);
    let work = world.check(1, "a.txt", b"text").await;
    let job = world.job(1, Work::Check(work)).await;
    let shutdown = Shutdown::new();
    let worker = world.worker();
    let script = async {
        waits.begun.notified().await;
        world.api.until(|api| api.job(job).extended == 1).await;
        world.api.change(job, |job| job.lost = true);
        let asked = world.api.job(job).extended;
        world.api.until(|api| api.job(job).extended > asked).await;
        shutdown.begin();
    };
    let ((), ran) = tokio::join!(script, tokio::time::timeout(LONG, worker.run(&shutdown)));
    assert!(ran.is_ok());
    let job = world.api.job(job);
    assert!(job.failures.is_empty() && job.checks.is_empty());
}

#[tokio::test]
async fn a_drain_is_bounded_and_hands_back_what_is_not_done() {
    let mut world = World::new().await;
    let waits = Arc::new(Waits::default());
    world.scanner = waits.clone();
    world.config.grace = Duration::from_millis(20);
    let work = world.check(1, "a.txt", b"text").await;
    let job = world.job(1, Work::Check(work)).await;
    let shutdown = Shutdown::new();
    let worker = world.worker();
    let script = async {
        waits.begun.notified().await;
        shutdown.begin();
    };
    let ((), ran) = tokio::join!(script, tokio::time::timeout(LONG, worker.run(&shutdown)));
    assert!(ran.is_ok());
    assert_eq!(shutdown.drain(LONG).await, Drained::Cleanly);
    let failures = world.api.job(job).failures;
    assert_eq!(
        failures,
        [(
            FailureKind::HandBack,
            "the worker is shutting down".to_owned()
        )]
    );
    assert_eq!(world.queue.depth().await.unwrap().in_flight, 0);
}

#[tokio::test]
async fn nothing_is_received_after_the_signal() {
    let world = World::new().await;
    let work = world.check(1, "a.txt", b"text").await;
    let job = world.job(1, Work::Check(work)).await;
    let shutdown = Shutdown::new();
    shutdown.begin();
    world.worker().run(&shutdown).await;
    assert_eq!(world.queue.depth().await.unwrap().visible, 1);
    assert_eq!(world.api.job(job).attempt, 0);
}

/// A queue behind a network: a receive that nobody waits for any longer takes messages all the same.
struct Remote(Arc<MemoryQueue>);

#[async_trait]
impl Queue for Remote {
    async fn send(&self, messages: &[Outgoing]) -> Result<(), QueueError> {
        self.0.send(messages).await
    }

    #[expect(clippy::disallowed_methods, reason = "nobody drains a remote queue")]
    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let queue = self.0.clone();
        let received = tokio::spawn(async move { queue.receive(max, wait, visibility).await });
        received.await.unwrap()
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        self.0.extend(receipt, visibility).await
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        self.0.delete(receipts).await
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        self.0.depth().await
    }
}

#[tokio::test]
async fn a_worker_that_stops_takes_no_message_with_it() {
    let mut world = World::new().await;
    let waits = Arc::new(Waits::default());
    world.scanner = waits.clone();
    world.config.grace = Duration::from_millis(50);
    world.config.receive_wait = Duration::from_secs(2);
    let work = world.check(1, "a.txt", b"text").await;
    let job = world.job(1, Work::Check(work)).await;
    let shutdown = Shutdown::new();
    let worker = world.worker_of(Arc::new(Remote(world.queue.clone())));
    let script = async {
        waits.begun.notified().await;
        shutdown.begin();
        // The job is handed back while the worker's receive still waits at the queue.
        let handed_back = |api: &FakeApi| !api.job(job).failures.is_empty();
        world.api.until(handed_back).await;
        world.announce(job).await;
    };
    let ((), ran) = tokio::join!(script, tokio::time::timeout(LONG, worker.run(&shutdown)));
    assert!(ran.is_ok());
    // A receive that was given up would have its turn.
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let left = world.queue.depth().await.unwrap();
    assert_eq!((left.visible, left.in_flight), (1, 0));
}

#[tokio::test]
async fn a_disposition_that_follows_from_checks_is_done_under_its_own_lease() {
    let world = World::new().await;
    let check = world.check(1, "a.txt", b"text").await;
    let disposition = DispositionWork {
        size: 4,
        source: check.object.clone(),
        target: ObjectLocation {
            bucket: "records".to_owned(),
            key: check.object.key.clone(),
            etag: None,
        },
    };
    let key = check.object.key.clone();
    let next = JobId(Uuid::from_u128(2));
    world.api.add(next, Work::Disposition(disposition));
    let job = world.job(1, Work::Check(check)).await;
    world.api.change(job, |job| job.next = Some(next));
    let left = world.work().await;
    assert_eq!(world.api.job(next).dispositions.len(), 1);
    assert_eq!(
        world.get("records", &key).await.as_deref(),
        Some(&b"text"[..])
    );
    assert_eq!((left.visible, left.in_flight), (0, 0));
}
