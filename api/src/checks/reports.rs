//! Results from workers.
//!
//! Always: nothing is written without a live lease; the same result again is a no-op, another one for the
//! same run is a conflict and an event; a report that makes no sense does not spoil the others of its call.

use std::{collections::HashMap, time::Duration};

use chrono::{DateTime, Utc};
use contract::{CheckId, JobId, messages::JOBS_QUEUE};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{
    Check,
    evidence::{self, Claimed, Evidence},
    is_open, is_wanted, queue_of, second_look,
    service::{Policies, settle},
    store,
};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    collections::Rules,
    jobs::{
        self, Job, Kind,
        claim::Held,
        lease::{Grant, Standing, standing},
        reported::Reported,
        shorten,
        work::{Answer, Claim, Lease, disposition_work},
    },
    unit::{Happened, Unit},
    versions::{self, Version},
};

/// The most results in one report.
const MAX_RESULTS: usize = 25;
/// The most formats that are kept of one file.
const MAX_MATCHES: usize = 20;
/// A disposition that follows at once is leased at least this long.
const SHORTEST: Duration = Duration::from_secs(10);
/// And at most this long.
const LONGEST: Duration = Duration::from_mins(15);

/// What a worker reports of one job.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// Of which job, under which lease.
    pub held: Held,
    /// Which bytes were looked at.
    pub object_etag: String,
    /// The results, each of another kind.
    pub results: Vec<CheckResult>,
}

/// What a worker reports of one check.
#[derive(Debug, Clone)]
pub struct CheckResult {
    /// CHECKSUM, ANTIVIRUS, FORMAT, or a further kind.
    pub kind: String,
    /// Which run.
    pub run: i32,
    /// What the worker says.
    pub claimed: Claimed,
    /// What looked.
    pub engine: String,
    /// Its version.
    pub engine_version: String,
    /// The version of what it knows.
    pub signature_version: Option<String>,
    /// How many bytes it looked at.
    pub bytes_looked: i64,
    /// For people.
    pub detail: Option<String>,
    /// What was measured or found; the object's tag is filled in here.
    pub evidence: Evidence,
    /// When the engine began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: DateTime<Utc>,
}

impl CheckResult {
    /// Bounded, as it can be kept.
    fn tidy(mut self, etag: &str) -> Self {
        let name = |text: &str| shorten(text, 200);
        self.engine = name(&self.engine);
        self.engine_version = name(&self.engine_version);
        self.signature_version = self.signature_version.as_deref().map(name);
        self.detail = self.detail.map(|detail| shorten(&detail, 4_000));
        self.bytes_looked = self.bytes_looked.max(0);
        self.evidence.object_etag = (!etag.is_empty()).then(|| name(etag));
        if let Some(checksum) = &mut self.evidence.checksum {
            checksum.sha256 = name(&checksum.sha256).to_ascii_lowercase();
            checksum.sha512 = name(&checksum.sha512).to_ascii_lowercase();
        }
        if let Some(format) = &mut self.evidence.format {
            format.matches.truncate(MAX_MATCHES);
            for found in &mut format.matches {
                for text in [
                    &mut found.puid,
                    &mut found.name,
                    &mut found.version,
                    &mut found.media_type,
                ] {
                    *text = name(text);
                }
            }
        }
        self
    }

    /// Says whether two results are the same. Times are left out: they belong to the attempt.
    fn digest(&self) -> Result<String, Error> {
        let text = serde_json::to_string(&(
            &self.kind,
            self.run,
            self.claimed,
            &self.engine,
            &self.engine_version,
            &self.signature_version,
            self.bytes_looked,
            &self.detail,
            &self.evidence,
        ))
        .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(hex::encode(Sha256::digest(text)))
    }
}

