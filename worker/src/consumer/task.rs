//! One job, from its claim to its end.
//!
//! Always: a job ends in one of the ways of [`JobError`], also when it panics; its message is
//! deleted only after it returned `Ok` or the API has taken the report of its failure.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use runtime::queue::{Queue, Receipt};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::deletions::Deletions;
use super::lease;
use super::slots::{Permit, Slots};
use crate::client::{Claim, ExportReport, Failure, FailureKind, Granted, Lease, Work};
use crate::deps::Deps;
use crate::job::{Interrupt, JobError, Signal, signal};
use crate::{checks, dispositions, exports, fixity};

/// How long a job that was told to end may take to clean up.
const CLEAN_UP: Duration = Duration::from_secs(10);

/// How long the API may take to answer while the worker is stopping.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// What a job runs with.
#[derive(Clone)]
pub(super) struct Crew {
    pub(super) deps: Arc<Deps>,
    pub(super) queue: Arc<dyn Queue>,
    pub(super) deletions: Arc<Deletions>,
    pub(super) slots: Slots,
    pub(super) stop: CancellationToken,
}

type End = Result<Option<Claim>, JobError>;

impl Crew {
    /// Runs a job, and the one that follows from it under a lease of its own.
    pub(super) async fn work(self, granted: Granted, receipt: Receipt, permit: Permit) {
        let mut permit = Some(permit);
        let mut next = Some((granted, Some(receipt)));
        while let Some((granted, receipt)) = next.take() {
            let started = Instant::now();
            let kind = granted.work.kind();
            let lease = granted.lease.clone();
            let end = self.run(granted, receipt.as_ref(), &mut permit).await;
            metrics::counter!(
                "muniment_worker_jobs_total", "kind" => kind, "outcome" => outcome(&end)
            )
            .increment(1);
            metrics::histogram!("muniment_worker_job_seconds", "kind" => kind)
                .record(started.elapsed().as_secs_f64());
            if self.settle(&lease, kind, &end).await
                && let Some(receipt) = receipt
            {
                self.deletions.delete(&receipt).await;
            }
            if let Ok(Some(Claim {
                granted: Some(granted),
                ..
            })) = end
            {
                next = Some((granted, None));
            }
        }
    }

    async fn run(
        &self,
        granted: Granted,
        receipt: Option<&Receipt>,
        permit: &mut Option<Permit>,
    ) -> End {
        let (raise, signal) = signal();
        let key = granted.lease.key.clone();
        let work = AssertUnwindSafe(self.dispatch(&granted, &signal, permit)).catch_unwind();
        let mut work = std::pin::pin!(work);
        let why = tokio::select! {
            biased;
            end = &mut work => return caught(end),
            why = lease::keep(&*self.deps.api, &*self.queue, &key, receipt, self.deps.config.lease) => why,
            () = self.grace_is_over() => Interrupt::Stopping,
        };
        raise.raise(why);
        match timeout(CLEAN_UP, work).await {
            Ok(end) => caught(end),
            Err(_) => Err(JobError::Interrupted(why)),
        }
    }

    async fn dispatch(
        &self,
        granted: &Granted,
        signal: &Signal,
        permit: &mut Option<Permit>,
    ) -> End {
        let (deps, lease) = (&*self.deps, &granted.lease);
        let work = async {
            match &granted.work {
                Work::Check(work) => checks::run(deps, lease, work).await,
                Work::Disposition(work) => {
                    dispositions::run(deps, lease, work).await.map(|()| None)
                }
                Work::Export(work) => {
                    if let Some(job) = permit.take() {
                        *permit = self.slots.for_export(job).await;
                    }
                    if permit.is_none() {
                        return Err(JobError::NotNow(
                            "too many exports wait in this worker".to_owned(),
                        ));
                    }
                    // It listens to the signal itself, because it has something to clean up.
                    exports::run(deps, lease, work, signal).await.map(|()| None)
                }
                Work::Fixity(work) => {
                    if let Some(job) = permit.take() {
                        *permit = self.slots.for_fixity(job).await;
                    }
                    if permit.is_none() {
                        return Err(JobError::NotNow(
                            "too many fixity checks wait in this worker".to_owned(),
                        ));
                    }
                    fixity::run(deps, lease, work).await.map(|()| None)
                }
            }
        };
        let mut end = match &granted.work {
            Work::Export(_) => work.await,
            Work::Check(_) | Work::Disposition(_) | Work::Fixity(_) => tokio::select! {
                biased;
                end = work => end,
                why = signal.raised() => Err(JobError::Interrupted(why)),
            },
        };
        if let Err(JobError::Retry(reason)) = &end
            && deps.objects.are_away().await
        {
            end = Err(JobError::NotNow(reason.clone()));
        }
        if matches!(end, Err(JobError::NotNow(_))) {
            // Under the lease that is kept, so that nobody tries in vain meanwhile.
            tokio::select! {
                () = tokio::time::sleep(deps.config.not_now) => {}
                why = signal.raised() => return Err(JobError::Interrupted(why)),
            }
        }
        end
    }

