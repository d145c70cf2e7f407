//! Taking jobs, and keeping them.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use chrono::{DateTime, Utc};
use contract::JobId;
use uuid::Uuid;

use super::{
    Input, Job, Kind,
    fail::lock_exports,
    lease::{ClaimKey, Grant, Standing, standing},
    next, state, store,
    suspects::Suspects,
    work::{Answer, Claim, Lease, Work, check_work, disposition_work, fixity_work, package_work},
};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    changes::Change,
    checks::{self, Check},
    exports,
    fixity::{self, FixityCheck},
    text,
    unit::Unit,
    versions::{self, Version},
};

/// The most jobs that one call may take or report.
pub const MAX_JOBS: usize = 50;
/// The most leases that one call may extend.
pub const MAX_LEASES: usize = 500;

/// Leases jobs to a worker, all in one transaction; one answer a job, in the order asked. With the same `key` a
/// claim may be repeated: what it took is answered again, on the same attempt, under the same token.
pub async fn claim(
    app: &App,
    caller: &Caller,
    ids: &[JobId],
    worker: &str,
    length: Duration,
    key: Option<&ClaimKey>,
) -> Result<Vec<Claim>, Error> {
    caller.may(Action::Work, &Resource::default())?;
    text::check("input.worker", worker, text::NAME)?;
    exports::service::seal_for(app, ids).await?;
    let mut unit = app.begin(caller).await?;
    let grant = Grant::new(worker, unit.now(), length);
    let grant = match key {
        Some(key) => grant.keyed(key),
        None => grant,
    };
    let jobs = store::load_many_for_update(&unit, ids.iter().map(|id| id.0)).await?;
    lock_exports(&unit, jobs.values()).await?;
    fixity::reports::lock_runs(&unit, jobs.values()).await?;
    let material = Material::load(&unit, &jobs).await?;
    let mut suspects = Suspects::of(&unit, worker, &jobs).await?;
    let mut taken = HashSet::new();
    let mut moot = Vec::new();
    let mut claims = Vec::with_capacity(ids.len());
    for &id in ids {
        let answer = match jobs.get(&id.0) {
            None => Answer::NothingToDo,
            // The second time in one call.
            Some(_) if taken.contains(&id.0) => Answer::Busy,
            Some(job) => match readiness(job, &grant.token, unit.now()) {
                Readiness::Ended => Answer::NothingToDo,
                Readiness::NotNow => Answer::Busy,
                Readiness::Free if suspects.must_wait(job) => Answer::Busy,
                Readiness::Free => {
                    if let Some(work) = material.work(&mut unit, job).await? {
                        taken.insert(id.0);
                        let lease = Lease::new(&grant, job.attempt, job.max_attempts);
                        Answer::Claimed(lease, Box::new(work))
                    } else {
                        moot.push(id.0);
                        Answer::NothingToDo
                    }
                }
            },
        };
        claims.push(Claim { job: id, answer });
    }
    begin_checks(&mut unit, &claims).await?;
    store::grant(&unit, taken.into_iter().collect(), &grant).await?;
    suspects.put_off(&unit).await?;
    store::finish_many(&unit, moot).await?;
    unit.commit().await?;
    Ok(claims)
}

enum Readiness {
    /// Also for the one who has it already.
    Free,
    NotNow,
    Ended,
}

/// `token`: that of the claim, by which a repeat knows what it has already.
fn readiness(job: &Job, token: &str, now: DateTime<Utc>) -> Readiness {
    let waits = next(state(job), Input::Claim).is_some() && job.not_before <= now;
    if next(state(job), Input::Moot).is_none() {
        Readiness::Ended
    } else if waits || standing(job, token, now) == Standing::Live {
        Readiness::Free
    } else {
        Readiness::NotNow
    }
}

async fn begin_checks(unit: &mut Unit, claims: &[Claim]) -> Result<(), Error> {
    let mut begun = Vec::new();
    for claim in claims {
        if let Answer::Claimed(_, work) = &claim.answer
            && let Work::Check(work) = work.as_ref()
        {
            begun.extend(work.checks.iter().map(|check| check.id));
            unit.changed(Change::Version(
                work.version.id.into(),
                work.version.record_id.into(),
            ));
        }
    }
    Ok(checks::store::begin(unit, begun).await?)
}

