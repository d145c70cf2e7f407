//! Jobs as workers see them: taking, keeping and failing.

use async_graphql::{Context, ID, InputObject, Object, SimpleObject, Union};
use chrono::{DateTime, Utc};
use contract::{JobId, VersionId};

use crate::{
    Error,
    exports::graphql::ExportWorkObject,
    graphql::{
        context::{app, caller},
        errors::Result,
        ids::{check_count, id, parse, parse_list},
        scalars::BigInt,
    },
    jobs::{
        claim::{self, Extended, Held, MAX_JOBS, MAX_LEASES},
        fail::{self, Failed, Failure},
        lease::{self, ClaimKey},
        reported::{ReportStatus, Reported},
        work::{
            Answer, CheckWork, Claim, DispositionWork, FixityWork, Lease, ObjectLocation, Work,
        },
    },
    versions::{Disposition, graphql::VersionStatus},
};

/// What came of claiming a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
pub enum ClaimOutcome {
    /// It is yours: `lease` and `work` are set.
    Claimed,
    /// It has ended: delete the message.
    NothingToDo,
    /// Another worker holds it, or it is not due yet: delete the message, because the job is announced anew when it is due.
    Busy,
}

/// What came of claiming a job.
#[derive(SimpleObject)]
#[graphql(name = "Claim")]
pub struct ClaimObject {
    /// Which.
    job_id: ID,
    /// What came of it.
    outcome: ClaimOutcome,
    /// Under what it is to be reported.
    lease: Option<LeaseObject>,
    /// What is to be done.
    work: Option<WorkUnion>,
}

impl From<Claim> for ClaimObject {
    fn from(claim: Claim) -> Self {
        let (outcome, taken) = match claim.answer {
            Answer::Claimed(lease, work) => (ClaimOutcome::Claimed, Some((lease, *work))),
            Answer::NothingToDo => (ClaimOutcome::NothingToDo, None),
            Answer::Busy => (ClaimOutcome::Busy, None),
        };
        let (lease, work) = taken.unzip();
        Self {
            job_id: id(claim.job),
            outcome,
            lease: lease.map(LeaseObject::from),
            work: work.map(WorkUnion::from),
        }
    }
}

/// The right to report a job.
#[derive(SimpleObject)]
#[graphql(name = "Lease")]
pub struct LeaseObject {
    /// Proof of having it.
    token: String,
    /// Until when; `extendLeases` moves it.
    expires_at: DateTime<Utc>,
    /// 1, 2, …
    attempt: i32,
    /// After which the job is given up.
    max_attempts: i32,
}

impl From<Lease> for LeaseObject {
    fn from(lease: Lease) -> Self {
        Self {
            token: lease.token,
            expires_at: lease.expires_at,
            attempt: lease.attempt,
            max_attempts: lease.max_attempts,
        }
    }
}

/// What is to be done.
#[derive(Union)]
#[graphql(name = "Work")]
#[expect(
    clippy::large_enum_variant,
    reason = "the library's macro takes no box; there is one a claim"
)]
pub enum WorkUnion {
    /// Look at bytes.
    Check(CheckWorkObject),
    /// Move bytes.
    Disposition(DispositionWorkObject),
    /// Pack an export.
    Export(ExportWorkObject),
    /// Read again what is kept.
    Fixity(FixityWorkObject),
}

impl From<Work> for WorkUnion {
    fn from(work: Work) -> Self {
        match work {
            Work::Check(work) => Self::Check(work.into()),
            Work::Disposition(work) => Self::Disposition(work.into()),
            Work::Export(work) => Self::Export(ExportWorkObject(work)),
            Work::Fixity(work) => Self::Fixity(work.into()),
        }
    }
}

/// Checks to run on the bytes of a version.
#[derive(SimpleObject)]
#[graphql(name = "CheckWork")]
pub struct CheckWorkObject {
    /// Of what.
    version_id: ID,
    /// As its depositor names it.
    file_name: String,
    /// Declared size in bytes.
    size: BigInt,
    /// Declared digest.
    sha256: String,
    /// Where the bytes are.
    object: ObjectLocation,
    /// Those that have no result yet.
    checks: Vec<CheckToRun>,
}

