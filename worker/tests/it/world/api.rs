//! An API whose jobs stand in a map.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use contract::JobId;
use tokio::sync::Notify;
use worker::client::{
    Api, ApiError, CheckReport, ChecksOutcome, Claim, ClaimOutcome, DispositionReport, EventPage,
    ExportAnswer, ExportEvent, ExportItem, ExportReport, Extended, Failure, FailureKind,
    FixityReport, Granted, ItemPage, Lease, LeaseKey, ReportOutcome, ReportStatus, UploadOutcome,
    Work,
};
use worker::uploads::event::Written;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Ready,
    Leased,
    Done,
    Dead,
}

/// A job, and all that was said of it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) work: Work,
    pub(crate) status: Status,
    pub(crate) attempt: u32,
    pub(crate) max_attempts: u32,
    /// Where another worker is said to have it.
    pub(crate) lost: bool,
    pub(crate) cancelled: bool,
    /// The job that follows at once.
    pub(crate) next: Option<JobId>,
    pub(crate) extended: u32,
    pub(crate) checks: Vec<CheckReport>,
    pub(crate) dispositions: Vec<DispositionReport>,
    pub(crate) fixity: Vec<FixityReport>,
    pub(crate) exports: Vec<ExportReport>,
    pub(crate) failures: Vec<(FailureKind, String)>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) jobs: BTreeMap<JobId, Job>,
    pub(crate) items: Vec<ExportItem>,
    pub(crate) events: Vec<ExportEvent>,
    /// The objects that were told of: bucket and key.
    pub(crate) uploads: Vec<(String, String)>,
    /// Keys that cannot be looked at the first time.
    pub(crate) not_now: BTreeSet<String>,
    /// So many calls are going to fail.
    pub(crate) unreachable: u32,
    /// Jobs of which the API knows nothing.
    pub(crate) unknown: Vec<JobId>,
    pub(crate) calls: BTreeMap<&'static str, u32>,
}

#[derive(Debug, Default)]
pub(crate) struct FakeApi {
    state: Mutex<State>,
    changed: Notify,
}

impl FakeApi {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn add(&self, id: JobId, work: Work) {
        let job = Job {
            work,
            status: Status::Ready,
            attempt: 0,
            max_attempts: 3,
            lost: false,
            cancelled: false,
            next: None,
            extended: 0,
            checks: Vec::new(),
            dispositions: Vec::new(),
            fixity: Vec::new(),
            exports: Vec::new(),
            failures: Vec::new(),
        };
        self.state().jobs.insert(id, job);
    }

    pub(crate) fn job(&self, id: JobId) -> Job {
        self.state().jobs[&id].clone()
    }

    pub(crate) fn change(&self, id: JobId, change: impl FnOnce(&mut Job)) {
        if let Some(job) = self.state().jobs.get_mut(&id) {
            change(job);
        }
        self.changed.notify_waiters();
    }

    pub(crate) fn all_ended(&self) -> bool {
        let ended = |job: &Job| matches!(job.status, Status::Done | Status::Dead);
        self.state().jobs.values().all(ended)
    }

    /// Makes every job ready again.
    pub(crate) fn forget(&self) -> Vec<JobId> {
        let mut state = self.state();
        for job in state.jobs.values_mut() {
            job.status = Status::Ready;
        }
        state.jobs.keys().copied().collect()
    }

    /// Waits until it is so.
    pub(crate) async fn until(&self, so: impl Fn(&Self) -> bool) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if so(self) {
                return;
            }
            changed.await;
        }
    }

    fn call(&self, name: &'static str) -> Result<MutexGuard<'_, State>, ApiError> {
        let mut state = self.state();
        *state.calls.entry(name).or_default() += 1;
        if state.unreachable > 0 {
            state.unreachable -= 1;
            return Err(ApiError::Transport("on purpose".to_owned()));
        }
        Ok(state)
    }

    fn report(
        state: &mut State,
        key: &LeaseKey,
        ends: bool,
        keep: impl FnOnce(&mut Job),
    ) -> ReportOutcome {
        let mut status = ReportStatus::LeaseLost;
        if let Some(job) = state.jobs.get_mut(&key.job)
            && job.status == Status::Leased
            && token(job) == key.token
        {
            status = ReportStatus::Applied;
            keep(job);
            if ends {
                job.status = Status::Done;
            }
        }
        ReportOutcome {
            job: key.job,
            status,
            message: None,
        }
    }
}

fn token(job: &Job) -> String {
    format!("lease {}", job.attempt)
}

fn claim(state: &mut State, id: JobId) -> Claim {
    let mut claim = Claim {
        job: id,
        outcome: ClaimOutcome::NothingToDo,
        granted: None,
    };
    let Some(job) = state.jobs.get_mut(&id) else {
        return claim;
    };
    match job.status {
        Status::Done | Status::Dead => {}
        Status::Leased => claim.outcome = ClaimOutcome::Busy,
        Status::Ready => {
            job.attempt += 1;
            job.status = Status::Leased;
            claim.outcome = ClaimOutcome::Claimed;
            claim.granted = Some(Granted {
                lease: Lease {
                    key: LeaseKey {
                        job: id,
                        token: token(job),
                    },
                    attempt: job.attempt,
                    max_attempts: job.max_attempts,
                },
                work: job.work.clone(),
            });
        }
    }
    claim
}

