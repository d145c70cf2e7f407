//! What workers found, and what follows.
//!
//! Always: nothing is written without a live lease; the same report again is a no-op, another one a conflict;
//! the outcome, what it means for the version or package, the task and the event are one transaction; one
//! failure opens one task, however often it is found again, and by however many versions of a record it is shared.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contract::{FixityCheckId, TaskId, VersionId, checks::CHECKSUM};
use serde_json::json;
use uuid::Uuid;

use super::{
    Digests, Expected, Finding, FixityCheck, FixityRun, Outcome, is_damage, is_kept, judge,
    judge_package, name, runs, store,
};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    checks::{self, Check, evidence::Evidence, service::write_decision},
    exports::{self, Export},
    jobs::{
        self, Job, Kind,
        claim::Held,
        lease::{Standing, standing},
        reported::Reported,
        shorten,
    },
    tasks::{self, Task},
    unit::{Happened, Unit},
    versions::{self, Decision, Input, Version},
};

/// What a worker says of one check.
#[derive(Debug, Clone)]
pub struct FixityReport {
    /// Of which job, under which lease.
    pub held: Held,
    /// What it found.
    pub finding: Finding,
    /// The tag of the bytes that it read.
    pub object_etag: Option<String>,
    /// What read them, and its version.
    pub engine: String,
}

/// Writes down what workers found, all in one transaction; one answer a report, in the order told.
pub async fn report(
    app: &App,
    caller: &Caller,
    reports: &[FixityReport],
) -> Result<Vec<Reported>, Error> {
    caller.may(Action::Work, &Resource::default())?;
    let mut unit = app.begin(caller).await?;
    let ids = reports.iter().map(|report| report.held.job.0);
    let mut jobs = jobs::store::load_many_for_update(&unit, ids).await?;
    let mut desk = Desk::load(&unit, jobs.values()).await?;
    let mut answers = Vec::with_capacity(reports.len());
    for report in reports {
        let id = report.held.job;
        let answer = match jobs.get_mut(&id.0) {
            Some(job) if job.kind == Kind::Fixity => desk.take(&mut unit, job, report).await?,
            Some(_) => Reported::conflict(id, "this job is no fixity check".into()),
            None => Reported::lost(id),
        };
        answers.push(answer);
    }
    desk.save(&mut unit).await?;
    unit.commit().await?;
    app.jobs_waiting().notify_one();
    Ok(answers)
}

/// A job for a check was given up: what it is about could not be read, which says nothing about it.
pub async fn give_up(unit: &mut Unit, check: Uuid, why: &str) -> Result<(), Error> {
    end(unit, check, Outcome::Unreadable, why).await
}

/// What was to be verified is kept no more.
pub async fn not_kept(unit: &mut Unit, check: Uuid) -> Result<(), Error> {
    let why = "it was kept no more when its turn came";
    end(unit, check, Outcome::NotKept, why).await
}

async fn end(unit: &mut Unit, id: Uuid, outcome: Outcome, why: &str) -> Result<(), Error> {
    let Some(mut check) = store::checks_for_update(unit, [id]).await?.remove(&id) else {
        return Ok(());
    };
    if check.outcome.is_some() {
        return Ok(());
    }
    check.outcome = Some(outcome);
    check.detail = Some(why.to_owned());
    check.finished_at = Some(unit.now());
    let check = store::update_check(unit, check).await?;
    counted(outcome);
    if let Some(run) = check.run_id
        && let Some(mut run) = store::runs_for_update(unit, [run]).await?.remove(&run)
    {
        super::count(&mut run, outcome);
        runs::save(unit, run).await?;
    }
    Ok(())
}

fn counted(outcome: Outcome) {
    metrics::counter!("muniment_fixity_checks_total", "outcome" => name(outcome)).increment(1);
}

/// Locks the runs that these jobs are part of, in one order, so that two units never wait for each other.
pub async fn lock_runs(unit: &Unit, jobs: impl IntoIterator<Item = &Job>) -> Result<(), Error> {
    let ids = jobs
        .into_iter()
        .filter(|job| job.kind == Kind::Fixity)
        .map(|job| job.subject_id);
    let checks = store::checks_for_update(unit, ids).await?;
    let runs = checks.into_values().filter_map(|check| check.run_id);
    store::runs_for_update(unit, runs).await?;
    Ok(())
}