    async fn grace_is_over(&self) {
        self.stop.cancelled().await;
        tokio::time::sleep(self.deps.config.grace).await;
    }

    /// Tells the API how the job ended, where it does not know yet. Answers whether the message
    /// has done its service.
    async fn settle(&self, lease: &Lease, kind: &str, end: &End) -> bool {
        let job = lease.key.job;
        let (failure, reason) = match end {
            Ok(_) => {
                tracing::debug!(%job, kind, "done");
                return true;
            }
            Err(JobError::Retry(reason)) => (FailureKind::Retry, reason.as_str()),
            Err(JobError::NotNow(reason)) => (FailureKind::HandBack, reason.as_str()),
            Err(JobError::Fail(reason)) => (FailureKind::GiveUp, reason.as_str()),
            Err(JobError::Interrupted(Interrupt::Stopping)) => {
                (FailureKind::HandBack, "the worker is shutting down")
            }
            Err(JobError::Interrupted(Interrupt::Cancelled)) => {
                return self.end_cancelled(lease).await;
            }
            Err(JobError::LeaseLost | JobError::Interrupted(Interrupt::Lost)) => {
                tracing::warn!(%job, kind, "the lease is lost: another worker may have the job");
                return false;
            }
        };
        tracing::warn!(%job, kind, attempt = lease.attempt, ?failure, reason, "ended without a result");
        let failures = [Failure {
            lease: lease.key.clone(),
            kind: failure,
            reason: reason.to_owned(),
        }];
        match self.in_time(self.deps.api.fail_jobs(&failures)).await {
            Some(Ok(_)) => true,
            Some(Err(error)) => {
                tracing::warn!(%job, %error, "the failure was not told: the lease runs out instead");
                false
            }
            None => false,
        }
    }

    /// Tells the API that nothing is left of an export that nobody wants any longer, so that its
    /// job is over now and not when the lease has run out.
    async fn end_cancelled(&self, lease: &Lease) -> bool {
        tracing::info!(job = %lease.key.job, "cancelled");
        let report = ExportReport::Failed {
            error: "it was cancelled".to_owned(),
        };
        let told = self.deps.api.report_export(&lease.key, &report);
        matches!(self.in_time(told).await, Some(Ok(_)))
    }

    /// What the API answers, unless the worker is stopping and the answer takes long.
    pub(super) async fn in_time<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        let too_late = async {
            self.stop.cancelled().await;
            tokio::time::sleep(LAST_WORDS).await;
        };
        tokio::select! {
            biased;
            answer = answer => Some(answer),
            () = too_late => None,
        }
    }
}

fn caught(end: std::thread::Result<End>) -> End {
    end.unwrap_or_else(|_| Err(JobError::Retry("the job panicked".to_owned())))
}

fn outcome(end: &End) -> &'static str {
    match end {
        Ok(_) => "ok",
        Err(JobError::Retry(_)) => "retry",
        Err(JobError::Fail(_)) => "fail",
        Err(JobError::LeaseLost | JobError::Interrupted(Interrupt::Lost)) => "lost",
        Err(JobError::Interrupted(Interrupt::Cancelled)) => "cancelled",
        Err(JobError::NotNow(_) | JobError::Interrupted(Interrupt::Stopping)) => "handed_back",
    }
}