/// What the work of many jobs is made of, read with one statement a table.
struct Material {
    versions: HashMap<Uuid, Version>,
    checks: HashMap<Uuid, Vec<Check>>,
    fixity: HashMap<Uuid, FixityCheck>,
}

impl Material {
    async fn load(unit: &Unit, jobs: &HashMap<Uuid, Job>) -> Result<Self, Error> {
        let subjects = |kinds: &[Kind]| -> Vec<Uuid> {
            jobs.values()
                .filter(|job| kinds.contains(&job.kind))
                .map(|job| job.subject_id)
                .collect()
        };
        let mut both = subjects(&[Kind::Check, Kind::Disposition]);
        let fixity = fixity::store::checks_for_update(unit, subjects(&[Kind::Fixity])).await?;
        both.extend(fixity.values().filter_map(|check| check.version_id));
        let checked = subjects(&[Kind::Check]);
        Ok(Self {
            versions: versions::store::load_many(unit.db(), &both).await?,
            checks: checks::store::current_or_open_many(unit.db(), &checked).await?,
            fixity,
        })
    }

    /// `None`: there is nothing to do for it any more.
    async fn work(&self, unit: &mut Unit, job: &Job) -> Result<Option<Work>, Error> {
        let version = self.versions.get(&job.subject_id);
        match job.kind {
            Kind::Check => {
                let Some(version) = version else {
                    return Ok(None);
                };
                let open: Vec<Check> = self
                    .checks
                    .get(&job.subject_id)
                    .into_iter()
                    .flatten()
                    .filter(|check| checks::is_wanted(check, version))
                    .filter(|check| checks::queue_of(&check.kind) == job.queue)
                    .cloned()
                    .collect();
                Ok(check_work(unit.app(), version, open))
            }
            Kind::Disposition => {
                Ok(version.and_then(|version| disposition_work(unit.app(), version)))
            }
            Kind::Export => Ok(exports::service::work_for_claim(unit, job.subject_id)
                .await?
                .map(Work::Export)),
            Kind::Fixity => self.fixity(unit, job).await,
        }
    }

    async fn fixity(&self, unit: &mut Unit, job: &Job) -> Result<Option<Work>, Error> {
        let open = self.fixity.get(&job.subject_id);
        let Some(check) = open.filter(|check| check.outcome.is_none()) else {
            return Ok(None);
        };
        let version = check.version_id.and_then(|id| self.versions.get(&id));
        let work = match (version, check.export_id) {
            (Some(version), _) => fixity_work(unit.app(), check, version),
            (None, Some(export)) => exports::store::load(unit.db(), export)
                .await?
                .and_then(|export| package_work(unit.app(), check, &export)),
            (None, None) => None,
        };
        if work.is_none() {
            fixity::reports::not_kept(unit, check.id).await?;
        }
        Ok(work)
    }
}

/// A lease as its bearer names it.
#[derive(Debug, Clone)]
pub struct Held {
    /// Of which job.
    pub job: JobId,
    /// Proof of having it.
    pub token: String,
}

/// What came of extending a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extended {
    /// Of which job.
    pub job: JobId,
    /// The new end; `None`: the lease is lost, and another worker may have the job.
    pub until: Option<DateTime<Utc>>,
    /// Whether nobody wants the result any more.
    pub cancelled: bool,
}

/// Extends leases, all in one transaction; one answer a lease, in the order asked.
pub async fn extend(
    app: &App,
    caller: &Caller,
    leases: &[Held],
    length: Duration,
) -> Result<Vec<Extended>, Error> {
    caller.may(Action::Work, &Resource::default())?;
    let unit = app.begin(caller).await?;
    let jobs = store::load_many_for_update(&unit, leases.iter().map(|lease| lease.job.0)).await?;
    let until = unit.now() + length;
    let mut kept = Vec::new();
    let mut answers = Vec::with_capacity(leases.len());
    for held in leases {
        let live = jobs
            .get(&held.job.0)
            .filter(|job| standing(job, &held.token, unit.now()) == Standing::Live);
        let cancelled = match live {
            Some(job) if job.kind == Kind::Export => {
                exports::store::is_cancelled(unit.db(), job.subject_id).await?
            }
            _ => false,
        };
        kept.extend(live.map(|job| job.id));
        answers.push(Extended {
            job: held.job,
            until: live.map(|_| until),
            cancelled,
        });
    }
    store::extend(&unit, kept, until).await?;
    unit.commit().await?;
    Ok(answers)
}
