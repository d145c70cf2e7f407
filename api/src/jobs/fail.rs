//! Attempts that failed, and jobs that are given up.
//!
//! Always: a job becomes DEAD in the same transaction in which its subject comes into a visible state and
//! an event says why.

use std::collections::HashMap;

use contract::{ExportId, FixityCheckId, JobId, VersionId};
use serde_json::json;
use uuid::Uuid;

use super::{
    Input, Job, Kind, Status,
    claim::Held,
    lease::{Standing, standing},
    reported::Reported,
    shorten, step, store,
};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    checks, exports, fixity,
    unit::{Happened, Unit},
    versions,
};

/// The most characters of a reason that are kept.
const MAX_REASON: usize = 2_000;

/// Whether another attempt makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "FailureKind")]
pub enum Failure {
    /// It may succeed later.
    Retry,
    /// It never will.
    GiveUp,
    /// The worker stops: another one takes it at once, on the same attempt.
    HandBack,
}

/// A worker could not do a job.
#[derive(Debug, Clone)]
pub struct Failed {
    /// Which, under which lease.
    pub held: Held,
    /// Whether another attempt makes sense.
    pub failure: Failure,
    /// Why, for people.
    pub reason: String,
}

/// Records failed attempts; one answer a failure, in the order told.
pub async fn fail(app: &App, caller: &Caller, failures: &[Failed]) -> Result<Vec<Reported>, Error> {
    caller.may(Action::Work, &Resource::default())?;
    let mut unit = app.begin(caller).await?;
    let ids = failures.iter().map(|failed| failed.held.job.0);
    let mut jobs = store::load_many_for_update(&unit, ids).await?;
    lock_versions(&unit, jobs.values()).await?;
    lock_exports(&unit, jobs.values()).await?;
    fixity::reports::lock_runs(&unit, jobs.values()).await?;
    let mut answers = Vec::with_capacity(failures.len());
    for failed in failures {
        answers.push(one(&mut unit, &mut jobs, failed).await?);
    }
    unit.commit().await?;
    app.jobs_waiting().notify_one();
    Ok(answers)
}

/// Locks what the jobs are about in the order of ids, so that two units never wait for each other.
pub async fn lock_versions(unit: &Unit, jobs: impl IntoIterator<Item = &Job>) -> Result<(), Error> {
    let subjects: Vec<Uuid> = jobs
        .into_iter()
        .filter(|job| matches!(job.kind, Kind::Check | Kind::Disposition))
        .map(|job| job.subject_id)
        .collect();
    versions::store::load_many_for_update(unit, &subjects).await?;
    Ok(())
}

/// Locks the exports that are to be packed in the order of their ids, so that two units never wait for each other.
pub async fn lock_exports(unit: &Unit, jobs: impl IntoIterator<Item = &Job>) -> Result<(), Error> {
    let subjects = jobs.into_iter().filter(|job| job.kind == Kind::Export);
    let subjects = subjects.map(|job| job.subject_id).collect();
    Ok(exports::store::lock(unit, subjects).await?)
}

async fn one(
    unit: &mut Unit,
    jobs: &mut HashMap<Uuid, Job>,
    failed: &Failed,
) -> Result<Reported, Error> {
    let id = failed.held.job;
    let Some(job) = jobs.get(&id.0) else {
        return Ok(Reported::lost(id));
    };
    match standing(job, &failed.held.token, unit.now()) {
        Standing::Lost => return Ok(Reported::lost(id)),
        Standing::Past if job.status == Status::Done => {
            return Ok(Reported::conflict(id, "this job is done".into()));
        }
        Standing::Past => return Ok(Reported::already(id)),
        Standing::Live => {}
    }
    let input = match failed.failure {
        Failure::Retry => Input::Retry,
        Failure::GiveUp => Input::GiveUp,
        Failure::HandBack => Input::HandBack,
    };
    let reason = shorten(&failed.reason, MAX_REASON);
    let job = attempt_failed(unit, job.clone(), input, &reason).await?;
    jobs.insert(id.0, job);
    Ok(Reported::applied(id))
}

/// An attempt has failed or was never heard of again: the job waits for the next, or is DEAD with all that
/// follows for its subject.
pub async fn attempt_failed(
    unit: &mut Unit,
    mut job: Job,
    input: Input,
    reason: &str,
) -> Result<Job, Error> {
    if !step(&mut job, input, unit.now()) {
        return Ok(job);
    }
    job.last_error = Some(reason.to_owned());
    let job = store::update(unit, job).await?;
    if job.status == Status::Dead {
        died(unit, &job, reason).await?;
    }
    Ok(job)
}

async fn died(unit: &mut Unit, job: &Job, reason: &str) -> Result<(), Error> {
    let why = format!(
        "given up after {} of {} attempts: {reason}",
        job.attempt, job.max_attempts
    );
    let mut happened = Happened {
        action: "job.died",
        after: Some(
            json!({"kind": job.kind, "attempt": job.attempt, "reason": reason, "subject": subject(job).to_string()}),
        ),
        ..Happened::default()
    };
    if job.kind == Kind::Export {
        unit.event(JobId(job.id), happened);
        return exports::service::job_died(unit, job.subject_id, &why).await;
    }
    if job.kind == Kind::Fixity {
        unit.event(JobId(job.id), happened);
        return fixity::reports::give_up(unit, job.subject_id, &why).await;
    }
    let Some(version) = versions::store::load_for_update(unit, job.subject_id).await? else {
        unit.event(JobId(job.id), happened);
        return Ok(());
    };
    happened.collection_id = Some(version.collection_id);
    happened.record_id = Some(version.record_id);
    unit.event(JobId(job.id), happened);
    if job.kind == Kind::Check {
        checks::service::give_up(unit, version, &job.queue, &why).await
    } else {
        checks::dispositions::not_moved(unit, version, why)
            .await
            .map(drop)
    }
}

/// What a job is about, as a typed id.
pub fn subject(job: &Job) -> contract::AnyId {
    match job.kind {
        Kind::Check | Kind::Disposition => VersionId(job.subject_id).into(),
        Kind::Export => ExportId(job.subject_id).into(),
        Kind::Fixity => FixityCheckId(job.subject_id).into(),
    }
}