/// Writes results down, all in one transaction; one answer a report, in the order told.
pub async fn report(
    app: &App,
    caller: &Caller,
    reports: Vec<CheckReport>,
) -> Result<Vec<Reported>, Error> {
    caller.may(Action::Work, &Resource::default())?;
    let mut unit = app.begin(caller).await?;
    let mut desk = Desk::load(&unit, &reports).await?;
    let mut answers = Vec::with_capacity(reports.len());
    for report in reports {
        answers.push(desk.take(&mut unit, report).await?);
    }
    let now = unit.now();
    unit.commit().await?;
    // A place in a lane has become free.
    app.jobs_waiting().notify_one();
    for (kind, asked_for) in desk.decided {
        let took = (now - asked_for).to_std().unwrap_or_default();
        metrics::histogram!("muniment_check_seconds", "kind" => kind).record(took.as_secs_f64());
    }
    Ok(answers)
}

/// How a result relates to what is written down.
enum Relation {
    New(usize),
    Same,
    Different(Uuid),
    Unknown(String),
}

/// All that the reports of one call are about, read with one statement a table.
struct Desk {
    jobs: HashMap<Uuid, Job>,
    versions: HashMap<Uuid, Version>,
    checks: HashMap<Uuid, Vec<Check>>,
    policies: Policies,
    /// The checks that have a result now: of which kind, and since when it was wanted.
    decided: Vec<(String, DateTime<Utc>)>,
}

impl Desk {
    async fn load(unit: &Unit, reports: &[CheckReport]) -> Result<Self, Error> {
        let ids = reports.iter().map(|report| report.held.job.0);
        let jobs = jobs::store::load_many_for_update(unit, ids).await?;
        let subjects: Vec<Uuid> = jobs
            .values()
            .filter(|job| job.kind == Kind::Check)
            .map(|job| job.subject_id)
            .collect();
        let mut runs: Vec<i32> = reports
            .iter()
            .flat_map(|report| report.results.iter().take(MAX_RESULTS))
            .map(|result| result.run)
            .collect();
        runs.sort_unstable();
        runs.dedup();
        let versions = versions::store::load_many_for_update(unit, &subjects).await?;
        let checks = store::current_and_runs(unit.db(), &subjects, &runs).await?;
        let policies = Policies::of(unit, versions.values()).await?;
        Ok(Self {
            jobs,
            versions,
            checks,
            policies,
            decided: Vec::new(),
        })
    }

    async fn take(&mut self, unit: &mut Unit, report: CheckReport) -> Result<Reported, Error> {
        let id = report.held.job;
        let Some(job) = self.jobs.get(&id.0).cloned() else {
            return Ok(Reported::lost(id));
        };
        if job.kind != Kind::Check {
            return Ok(Reported::conflict(id, "this job is no check".into()));
        }
        let Some(version) = self.versions.get(&job.subject_id).cloned() else {
            return Ok(Reported::lost(id));
        };
        let status = version.status;
        if let Some(worker) = &job.worker {
            unit.set_agent(worker.clone());
        }
        if report.results.is_empty() || report.results.len() > MAX_RESULTS {
            let message = format!("a report has 1 to {MAX_RESULTS} results");
            return Ok(Reported::conflict(id, message).of_version(status));
        }
        let results: Vec<CheckResult> = report
            .results
            .into_iter()
            .map(|result| result.tidy(&report.object_etag))
            .collect();
        let relations = self.relate(&job, &version, &results)?;
        let standing = standing(&job, &report.held.token, unit.now());
        let answer = match (standing, verdict(&relations)) {
            (Standing::Live, Overall::New) => {
                return self.apply(unit, job, version, &results, &relations).await;
            }
            (Standing::Live | Standing::Past, Overall::Same) => {
                let mut answer = Reported::already(id);
                answer.next = follow_up(unit, &job, &version).await?;
                answer
            }
            (Standing::Lost, Overall::Same) => Reported::already(id),
            (Standing::Live | Standing::Past, Overall::Different(check)) => {
                unit.event(CheckId(check), contradiction(&version, &job));
                let message =
                    "this run of the check has another result already; evidence is not overwritten";
                Reported::conflict(id, message.into())
            }
            (Standing::Live, Overall::Unknown(message)) => Reported::conflict(id, message),
            (Standing::Lost | Standing::Past, _) => Reported::lost(id),
        };
        Ok(answer.of_version(status))
    }

