//! Checks on the wire: parse, call one service function, wrap.

pub mod reports;

use async_graphql::{
    Context, ID, InputObject, MergedObject, Object, SimpleObject, Union, connection::Connection,
};
use chrono::{DateTime, Utc};
use contract::CheckId;

use super::{
    Check, Waiver,
    people::{self, MAX_RERUN, Verdict},
    store, waiver,
};
use crate::{
    graphql::{
        context::{app, caller},
        errors::Result,
        ids::{check_count, id, parse},
        scalars::BigInt,
    },
    page::Args,
    records::graphql::ItemRefused,
    text,
    versions::{Version, graphql::VersionObject},
};

/// How a check stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(remote = "super::Status")]
pub enum CheckStatus {
    /// Waits for a worker.
    Pending,
    /// A worker has it.
    Running,
    /// Looked at all, found nothing against it.
    Passed,
    /// Found something against it.
    Failed,
    /// Could not tell.
    Inconclusive,
}

/// One run of one kind of check on a version.
#[derive(Clone)]
pub struct CheckObject {
    row: Check,
    /// Of its version, in bytes.
    size: i64,
}

impl CheckObject {
    /// Of a row, with the size of its version.
    pub fn new(row: Check, size: i64) -> Self {
        Self { row, size }
    }
}

/// One run of one kind of check on a version.
#[Object(name = "Check")]
impl CheckObject {
    /// `check_…`
    pub async fn id(&self) -> ID {
        id(CheckId(self.row.id))
    }

    /// CHECKSUM, ANTIVIRUS, FORMAT, or a further kind.
    async fn kind(&self) -> &str {
        &self.row.kind
    }

    /// 1, 2, …
    async fn run(&self) -> i32 {
        self.row.run
    }

    /// How it stands.
    async fn status(&self) -> CheckStatus {
        self.row.status.into()
    }

    /// What looked; null before.
    async fn engine(&self) -> Option<&str> {
        self.row.engine.as_deref()
    }

    /// Its version.
    async fn engine_version(&self) -> Option<&str> {
        self.row.engine_version.as_deref()
    }

    /// The version of what it knows; for FORMAT, PRONOM's binary and container signatures: `V122/20260119`.
    async fn signature_version(&self) -> Option<&str> {
        self.row.signature_version.as_deref()
    }

    /// How much was looked at.
    async fn coverage(&self) -> Option<Coverage> {
        self.row.bytes_looked.map(|bytes| Coverage {
            bytes: BigInt(bytes),
            size: BigInt(self.size),
        })
    }

    /// For people.
    async fn detail(&self) -> Option<&str> {
        self.row.detail.as_deref()
    }

    /// Who took responsibility for it, where it did not pass.
    async fn waiver(&self) -> Option<WaiverObject> {
        waiver(&self.row).map(Into::into)
    }

    /// When the engine began.
    async fn started_at(&self) -> Option<DateTime<Utc>> {
        self.row.started_at
    }

    /// When it ended.
    async fn finished_at(&self) -> Option<DateTime<Utc>> {
        self.row.finished_at
    }
}

/// How much was looked at.
#[derive(SimpleObject)]
pub struct Coverage {
    /// Bytes that were looked at.
    bytes: BigInt,
    /// Bytes that there are.
    size: BigInt,
}

/// A person took responsibility for a check that did not pass.
#[derive(SimpleObject)]
#[graphql(name = "Waiver")]
pub struct WaiverObject {
    /// Subject of the person.
    by: String,
    /// Why.
    reason: String,
    /// When.
    at: DateTime<Utc>,
}

impl From<Waiver> for WaiverObject {
    fn from(waiver: Waiver) -> Self {
        Self {
            by: waiver.by,
            reason: waiver.reason,
            at: waiver.at,
        }
    }
}

/// Every run of every check of a version that the viewer may see.
pub async fn list_history(
    ctx: &Context<'_>,
    version: &Version,
    args: &Args,
) -> Result<Connection<String, CheckObject>> {
    let page = store::history(app(ctx)?.database(), version.id, args).await?;
    Ok(page.connection(|row| CheckObject::new(row, version.size)))
}