#[async_trait]
impl Api for FakeApi {
    async fn claim_jobs(&self, jobs: &[JobId], _: Duration) -> Result<Vec<Claim>, ApiError> {
        let mut state = self.call("claimJobs")?;
        if jobs.iter().any(|job| state.unknown.contains(job)) {
            return Err(ApiError::refused("NOT_FOUND", "no such job"));
        }
        let claims = jobs.iter().map(|job| claim(&mut state, *job)).collect();
        drop(state);
        self.changed.notify_waiters();
        Ok(claims)
    }

    async fn extend_leases(
        &self,
        leases: &[LeaseKey],
        _: Duration,
    ) -> Result<Vec<Extended>, ApiError> {
        let mut state = self.call("extendLeases")?;
        let mut outcomes = Vec::new();
        for key in leases {
            if let Some(job) = state.jobs.get_mut(&key.job) {
                job.extended += 1;
                outcomes.push(Extended {
                    job: key.job,
                    lost: job.lost || token(job) != key.token,
                    cancelled: job.cancelled,
                });
            }
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(outcomes)
    }

    async fn report_checks(&self, reports: &[CheckReport]) -> Result<Vec<ChecksOutcome>, ApiError> {
        let mut state = self.call("reportChecks")?;
        let mut outcomes = Vec::new();
        for report in reports {
            let keep = |job: &mut Job| job.checks.push(report.clone());
            let outcome = Self::report(&mut state, &report.lease, true, keep);
            let next = state.jobs[&report.lease.job].next;
            outcomes.push(ChecksOutcome {
                report: outcome,
                next: next.map(|next| claim(&mut state, next)),
            });
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(outcomes)
    }

    async fn report_dispositions(
        &self,
        reports: &[DispositionReport],
    ) -> Result<Vec<ReportOutcome>, ApiError> {
        let mut state = self.call("reportDispositions")?;
        let mut outcomes = Vec::new();
        for report in reports {
            let keep = |job: &mut Job| job.dispositions.push(report.clone());
            outcomes.push(Self::report(&mut state, &report.lease, true, keep));
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(outcomes)
    }

    async fn report_fixity(
        &self,
        reports: &[FixityReport],
    ) -> Result<Vec<ReportOutcome>, ApiError> {
        let mut state = self.call("reportFixity")?;
        let mut outcomes = Vec::new();
        for report in reports {
            let keep = |job: &mut Job| job.fixity.push(report.clone());
            outcomes.push(Self::report(&mut state, &report.lease, true, keep));
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(outcomes)
    }

    async fn report_export(
        &self,
        lease: &LeaseKey,
        report: &ExportReport,
    ) -> Result<ExportAnswer, ApiError> {
        let mut state = self.call("reportExport")?;
        let cancelled = state.jobs[&lease.job].cancelled;
        let ends = cancelled || !matches!(report, ExportReport::Progress { .. });
        let keep = |job: &mut Job| job.exports.push(report.clone());
        let outcome = Self::report(&mut state, lease, ends, keep);
        drop(state);
        self.changed.notify_waiters();
        Ok(ExportAnswer {
            status: outcome.status,
            cancelled,
        })
    }

    async fn fail_jobs(&self, failures: &[Failure]) -> Result<Vec<ReportOutcome>, ApiError> {
        let mut state = self.call("failJobs")?;
        let mut outcomes = Vec::new();
        for failure in failures {
            let keep = |job: &mut Job| {
                job.failures.push((failure.kind, failure.reason.clone()));
                let again = match failure.kind {
                    FailureKind::HandBack => true,
                    FailureKind::Retry => job.attempt < job.max_attempts,
                    FailureKind::GiveUp => false,
                };
                job.status = if again { Status::Ready } else { Status::Dead };
            };
            outcomes.push(Self::report(&mut state, &failure.lease, false, keep));
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(outcomes)
    }

    async fn report_uploads(&self, written: &[Written]) -> Result<Vec<UploadOutcome>, ApiError> {
        let mut state = self.call("reportUploads")?;
        let mut outcomes = Vec::new();
        for one in written {
            let later = state.not_now.remove(&one.key);
            outcomes.push(if later {
                UploadOutcome::Retry
            } else {
                state.uploads.push((one.bucket.clone(), one.key.clone()));
                UploadOutcome::Applied
            });
        }
        drop(state);
        self.changed.notify_waiters();
        Ok(outcomes)
    }

    async fn export_items(
        &self,
        _: &LeaseKey,
        first: u32,
        after: Option<&str>,
    ) -> Result<ItemPage, ApiError> {
        let state = self.call("exportItems")?;
        let begin = after.map_or(0, |after| after.parse().unwrap());
        let end = (begin + first as usize).min(state.items.len());
        Ok(ItemPage {
            items: state.items[begin..end].to_vec(),
            next: (end < state.items.len()).then(|| end.to_string()),
        })
    }

    async fn export_events(
        &self,
        _: &LeaseKey,
        first: u32,
        after: Option<&str>,
    ) -> Result<EventPage, ApiError> {
        let state = self.call("exportEvents")?;
        let begin = after.map_or(0, |after| after.parse().unwrap());
        let end = (begin + first as usize).min(state.events.len());
        Ok(EventPage {
            events: state.events[begin..end].to_vec(),
            next: (end < state.events.len()).then(|| end.to_string()),
        })
    }
}