    fn relate(
        &self,
        job: &Job,
        version: &Version,
        results: &[CheckResult],
    ) -> Result<Vec<Relation>, Error> {
        let checks = self
            .checks
            .get(&job.subject_id)
            .map_or(&[][..], Vec::as_slice);
        let mut relations = Vec::with_capacity(results.len());
        for (index, result) in results.iter().enumerate() {
            let what = format!("{} (run {})", shorten(&result.kind, 40), result.run);
            let row = checks
                .iter()
                .position(|check| check.kind == result.kind && check.run == result.run)
                .map(|at| (at, &checks[at]));
            let twice = results[..index]
                .iter()
                .any(|other| other.kind == result.kind);
            relations.push(match row {
                _ if twice => Relation::Unknown(format!("{what} is reported twice")),
                Some((_, row)) if queue_of(&row.kind) != job.queue => {
                    Relation::Unknown(format!("{what} is the work of another job"))
                }
                Some((at, row)) if is_wanted(row, version) => Relation::New(at),
                Some((_, row)) if row.digest.as_deref() == Some(result.digest()?.as_str()) => {
                    Relation::Same
                }
                Some((_, row)) if row.digest.is_some() => Relation::Different(row.id),
                Some(_) => Relation::Unknown(format!("{what} was given up")),
                None => Relation::Unknown(format!("there is no check {what}")),
            });
        }
        Ok(relations)
    }

    async fn apply(
        &mut self,
        unit: &mut Unit,
        job: Job,
        mut version: Version,
        results: &[CheckResult],
        relations: &[Relation],
    ) -> Result<Reported, Error> {
        let (revision, rules) = self.policies.get(&version)?;
        let checks = self.checks.entry(version.id).or_default();
        for (result, relation) in results.iter().zip(relations) {
            let Relation::New(at) = relation else {
                continue;
            };
            let reported = evidence::Reported {
                kind: &result.kind,
                claimed: result.claimed,
                bytes_looked: result.bytes_looked,
                detail: result.detail.as_deref(),
                evidence: &result.evidence,
            };
            let (status, detail) = evidence::result(rules, &version, reported);
            let row = Check {
                status,
                engine: Some(result.engine.clone()),
                engine_version: Some(result.engine_version.clone()),
                signature_version: result.signature_version.clone(),
                bytes_looked: Some(result.bytes_looked),
                detail,
                evidence: Some(json!(result.evidence)),
                digest: Some(result.digest()?),
                started_at: Some(result.started_at),
                finished_at: Some(result.finished_at),
                ..checks[*at].clone()
            };
            self.decided.push((row.kind.clone(), row.created_at));
            checks[*at] = store::update(unit, row).await?;
            if second_look::is_beside(version.status) && !checks[*at].current {
                second_look::ended(unit, &mut version, rules, checks, *at, result).await?;
            } else {
                keep(&mut version, rules, result);
            }
        }
        let all_reported = !checks.iter().any(|check| {
            check.current && is_open(check.status) && queue_of(&check.kind) == job.queue
        });
        let grant = next_grant(&job, unit.now());
        let id = JobId(job.id);
        if all_reported {
            let done = jobs::service::finish(unit, job).await?;
            self.jobs.insert(done.id, done);
        }
        let (version, disposition) =
            settle(unit, version, (revision, rules), checks, grant.as_ref()).await?;
        let mut answer = Reported::applied(id).of_version(version.status);
        if let (Some(job), Some(work), Some(grant)) =
            (disposition, disposition_work(unit.app(), &version), grant)
        {
            let lease = Lease::new(&grant, 1, i32::from(unit.app().limits().attempts));
            let answered = Answer::Claimed(lease, Box::new(work));
            answer.next = Some(Claim {
                job,
                answer: answered,
            });
        }
        self.versions.insert(version.id, version);
        Ok(answer)
    }
}