/// Versions to check again.
#[derive(InputObject)]
pub struct RerunChecksInput {
    /// 1 to 500.
    version_ids: Vec<ID>,
    /// Only these kinds; by default all that the policy needs.
    kinds: Option<Vec<String>>,
    /// The same key replays the first answer for 30 days.
    client_mutation_key: Option<String>,
}

/// One outcome a version, in the order of the input.
#[derive(SimpleObject)]
pub struct RerunChecksPayload {
    /// The outcomes.
    outcomes: Vec<RerunOutcome>,
}

/// What came of asking for checks.
#[derive(Union)]
#[expect(
    clippy::large_enum_variant,
    reason = "few are alive at a time, and boxes have no name in GraphQL"
)]
pub enum RerunOutcome {
    /// They are queued.
    Queued(ChecksQueued),
    /// They cannot be run.
    Refused(ItemRefused),
}

/// New runs of checks are queued.
#[derive(SimpleObject)]
pub struct ChecksQueued {
    /// The version, which is CHECKING, or ACCEPTED as before.
    version: VersionObject,
}

/// A person decides over what the checks said.
#[derive(InputObject)]
pub struct DecideVersionInput {
    /// About what.
    version_id: ID,
    /// How.
    verdict: Verdict,
    /// Why: 1 to 4,000 characters. It stays with the version and with every check that is waived.
    reason: String,
}

/// The version as it is now.
#[derive(SimpleObject)]
pub struct DecideVersionPayload {
    /// The version. Where it was accepted, it is CHECKING until its bytes are moved.
    version: VersionObject,
}

/// What people do about checks.
#[derive(Default)]
pub struct PeopleMutation;

#[Object]
impl PeopleMutation {
    /// Runs checks again on versions that were rejected or wait for a person. Accepted ones can be identified again,
    /// after an update of the signatures (`kinds: ["FORMAT"]`): they stay accepted, and what is found then counts if
    /// the policy takes it, and else stays in the history. Repeating it while they run is refused, but for a
    /// repetition with the same `clientMutationKey`.
    async fn rerun_checks(
        &self,
        ctx: &Context<'_>,
        input: RerunChecksInput,
    ) -> Result<RerunChecksPayload> {
        check_count(input.version_ids.len(), "input.versionIds", MAX_RERUN)?;
        if let Some(kinds) = &input.kinds {
            check_count(kinds.len(), "input.kinds", 20)?;
            for kind in kinds {
                text::check("input.kinds", kind, text::NAME)?;
            }
        }
        let ids = input
            .version_ids
            .iter()
            .enumerate()
            .map(|(index, id)| parse(id, &format!("input.versionIds.{index}")))
            .collect();
        let (key, kinds) = (input.client_mutation_key, input.kinds);
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let outcomes = people::rerun(app, caller, key.as_deref(), ids, kinds.as_deref()).await?;
        let outcomes = outcomes
            .into_iter()
            .enumerate()
            .map(|(index, outcome)| match outcome {
                Ok(row) => RerunOutcome::Queued(ChecksQueued {
                    version: VersionObject(row),
                }),
                Err(error) => RerunOutcome::Refused(ItemRefused::new(index, error)),
            });
        Ok(RerunChecksPayload {
            outcomes: outcomes.collect(),
        })
    }

    /// Accepts or rejects a version over what its checks said. Archivists may, but not the depositor; never
    /// over malware, and never what was not uploaded.
    async fn decide_version(
        &self,
        ctx: &Context<'_>,
        input: DecideVersionInput,
    ) -> Result<DecideVersionPayload> {
        let id = parse(&input.version_id, "input.versionId")?;
        let (app, caller) = (app(ctx)?, caller(ctx)?);
        let row = people::decide(app, caller, id, input.verdict, &input.reason).await?;
        Ok(DecideVersionPayload {
            version: VersionObject(row),
        })
    }
}

/// Mutations of checks.
#[derive(MergedObject, Default)]
pub struct CheckMutation(PeopleMutation, reports::ReportMutation);