/// A check to run.
#[derive(SimpleObject)]
pub struct CheckToRun {
    /// CHECKSUM, ANTIVIRUS, FORMAT, or a further kind.
    kind: String,
    /// To be reported as it is.
    run: i32,
}

impl From<CheckWork> for CheckWorkObject {
    fn from(work: CheckWork) -> Self {
        let checks = work.checks.into_iter().map(|check| CheckToRun {
            kind: check.kind,
            run: check.run,
        });
        Self {
            version_id: id(VersionId(work.version.id)),
            checks: checks.collect(),
            object: work.object,
            file_name: work.version.file_name,
            size: BigInt(work.version.size),
            sha256: work.version.sha256,
        }
    }
}

/// Read what stands there now, from its first byte to its last, and report what it amounts to (`reportFixity`).
#[derive(SimpleObject)]
#[graphql(name = "FixityWork")]
pub struct FixityWorkObject {
    /// For which check.
    check_id: ID,
    /// How many bytes there should be.
    size: BigInt,
    /// Where it is.
    object: ObjectLocation,
}

impl From<FixityWork> for FixityWorkObject {
    fn from(work: FixityWork) -> Self {
        Self {
            check_id: id(work.check),
            size: BigInt(work.size),
            object: work.object,
        }
    }
}

/// Why bytes are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "Disposition")]
pub enum DispositionKind {
    /// They are kept.
    Accept,
    /// They hold malware.
    Quarantine,
}

/// Copy `source` (only while it still has `source.etag`) to `target`, then delete `source`, then report.
#[derive(SimpleObject)]
#[graphql(name = "DispositionWork")]
pub struct DispositionWorkObject {
    /// Whose bytes.
    version_id: ID,
    /// Why they are moved.
    kind: DispositionKind,
    /// How many bytes.
    size: BigInt,
    /// From where.
    source: ObjectLocation,
    /// Where to.
    target: ObjectLocation,
}

impl From<DispositionWork> for DispositionWorkObject {
    fn from(work: DispositionWork) -> Self {
        Self {
            version_id: id(work.version),
            kind: work.disposition.into(),
            size: BigInt(work.size),
            source: work.source,
            target: work.target,
        }
    }
}

/// Jobs to take.
#[derive(InputObject)]
pub struct ClaimJobsInput {
    /// 1 to 50.
    job_ids: Vec<ID>,
    /// Who takes them, as events shall name it: 1 to 200 characters.
    worker: String,
    /// 10 to 900; 60 by default.
    lease_seconds: Option<i32>,
    /// 32 to 64 hexadecimal digits, made up for this call: the same call with the same key, sent again because the
    /// answer was lost, is answered with the leases that the first one took. Keep it secret: leases come from it.
    claim_key: Option<String>,
}

/// One answer a job, in the order asked.
#[derive(SimpleObject)]
pub struct ClaimJobsPayload {
    /// The answers.
    claims: Vec<ClaimObject>,
}

/// A lease as its bearer names it.
#[derive(InputObject)]
pub struct JobLeaseInput {
    /// Of which job.
    job_id: ID,
    /// Proof of having it.
    lease_token: String,
}

impl JobLeaseInput {
    fn parse(self, path: &str) -> std::result::Result<Held, Error> {
        held(&self.job_id, self.lease_token, path)
    }
}

/// Reads a job's id and lease token that stand at `path` of the input.
pub(crate) fn held(job: &ID, token: String, path: &str) -> std::result::Result<Held, Error> {
    Ok(Held {
        job: parse::<JobId>(job, &format!("{path}.jobId"))?,
        token,
    })
}

/// Leases to keep.
#[derive(InputObject)]
pub struct ExtendLeasesInput {
    /// 1 to 500.
    leases: Vec<JobLeaseInput>,
    /// From now on: 10 to 900; 60 by default.
    lease_seconds: Option<i32>,
}

/// One answer a lease, in the order asked.
#[derive(SimpleObject)]
pub struct ExtendLeasesPayload {
    /// The answers.
    outcomes: Vec<ExtendOutcome>,
}

/// What came of extending a lease.
#[derive(SimpleObject)]
pub struct ExtendOutcome {
    /// Of which job.
    job_id: ID,
    /// Another worker may have the job: stop working on it.
    lost: bool,
    /// The new end.
    expires_at: Option<DateTime<Utc>>,
    /// Nobody wants the result any more: stop working on it.
    cancelled: bool,
}

