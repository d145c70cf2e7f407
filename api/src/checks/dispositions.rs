//! Moving the bytes of a decided version, and what becomes of it then.
//!
//! Always: a version becomes ACCEPTED or QUARANTINED only on the confirmation that its bytes were moved;
//! bytes that changed after they were checked are never released.

use contract::{JobId, VersionId, messages::JOBS_QUEUE};
use entity::job;
use serde_json::json;

use super::service::write_decision;
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    fixity::reports::left_accepted,
    jobs::{
        self, Job, Kind,
        claim::Held,
        fail::lock_versions,
        lease::{Grant, Standing, standing},
        reported::Reported,
        work::target,
    },
    unit::{Happened, NewJob, Unit},
    versions::{self, Decision, Disposition, Input, Outcome, Place, Status, Version, name},
};

/// What a worker says of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Moved {
    /// The bytes are where they belong.
    Done {
        /// Of the bytes in their new place.
        etag: Option<String>,
    },
    /// The bytes are not those that were checked: nothing was moved.
    ContentChanged {
        /// For people.
        detail: Option<String>,
    },
}

/// A report of a move.
#[derive(Debug, Clone)]
pub struct MoveReport {
    /// Of which job, under which lease.
    pub held: Held,
    /// What became of it.
    pub moved: Moved,
}

/// Orders the move of a decided version, and saves the version. What is in its place already needs no move.
pub async fn order(
    unit: &mut Unit,
    mut version: Version,
    was: Status,
    disposition: Disposition,
    grant: Option<&Grant>,
) -> Result<(Version, Option<JobId>), Error> {
    version.disposition = Some(disposition);
    version.decided_at = None;
    if version.place == target(disposition) {
        let version = in_place(unit, version, was, disposition, None).await?;
        return Ok((version, None));
    }
    let job = unit.job(NewJob {
        kind: job::Kind::Disposition,
        queue: JOBS_QUEUE.to_owned(),
        subject_id: version.id,
        lane: version.transfer_id,
        lease: grant.map(|grant| (grant.token.clone(), grant.until, grant.worker.clone())),
    });
    if disposition == Disposition::Quarantine && version.place == Place::Records {
        take_along(unit, &version).await?;
    }
    let version = versions::store::update(unit, version, was).await?;
    Ok((version, Some(job)))
}

/// The object goes to quarantine, and other versions of the record share it: they are in use no more. Should it stay
/// where it is after all, a fixity check finds it, as it does what was put back.
async fn take_along(unit: &mut Unit, version: &Version) -> Result<(), Error> {
    let sharing = versions::store::load_with_copies_for_update(unit, &[version.id]).await?;
    let mut sharing: Vec<Version> = sharing.into_values().collect();
    sharing.sort_unstable_by_key(|other| other.id);
    for other in sharing {
        if other.id != version.id && other.status == Status::Accepted {
            let why = format!(
                "its content is that of version {}, which goes to quarantine",
                version.number
            );
            left_accepted(unit, other, "version.contentQuarantined", why).await?;
        }
    }
    Ok(())
}

async fn in_place(
    unit: &mut Unit,
    mut version: Version,
    was: Status,
    disposition: Disposition,
    etag: Option<String>,
) -> Result<Version, Error> {
    version.status = versions::next(version.status, Input::Moved(disposition))?;
    version.place = target(disposition);
    version.disposition = None;
    version.decided_at = Some(unit.now());
    if etag.is_some() {
        version.object_etag = etag;
    }
    unit.event(
        VersionId(version.id),
        Happened {
            action: match disposition {
                Disposition::Accept => "version.accepted",
                Disposition::Quarantine => "version.quarantined",
            },
            collection_id: Some(version.collection_id),
            record_id: Some(version.record_id),
            before: Some(json!({"status": name(was)})),
            after: Some(json!({"status": name(version.status)})),
        },
    );
    Ok(versions::store::update(unit, version, was).await?)
}

/// The bytes could not be moved, or are not those that were checked: a person decides.
pub async fn not_moved(
    unit: &mut Unit,
    mut version: Version,
    why: String,
) -> Result<Version, Error> {
    let was = version.status;
    if version.disposition.is_none() {
        return Ok(version);
    }
    version.status = versions::next(was, Input::MoveFailed)?;
    version.disposition = None;
    let before = versions::decision(&version);
    let decision = Decision {
        outcome: Outcome::Review,
        policy_revision: before
            .as_ref()
            .map_or(0, |decision| decision.policy_revision),
        by: "policy".into(),
        reasons: vec![why],
        warnings: before.map(|decision| decision.warnings).unwrap_or_default(),
        at: unit.now(),
    };
    write_decision(unit, &mut version, was, &decision, "version.notMoved");
    Ok(versions::store::update(unit, version, was).await?)
}

/// Writes down what workers say of moves, all in one transaction; one answer a report, in the order told.
pub async fn report(
    app: &App,
    caller: &Caller,
    reports: &[MoveReport],
) -> Result<Vec<Reported>, Error> {
    caller.may(Action::Work, &Resource::default())?;
    let mut unit = app.begin(caller).await?;
    let ids = reports.iter().map(|report| report.held.job.0);
    let mut rows = jobs::store::load_many_for_update(&unit, ids).await?;
    lock_versions(&unit, rows.values()).await?;
    let mut answers = Vec::with_capacity(reports.len());
    for report in reports {
        let id = report.held.job;
        let answer = match rows.get_mut(&id.0) {
            Some(job) if job.kind == Kind::Disposition => one(&mut unit, job, report).await?,
            Some(_) => Reported::conflict(id, "this job is no disposition".into()),
            None => Reported::lost(id),
        };
        answers.push(answer);
    }
    unit.commit().await?;
    app.jobs_waiting().notify_one();
    Ok(answers)
}

async fn one(unit: &mut Unit, job: &mut Job, report: &MoveReport) -> Result<Reported, Error> {
    let id = JobId(job.id);
    let Some(version) = versions::store::load_for_update(unit, job.subject_id).await? else {
        return Ok(Reported::lost(id));
    };
    if standing(job, &report.held.token, unit.now()) != Standing::Live {
        return Ok(without_lease(job, &report.moved, version.status));
    }
    let Some(disposition) = version.disposition else {
        return Ok(
            Reported::conflict(id, "there is nothing to move".into()).of_version(version.status)
        );
    };
    if let Some(worker) = &job.worker {
        unit.set_agent(worker.clone());
    }
    let mut done = jobs::service::finish(unit, job.clone()).await?;
    let version = match &report.moved {
        Moved::Done { etag } => {
            let was = version.status;
            in_place(unit, version, was, disposition, etag.clone()).await?
        }
        Moved::ContentChanged { detail } => {
            let mut why =
                "the bytes changed after they were checked, and were not moved".to_owned();
            if let Some(detail) = detail {
                why = format!("{why}: {}", jobs::shorten(detail, 2_000));
            }
            done.last_error = Some(why.clone());
            done = jobs::store::update(unit, done).await?;
            not_moved(unit, version, why).await?
        }
    };
    *job = done;
    Ok(Reported::applied(id).of_version(version.status))
}

/// A worker whose report was written down, but who never heard of it, says it again.
fn without_lease(job: &Job, moved: &Moved, version: Status) -> Reported {
    let id = JobId(job.id);
    if job.status != jobs::Status::Done {
        return Reported::lost(id).of_version(version);
    }
    let was_moved = job.last_error.is_none();
    let answer = if was_moved == matches!(moved, Moved::Done { .. }) {
        Reported::already(id)
    } else {
        Reported::conflict(id, "this job has ended otherwise".into())
    };
    answer.of_version(version)
}
