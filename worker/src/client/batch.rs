//! Reports that become ready together go in one request.
//!
//! Whoever has a report puts it in line and waits for their turn. Whoever's turn it is sends all
//! that is in line, so a request's length grows with the load and a lone report never waits.
//!
//! Always: a report that is refused does not take others with it: they are sent again alone.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use contract::JobId;
use tokio::sync::oneshot::{self, error::TryRecvError};

use super::{Api, ApiError, CheckReport, ChecksOutcome, DispositionReport, ReportOutcome};

/// The API takes so many reports at once.
const MOST: usize = 50;

/// Sends reports of one kind.
#[async_trait]
pub(crate) trait Reports: Clone + Send + Sync {
    type Outcome: Send;

    fn job(&self) -> JobId;
    fn job_of(outcome: &Self::Outcome) -> JobId;
    async fn send(api: &dyn Api, reports: &[Self]) -> Result<Vec<Self::Outcome>, ApiError>;
}

#[async_trait]
impl Reports for CheckReport {
    type Outcome = ChecksOutcome;

    fn job(&self) -> JobId {
        self.lease.job
    }

    fn job_of(outcome: &ChecksOutcome) -> JobId {
        outcome.report.job
    }

    async fn send(api: &dyn Api, reports: &[Self]) -> Result<Vec<ChecksOutcome>, ApiError> {
        api.report_checks(reports).await
    }
}

#[async_trait]
impl Reports for DispositionReport {
    type Outcome = ReportOutcome;

    fn job(&self) -> JobId {
        self.lease.job
    }

    fn job_of(outcome: &ReportOutcome) -> JobId {
        outcome.job
    }

    async fn send(api: &dyn Api, reports: &[Self]) -> Result<Vec<ReportOutcome>, ApiError> {
        api.report_dispositions(reports).await
    }
}

type Answer<R> = Result<<R as Reports>::Outcome, ApiError>;

struct Waiting<R: Reports> {
    report: R,
    /// Dropped unanswered: the report is to be sent alone.
    answer: oneshot::Sender<Answer<R>>,
}

/// The line of reports.
pub(crate) struct Batch<R: Reports> {
    api: Arc<dyn Api>,
    line: Mutex<Vec<Waiting<R>>>,
    turn: tokio::sync::Mutex<()>,
}

impl<R: Reports> Batch<R> {
    pub(crate) fn new(api: Arc<dyn Api>) -> Self {
        Self {
            api,
            line: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Sends a report, with those of others.
    pub(crate) async fn submit(&self, report: R) -> Answer<R> {
        let (answer, mut answered) = oneshot::channel();
        self.line().push(Waiting {
            report: report.clone(),
            answer,
        });
        let turn = self.turn.lock().await;
        loop {
            match answered.try_recv() {
                Ok(answer) => return answer,
                Err(TryRecvError::Empty) => self.send_some().await,
                Err(TryRecvError::Closed) => break,
            }
        }
        drop(turn);
        self.send_alone(report).await
    }

    async fn send_some(&self) {
        let waiting: Vec<Waiting<R>> = {
            let mut line = self.line();
            let count = line.len().min(MOST);
            line.drain(..count).collect()
        };
        let reports: Vec<R> = waiting.iter().map(|one| one.report.clone()).collect();
        match R::send(&*self.api, &reports).await {
            Ok(mut outcomes) => {
                for one in waiting {
                    let job = one.report.job();
                    let mine = outcomes.iter().position(|o| R::job_of(o) == job);
                    if let Some(mine) = mine {
                        // Whoever waited may have been told to end.
                        let _ = one.answer.send(Ok(outcomes.swap_remove(mine)));
                    }
                }
            }
            Err(error) if error.is_retryable() || waiting.len() == 1 => {
                for one in waiting {
                    let _ = one.answer.send(Err(error.clone()));
                }
            }
            Err(_) => drop(waiting),
        }
    }

    async fn send_alone(&self, report: R) -> Answer<R> {
        let job = report.job();
        let outcomes = R::send(&*self.api, &[report]).await?;
        let mut outcomes = outcomes.into_iter();
        outcomes
            .find(|outcome| R::job_of(outcome) == job)
            .ok_or_else(|| ApiError::malformed("no outcome for a report"))
    }

    fn line(&self) -> MutexGuard<'_, Vec<Waiting<R>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