impl From<Extended> for ExtendOutcome {
    fn from(extended: Extended) -> Self {
        Self {
            job_id: id(extended.job),
            lost: extended.until.is_none(),
            expires_at: extended.until,
            cancelled: extended.cancelled,
        }
    }
}

/// Attempts that failed.
#[derive(InputObject)]
pub struct FailJobsInput {
    /// 1 to 50.
    failures: Vec<JobFailureInput>,
}

/// An attempt that failed.
#[derive(InputObject)]
pub struct JobFailureInput {
    /// At which job.
    job_id: ID,
    /// Proof of having it.
    lease_token: String,
    /// Whether another attempt makes sense.
    kind: Failure,
    /// Why, for people.
    reason: String,
}

/// One answer a failure, in the order told.
#[derive(SimpleObject)]
pub struct FailJobsPayload {
    /// The answers.
    outcomes: Vec<ReportOutcome>,
}

/// What became of a report.
#[derive(SimpleObject)]
pub struct ReportOutcome {
    /// About which job.
    job_id: ID,
    /// What became of it.
    status: ReportStatus,
    /// For people.
    message: Option<String>,
    /// Where the version stands now, if the job is about one.
    version_status: Option<VersionStatus>,
}

impl From<Reported> for ReportOutcome {
    fn from(reported: Reported) -> Self {
        Self {
            job_id: id(reported.job),
            status: reported.status,
            message: reported.message,
            version_status: reported.version_status.map(Into::into),
        }
    }
}

/// What workers do with jobs.
#[derive(Default)]
pub struct WorkMutation;

#[Object]
impl WorkMutation {
    /// Takes jobs under a lease, 1 to 50 a call. Workers only.
    async fn claim_jobs(
        &self,
        ctx: &Context<'_>,
        input: ClaimJobsInput,
    ) -> Result<ClaimJobsPayload> {
        let ids = parse_list(&input.job_ids, "input.jobIds", MAX_JOBS)?;
        let length = lease::length("input.leaseSeconds", input.lease_seconds)?;
        let key = input.claim_key;
        let key = key.map(|key| ClaimKey::parse("input.claimKey", key));
        let (key, worker) = (key.transpose()?, input.worker);
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let claims = claim::claim(app, caller, &ids, &worker, length, key.as_ref()).await?;
        Ok(ClaimJobsPayload {
            claims: claims.into_iter().map(Into::into).collect(),
        })
    }

    /// Keeps leases, 1 to 500 a call. Workers only.
    async fn extend_leases(
        &self,
        ctx: &Context<'_>,
        input: ExtendLeasesInput,
    ) -> Result<ExtendLeasesPayload> {
        check_count(input.leases.len(), "input.leases", MAX_LEASES)?;
        let length = lease::length("input.leaseSeconds", input.lease_seconds)?;
        let leases = input
            .leases
            .into_iter()
            .enumerate()
            .map(|(index, lease)| lease.parse(&format!("input.leases.{index}")))
            .collect::<std::result::Result<Vec<_>, _>>()?;
        let outcomes = claim::extend(app(ctx)?, caller(ctx)?, &leases, length).await?;
        Ok(ExtendLeasesPayload {
            outcomes: outcomes.into_iter().map(Into::into).collect(),
        })
    }

    /// Says that attempts failed, 1 to 50 a call: another follows, or the job is given up. Workers only.
    async fn fail_jobs(&self, ctx: &Context<'_>, input: FailJobsInput) -> Result<FailJobsPayload> {
        check_count(input.failures.len(), "input.failures", MAX_JOBS)?;
        let failures = input
            .failures
            .into_iter()
            .enumerate()
            .map(|(index, failure)| {
                let path = format!("input.failures.{index}");
                Ok(Failed {
                    held: held(&failure.job_id, failure.lease_token, &path)?,
                    failure: failure.kind,
                    reason: failure.reason,
                })
            })
            .collect::<std::result::Result<Vec<_>, Error>>()?;
        let outcomes = fail::fail(app(ctx)?, caller(ctx)?, &failures).await?;
        Ok(FailJobsPayload {
            outcomes: outcomes.into_iter().map(Into::into).collect(),
        })
    }
}