/// All that the reports of one call are about, locked, read with one statement a table.
struct Desk {
    checks: HashMap<Uuid, FixityCheck>,
    versions: HashMap<Uuid, Version>,
    evidence: HashMap<Uuid, Vec<Check>>,
    runs: HashMap<Uuid, FixityRun>,
    changed: Vec<Uuid>,
}

impl Desk {
    async fn load(unit: &Unit, jobs: impl Iterator<Item = &Job>) -> Result<Self, Error> {
        let ids = jobs
            .filter(|job| job.kind == Kind::Fixity)
            .map(|job| job.subject_id);
        let checks = store::checks_for_update(unit, ids).await?;
        let versions: Vec<Uuid> = checks
            .values()
            .filter_map(|check| check.version_id)
            .collect();
        let runs = checks.values().filter_map(|check| check.run_id);
        let exports = checks.values().filter_map(|check| check.export_id);
        let versions = versions::store::load_with_copies_for_update(unit, &versions).await?;
        let ids: Vec<Uuid> = versions.keys().copied().collect();
        exports::store::lock(unit, exports.collect()).await?;
        Ok(Self {
            evidence: checks::store::current_many(unit.db(), &ids).await?,
            versions,
            runs: store::runs_for_update(unit, runs).await?,
            checks,
            changed: Vec::new(),
        })
    }

    async fn take(
        &mut self,
        unit: &mut Unit,
        job: &mut Job,
        report: &FixityReport,
    ) -> Result<Reported, Error> {
        let id = report.held.job;
        let Some(check) = self.checks.get(&job.subject_id).cloned() else {
            return Ok(Reported::lost(id));
        };
        match standing(job, &report.held.token, unit.now()) {
            Standing::Live => {}
            Standing::Past if job.status == jobs::Status::Done => return Ok(again(&check, report)),
            Standing::Past | Standing::Lost => return Ok(Reported::lost(id)),
        }
        if let Some(worker) = &job.worker {
            unit.set_agent(worker.clone());
        }
        // Nothing changes a job while it is leased but the end of its lease.
        let begun = job.updated_at;
        *job = jobs::service::finish(unit, job.clone()).await?;
        let check = FixityCheck {
            worker: job.worker.clone(),
            engine: Some(shorten(&report.engine, 200)),
            measured: measured(&report.finding).map(|measured| json!(measured)),
            finished_at: Some(unit.now()),
            ..check
        };
        let check = match (check.version_id, check.export_id) {
            (Some(version), _) => self.version(unit, check, version, report, begun).await?,
            (None, Some(export)) => package(unit, check, export, report).await?,
            (None, None) => decided(check, Outcome::NotKept, None),
        };
        let outcome = check.outcome.unwrap_or(Outcome::NotKept);
        counted(outcome);
        if let Some(run) = check.run_id.and_then(|run| self.runs.get_mut(&run)) {
            super::count(run, outcome);
            self.changed.push(run.id);
        }
        let check = store::update_check(unit, check).await?;
        self.checks.insert(check.id, check);
        Ok(Reported::applied(id))
    }

    async fn version(
        &mut self,
        unit: &mut Unit,
        mut check: FixityCheck,
        id: Uuid,
        report: &FixityReport,
        begun: DateTime<Utc>,
    ) -> Result<FixityCheck, Error> {
        let found = self.versions.get(&id).filter(|version| is_kept(version));
        let Some(version) = found.cloned() else {
            return Ok(decided(check, Outcome::NotKept, None));
        };
        let expected = self.expected(&version);
        check.expected = Some(json!(expected.row));
        let (outcome, detail) = judge(&expected, &report.finding);
        let check = decided(check, outcome, detail);
        if is_damage(outcome) {
            self.damaged(unit, version, &check, &report.finding).await?;
        } else if version.damaged_at.is_some_and(|since| since > begun) {
            let detail = "it was read before its damage was found: have it verified again";
            return Ok(decided(check, outcome, Some(detail.into())));
        } else {
            let version = sound(unit, version, &check, report.object_etag.as_deref()).await?;
            self.versions.insert(id, version);
        }
        Ok(check)
    }

    fn expected(&self, version: &Version) -> Expected {
        let checks = self.evidence.get(&version.id);
        Expected {
            row: of_row(version),
            checked: checks.and_then(|checks| of_check(checks)),
        }
    }

