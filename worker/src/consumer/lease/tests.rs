use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use contract::JobId;
use runtime::queue::{Depth, Outgoing, Received};
use tokio::time::timeout;
use uuid::Uuid;

use super::*;
use crate::client::{
    ApiError, CheckReport, ChecksOutcome, Claim, DispositionReport, EventPage, ExportAnswer,
    ExportReport, Extended, Failure, FixityReport, ItemPage, ReportOutcome, UploadOutcome,
};
use crate::uploads::event::Written;

const LEASE: Duration = Duration::from_mins(1);

/// What the API says from some request on.
#[derive(Debug, Clone, Copy)]
enum Says {
    Kept,
    Lost,
    Cancelled,
    Nothing,
    Error(&'static str),
    Unreachable,
}

/// An API that says one thing so many times, then another.
struct Fake {
    first: (u32, Says),
    then: Says,
    asked: AtomicU32,
}

impl Fake {
    fn new(first: (u32, Says), then: Says) -> Self {
        Self {
            first,
            then,
            asked: AtomicU32::new(0),
        }
    }
}

/// Only leases are extended here.
const ELSEWHERE: ApiError = ApiError::Status(501);

#[async_trait]
impl Api for Fake {
    async fn extend_leases(
        &self,
        leases: &[LeaseKey],
        _: Duration,
    ) -> Result<Vec<Extended>, ApiError> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let says = if asked < self.first.0 {
            self.first.1
        } else {
            self.then
        };
        let (lost, cancelled) = match says {
            Says::Kept => (false, false),
            Says::Lost => (true, false),
            Says::Cancelled => (false, true),
            Says::Nothing => std::future::pending().await,
            Says::Error(code) => return Err(ApiError::refused(code, "on purpose")),
            Says::Unreachable => return Err(ApiError::Transport("on purpose".to_owned())),
        };
        let outcomes = leases.iter().map(|key| Extended {
            job: key.job,
            lost,
            cancelled,
        });
        Ok(outcomes.collect())
    }

    async fn claim_jobs(&self, _: &[JobId], _: Duration) -> Result<Vec<Claim>, ApiError> {
        Err(ELSEWHERE)
    }

    async fn report_checks(&self, _: &[CheckReport]) -> Result<Vec<ChecksOutcome>, ApiError> {
        Err(ELSEWHERE)
    }

    async fn report_dispositions(
        &self,
        _: &[DispositionReport],
    ) -> Result<Vec<ReportOutcome>, ApiError> {
        Err(ELSEWHERE)
    }

    async fn report_fixity(&self, _: &[FixityReport]) -> Result<Vec<ReportOutcome>, ApiError> {
        Err(ELSEWHERE)
    }

    async fn report_export(
        &self,
        _: &LeaseKey,
        _: &ExportReport,
    ) -> Result<ExportAnswer, ApiError> {
        Err(ELSEWHERE)
    }

    async fn fail_jobs(&self, _: &[Failure]) -> Result<Vec<ReportOutcome>, ApiError> {
        Err(ELSEWHERE)
    }

    async fn report_uploads(&self, _: &[Written]) -> Result<Vec<UploadOutcome>, ApiError> {
        Err(ELSEWHERE)
    }

    async fn export_items(
        &self,
        _: &LeaseKey,
        _: u32,
        _: Option<&str>,
    ) -> Result<ItemPage, ApiError> {
        Err(ELSEWHERE)
    }

    async fn export_events(
        &self,
        _: &LeaseKey,
        _: u32,
        _: Option<&str>,
    ) -> Result<EventPage, ApiError> {
        Err(ELSEWHERE)
    }
}

/// A queue that counts how often a message was hidden, and says that it is not ours.
#[derive(Default)]
struct Hidden(AtomicU32);

#[async_trait]
impl Queue for Hidden {
    async fn send(&self, _: &[Outgoing]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn receive(
        &self,
        _: usize,
        _: Duration,
        _: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        Ok(Vec::new())
    }

    async fn extend(&self, _: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        assert_eq!(visibility, LEASE);
        self.0.fetch_add(1, Ordering::SeqCst);
        Err(QueueError::NotHeld)
    }

    async fn delete(&self, _: &[Receipt]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(Depth::default())
    }
}

/// How keeping ends within ten leases, after how long, and how often the message was hidden.
async fn kept(api: &Fake) -> (Option<Interrupt>, Duration, u32) {
    let queue = Hidden::default();
    let key = LeaseKey {
        job: JobId(Uuid::from_u128(1)),
        token: "t".to_owned(),
    };
    let receipt = Receipt::new("r");
    let begun = Instant::now();
    let end = timeout(LEASE * 10, keep(api, &queue, &key, Some(&receipt), LEASE)).await;
    (end.ok(), begun.elapsed(), queue.0.load(Ordering::SeqCst))
}

#[tokio::test(start_paused = true)]
async fn lease_and_message_are_extended_at_a_third_of_their_time() {
    let api = Fake::new((0, Says::Kept), Says::Kept);
    let (end, _, hidden) = kept(&api).await;
    assert_eq!(end, None, "it goes on");
    assert!((29..=30).contains(&hidden), "{hidden}");
    assert_eq!(api.asked.load(Ordering::SeqCst), hidden);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_the_api_says_so() {
    for (says, expected) in [
        (Says::Lost, Interrupt::Lost),
        (Says::Cancelled, Interrupt::Cancelled),
        (Says::Error("NOT_FOUND"), Interrupt::Lost),
    ] {
        let (end, after, _) = kept(&Fake::new((3, Says::Kept), says)).await;
        assert_eq!(end, Some(expected), "{says:?}");
        assert!(after < LEASE * 2, "{says:?}: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_ends_with_the_lease_when_the_api_does_not_answer() {
    for says in [Says::Nothing, Says::Unreachable, Says::Error("INTERNAL")] {
        let (end, after, _) = kept(&Fake::new((3, Says::Kept), says)).await;
        assert_eq!(end, Some(Interrupt::Lost), "{says:?}");
        // The third extension came after one lease, and holds for another.
        assert!(after <= LEASE * 2 + LEASE / 3, "{says:?}: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_fails_once_does_no_harm() {
    for says in [Says::Unreachable, Says::Nothing] {
        let (end, _, _) = kept(&Fake::new((1, says), Says::Kept)).await;
        assert_eq!(end, None, "{says:?}");
    }
}