enum Overall {
    New,
    Same,
    Different(Uuid),
    Unknown(String),
}

fn verdict(relations: &[Relation]) -> Overall {
    let mut overall = Overall::Same;
    for relation in relations {
        match relation {
            Relation::Different(check) => return Overall::Different(*check),
            Relation::Unknown(message) => overall = Overall::Unknown(message.clone()),
            Relation::New(_) if matches!(overall, Overall::Same) => overall = Overall::New,
            Relation::New(_) | Relation::Same => {}
        }
    }
    overall
}

/// What a result says of the bytes is kept with the version.
fn keep(version: &mut Version, rules: &Rules, result: &CheckResult) {
    if version.status != versions::Status::Checking || version.disposition.is_some() {
        // It comes late: what was decided, and moved, was decided on other results.
        return;
    }
    if result.evidence.object_etag.is_some() {
        version.object_etag.clone_from(&result.evidence.object_etag);
    }
    if result.claimed == Claimed::Inconclusive {
        return;
    }
    match result.kind.as_str() {
        contract::checks::CHECKSUM => {
            let measured = result.evidence.checksum.as_ref();
            if let Some(measured) = measured.filter(|measured| measured.is_well_formed()) {
                version.sha512 = Some(measured.sha512.clone());
            }
        }
        contract::checks::FORMAT => keep_format(version, rules, result),
        _ => {}
    }
}

/// What FORMAT found is kept with the version.
pub(super) fn keep_format(version: &mut Version, rules: &Rules, result: &CheckResult) {
    if let Some(found) = &result.evidence.format {
        let format = evidence::kept_format(rules, found);
        version.puid = format.as_ref().map(|format| format.puid.clone());
        version.format = format.map(|format| json!(format));
    }
}

/// A lease about as long as the one that the reporter has. `None`: it is a service of further checks, which moves no
/// bytes; the move is announced to those that do.
fn next_grant(job: &Job, now: DateTime<Utc>) -> Option<Grant> {
    if job.queue != JOBS_QUEUE {
        return None;
    }
    let left = job
        .lease_expires_at
        .and_then(|until| (until - now).to_std().ok())
        .unwrap_or_default();
    let worker = job.worker.as_deref().unwrap_or_default();
    Some(Grant::new(worker, now, left.clamp(SHORTEST, LONGEST)))
}

/// The disposition that was answered before, for a worker that never heard the answer.
async fn follow_up(unit: &Unit, job: &Job, version: &Version) -> Result<Option<Claim>, Error> {
    if version.disposition.is_none() {
        return Ok(None);
    }
    let open = jobs::store::open_of_subjects(unit.db(), [version.id]).await?;
    let next = open
        .into_values()
        .flatten()
        .find(|next| next.kind == Kind::Disposition && next.worker == job.worker);
    let Some(next) = next else { return Ok(None) };
    let (Some(token), Some(until)) = (&next.lease_token, next.lease_expires_at) else {
        return Ok(None);
    };
    if standing(&next, token, unit.now()) != Standing::Live {
        return Ok(None);
    }
    let lease = Lease {
        token: token.clone(),
        expires_at: until,
        attempt: next.attempt,
        max_attempts: next.max_attempts,
    };
    Ok(disposition_work(unit.app(), version).map(|work| Claim {
        job: JobId(next.id),
        answer: Answer::Claimed(lease, Box::new(work)),
    }))
}

fn contradiction(version: &Version, job: &Job) -> Happened {
    Happened {
        action: "check.contradicted",
        collection_id: Some(version.collection_id),
        record_id: Some(version.record_id),
        after: Some(json!({"job": JobId(job.id), "worker": job.worker})),
        ..Happened::default()
    }
}