    /// What it says of the object is true of all versions that share it. One task is for all of them.
    async fn damaged(
        &mut self,
        unit: &mut Unit,
        version: Version,
        check: &FixityCheck,
        finding: &Finding,
    ) -> Result<(), Error> {
        let mut sharing: Vec<Version> = self
            .versions
            .values()
            .filter(|other| other.content_id == version.content_id && other.id != version.id)
            .filter(|other| is_kept(other))
            .cloned()
            .collect();
        sharing.sort_unstable_by_key(|other| other.id);
        let known = version.damaged_at.is_some();
        if !known && sharing.iter().all(|other| other.damaged_at.is_none()) {
            open_task(unit, &version, check).await?;
        }
        for other in sharing {
            let (outcome, detail) = judge(&self.expected(&other), finding);
            if is_damage(outcome) {
                let found = decided(check.clone(), outcome, detail);
                let other = out_of_use(unit, other, &found).await?;
                self.versions.insert(other.id, other);
            }
        }
        let version = out_of_use(unit, version, check).await?;
        self.versions.insert(version.id, version);
        Ok(())
    }

    /// Writes the runs back, each once.
    async fn save(mut self, unit: &mut Unit) -> Result<(), Error> {
        self.changed.sort_unstable();
        self.changed.dedup();
        for id in self.changed {
            if let Some(run) = self.runs.remove(&id) {
                runs::save(unit, run).await?;
            }
        }
        Ok(())
    }
}

fn measured(finding: &Finding) -> Option<&Digests> {
    match finding {
        Finding::Measured(measured) => Some(measured),
        Finding::Missing => None,
    }
}

fn decided(check: FixityCheck, outcome: Outcome, detail: Option<String>) -> FixityCheck {
    FixityCheck {
        outcome: Some(outcome),
        detail,
        ..check
    }
}

/// A worker whose report was written down, but who never heard of it, says it again.
fn again(check: &FixityCheck, report: &FixityReport) -> Reported {
    let id = report.held.job;
    let told = measured(&report.finding).map(|measured| json!(measured));
    if check.outcome.is_some() && check.measured == told {
        Reported::already(id)
    } else {
        let message = "this check has another result already; evidence is not overwritten";
        Reported::conflict(id, message.into())
    }
}

fn of_row(version: &Version) -> Digests {
    Digests {
        size: version.size,
        sha256: version.sha256.clone(),
        sha512: version.sha512.clone(),
    }
}

/// What its CHECKSUM check measured.
fn of_check(checks: &[Check]) -> Option<Digests> {
    let checksum = checks.iter().find(|check| check.kind == CHECKSUM)?;
    let evidence: Evidence = serde_json::from_value(checksum.evidence.clone()?).ok()?;
    let measured = evidence.checksum?;
    Some(Digests {
        size: measured.size,
        sha256: measured.sha256,
        sha512: Some(measured.sha512),
    })
}

/// The kept bytes are what was accepted.
async fn sound(
    unit: &mut Unit,
    mut version: Version,
    check: &FixityCheck,
    etag: Option<&str>,
) -> Result<Version, Error> {
    version.verified_at = Some(unit.now());
    if let Some(etag) = etag {
        // Who puts the same bytes back gives them another tag, and exports ask for the one they know.
        version.object_etag = Some(shorten(etag, 200));
    }
    let was = version.status;
    if version.damaged_at.take().is_some() {
        if let Some(mut decision) = versions::decision(&version) {
            decision.reasons.push(format!(
                "verified again at {}: its bytes are those that were accepted",
                unit.now().format("%Y-%m-%d %H:%M UTC")
            ));
            version.decision = Some(json!(decision));
        }
        happened(unit, &version, "version.fixityRestored", was, check);
    }
    Ok(versions::store::update(unit, version, was).await?)
}

/// They are not: a version that was accepted is no more.
async fn out_of_use(
    unit: &mut Unit,
    version: Version,
    check: &FixityCheck,
) -> Result<Version, Error> {
    if version.damaged_at.is_some() {
        // It is known, and there is a task for it.
        return Ok(version);
    }
    let why = check.detail.clone().unwrap_or_default();
    let was = version.status;
    if versions::next(was, Input::FixityFailed).is_ok() {
        return left_accepted(unit, version, "version.fixityFailed", why).await;
    }
    let damaged_at = Some(unit.now());
    let version = Version {
        damaged_at,
        ..version
    };
    happened(unit, &version, "version.fixityFailed", was, check);
    Ok(versions::store::update(unit, version, was).await?)
}

