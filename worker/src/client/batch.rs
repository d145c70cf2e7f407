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

use super::{
    Api, ApiError, CheckReport, ChecksOutcome, DispositionReport, FixityReport, ReportOutcome,
};

/// The API takes so many reports at once.
const MOST: usize = 50;

/// Sends reports of one kind.
#[async_trait]
pub(crate) trait Reports: Clone + Send + Sync {
    type Outcome: Send;
    /// To whom they are sent.
    type Api: Send + Sync + ?Sized;

    fn job(&self) -> JobId;
    fn job_of(outcome: &Self::Outcome) -> JobId;
    async fn send(api: &Self::Api, reports: &[Self]) -> Result<Vec<Self::Outcome>, ApiError>;
}

#[async_trait]
impl Reports for CheckReport {
    type Outcome = ChecksOutcome;
    type Api = dyn Api;

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
    type Api = dyn Api;

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

#[async_trait]
impl Reports for FixityReport {
    type Outcome = ReportOutcome;
    type Api = dyn Api;

    fn job(&self) -> JobId {
        self.lease.job
    }

    fn job_of(outcome: &ReportOutcome) -> JobId {
        outcome.job
    }

    async fn send(api: &dyn Api, reports: &[Self]) -> Result<Vec<ReportOutcome>, ApiError> {
        api.report_fixity(reports).await
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
    api: Arc<R::Api>,
    line: Mutex<Vec<Waiting<R>>>,
    turn: tokio::sync::Mutex<()>,
}

impl<R: Reports> Batch<R> {
    pub(crate) fn new(api: Arc<R::Api>) -> Self {
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
        match R::send(&self.api, &reports).await {
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
            Err(error) if error.concerns_all() || waiting.len() == 1 => {
                for one in waiting {
                    let _ = one.answer.send(Err(error.clone()));
                }
            }
            Err(_) => drop(waiting),
        }
    }

    async fn send_alone(&self, report: R) -> Answer<R> {
        let job = report.job();
        let outcomes = R::send(&self.api, &[report]).await?;
        let mut outcomes = outcomes.into_iter();
        outcomes
            .find(|outcome| R::job_of(outcome) == job)
            .ok_or_else(|| ApiError::malformed("no outcome for a report"))
    }

    fn line(&self) -> MutexGuard<'_, Vec<Waiting<R>>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use uuid::Uuid;

    use super::*;

    /// A report that is its job's number.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    struct Number(u128);

    /// Takes what it is sent, each time after others had time to come, but for one number.
    #[derive(Default)]
    struct Sent {
        batches: Mutex<Vec<usize>>,
        refused: Option<u128>,
        silent_on: Option<u128>,
    }

    #[async_trait]
    impl Reports for Number {
        type Outcome = Self;
        type Api = Sent;

        fn job(&self) -> JobId {
            JobId(Uuid::from_u128(self.0))
        }

        fn job_of(outcome: &Self) -> JobId {
            outcome.job()
        }

        async fn send(api: &Sent, reports: &[Self]) -> Result<Vec<Self>, ApiError> {
            tokio::task::yield_now().await;
            let mut batches = api.batches.lock().unwrap_or_else(PoisonError::into_inner);
            batches.push(reports.len());
            if reports.iter().any(|report| Some(report.0) == api.refused) {
                return Err(ApiError::refused("BAD_USER_INPUT", "on purpose"));
            }
            let told = reports.iter().rev();
            Ok(told
                .filter(|r| Some(r.0) != api.silent_on)
                .copied()
                .collect())
        }
    }

    async fn submit_all(sent: Sent, count: u128) -> (Vec<Answer<Number>>, Vec<usize>) {
        let batch = Batch::new(Arc::new(sent));
        let answers = join_all((0..count).map(|number| batch.submit(Number(number)))).await;
        let batches = batch.api.batches.lock();
        let batches = batches.unwrap_or_else(PoisonError::into_inner).clone();
        (answers, batches)
    }

    #[tokio::test]
    async fn reports_that_wait_go_together_and_each_gets_its_own_answer() {
        let (answers, batches) = submit_all(Sent::default(), 120).await;
        for (number, answer) in (0..).zip(answers) {
            assert_eq!(answer, Ok(Number(number)));
        }
        assert_eq!(batches.iter().sum::<usize>(), 120);
        assert!(batches.len() <= 4, "{batches:?}");
        assert!(batches.iter().all(|size| *size <= MOST), "{batches:?}");
    }

    #[tokio::test]
    async fn a_refused_report_does_not_take_others_with_it() {
        let sent = Sent {
            refused: Some(7),
            ..Sent::default()
        };
        let (answers, _) = submit_all(sent, 20).await;
        for (number, answer) in (0..).zip(answers) {
            assert_eq!(answer.is_ok(), number != 7, "{number}");
        }
    }

    #[tokio::test]
    async fn a_report_without_an_answer_is_an_error_and_never_a_hang() {
        let sent = Sent {
            silent_on: Some(3),
            ..Sent::default()
        };
        let (answers, _) = submit_all(sent, 5).await;
        for (number, answer) in (0..).zip(answers) {
            assert_eq!(answer.is_ok(), number != 3, "{number}");
        }
    }

    #[tokio::test]
    async fn a_report_whose_job_was_ended_does_not_hold_up_the_others() {
        let batch = Batch::new(Arc::new(Sent::default()));
        let mut ended = Box::pin(batch.submit(Number(1)));
        // It has its turn, and is dropped while the API has its report.
        assert!(futures::poll!(&mut ended).is_pending());
        drop(ended);
        assert_eq!(batch.submit(Number(2)).await, Ok(Number(2)));
    }
}