/// An accepted version's bytes are not there as they were accepted: a person sees to it. What was being found out
/// about it meanwhile is not any more.
pub async fn left_accepted(
    unit: &mut Unit,
    mut version: Version,
    action: &'static str,
    why: String,
) -> Result<Version, Error> {
    let was = version.status;
    version.status = versions::next(was, Input::FixityFailed)?;
    version.damaged_at = Some(unit.now());
    version.disposition = None;
    let before = versions::decision(&version);
    let decision = Decision {
        outcome: versions::Outcome::Review,
        policy_revision: before.as_ref().map_or(0, |before| before.policy_revision),
        by: "fixity".into(),
        reasons: vec![why],
        warnings: before.map(|before| before.warnings).unwrap_or_default(),
        at: unit.now(),
    };
    write_decision(unit, &mut version, was, &decision, action);
    checks::second_look::cut_off(unit, &version).await?;
    Ok(versions::store::update(unit, version, was).await?)
}

fn happened(
    unit: &mut Unit,
    version: &Version,
    action: &'static str,
    was: versions::Status,
    check: &FixityCheck,
) {
    unit.event(
        VersionId(version.id),
        Happened {
            action,
            collection_id: Some(version.collection_id),
            record_id: Some(version.record_id),
            before: Some(json!({"status": versions::name(was)})),
            after: Some(json!({
                "status": versions::name(version.status),
                "check": FixityCheckId(check.id),
                "outcome": check.outcome.map(name),
                "detail": check.detail,
            })),
        },
    );
}

async fn open_task(unit: &mut Unit, version: &Version, check: &FixityCheck) -> Result<(), Error> {
    let why = check.detail.as_deref().unwrap_or_default();
    let file: String = version
        .file_name
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let row = Task {
        id: unit.id(),
        revision: 1,
        record_id: version.record_id,
        collection_id: version.collection_id,
        title: format!(
            "Fixity failure: version {} ({})",
            version.number,
            shorten(&file, 200)
        ),
        description: format!(
            "{why}.\n\nFound by {}, {}. Put the bytes that were accepted back into the object store as {}, have the record \
             verified again, and decide: the version is accepted again only after a check has found them.",
            FixityCheckId(check.id),
            VersionId(version.id),
            contract::objects::version_key(VersionId(version.content_id)),
        ),
        assignee: None,
        due_on: None,
        status: tasks::Status::Open,
        created_by: unit.agent().to_owned(),
        created_at: unit.now(),
        updated_at: unit.now(),
    };
    let row = tasks::store::insert(unit, row).await?;
    unit.event(
        TaskId(row.id),
        Happened {
            action: "task.added",
            collection_id: Some(row.collection_id),
            record_id: Some(row.record_id),
            after: Some(json!({"title": row.title, "description": row.description})),
            ..Happened::default()
        },
    );
    Ok(())
}

/// What was found of a package.
async fn package(
    unit: &mut Unit,
    mut check: FixityCheck,
    id: Uuid,
    report: &FixityReport,
) -> Result<FixityCheck, Error> {
    let row = exports::store::load_for_update(unit, id).await?;
    let Some((row, known)) = row.and_then(|row| of_package(&row, unit).map(|known| (row, known)))
    else {
        return Ok(decided(check, Outcome::NotKept, None));
    };
    check.expected = Some(json!(known));
    let (outcome, detail) = judge_package(&known, &report.finding);
    if is_damage(outcome) {
        let why = detail.as_deref().unwrap_or_default();
        exports::service::damaged(unit, row, why).await?;
    } else {
        let verified_at = Some(unit.now());
        exports::store::update(unit, Export { verified_at, ..row }).await?;
    }
    Ok(decided(check, outcome, detail))
}

/// What is known of a package that is kept; one whose time is over may be gone already.
fn of_package(row: &Export, unit: &Unit) -> Option<Digests> {
    if row.status != exports::Status::Ready
        || row.expires_at.is_none_or(|until| until <= unit.now())
    {
        return None;
    }
    Some(Digests {
        size: row.size?,
        sha256: row.sha256.clone()?,
        sha512: None,
    })
}
