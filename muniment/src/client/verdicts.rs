//! What the checks and the policy say of a transfer's files.

use serde::{Deserialize, Serialize};

use super::transfers::count;
use super::typed::{Verdicts, Waiting as WaitingOperation, verdicts, waiting};
use super::{Client, ClientError};

/// Who took a decision that no person took.
const BY_RULE: &str = "policy";

/// How far a version is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum VersionStatus {
    /// Its bytes are not there yet.
    AwaitingUpload,
    /// Being looked at.
    Checking,
    /// Kept.
    Accepted,
    /// Not taken.
    Rejected,
    /// Malware.
    Quarantined,
    /// A person has to decide.
    NeedsReview,
    /// Its bytes never came.
    Abandoned,
    /// A word that this program does not know.
    #[serde(other)]
    Unknown,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum CheckStatus {
    /// Not begun.
    Pending,
    /// Begun.
    Running,
    /// Found good.
    Passed,
    /// Found bad.
    Failed,
    /// Could not be decided.
    Inconclusive,
    /// A word that this program does not know.
    #[serde(other)]
    Unknown,
}

/// The newest version of a record, as the table shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The record's name for people.
    pub(crate) reference: String,
    /// Where the file stood.
    pub(crate) path: String,
    /// The version's number.
    pub(crate) number: u64,
    /// The verdict.
    pub(crate) status: VersionStatus,
    /// Its length.
    pub(crate) size: u64,
    /// A remark on the version.
    pub(crate) note: Option<String>,
    /// What it waits for, if it does.
    pub(crate) why_waiting: Option<String>,
    /// Its format, if it has one.
    pub(crate) format: Option<Format>,
    /// Its checks.
    pub(crate) checks: Vec<Check>,
    /// Why it was decided so.
    pub(crate) reasons: Vec<String>,
    /// What is remarkable although it was accepted.
    pub(crate) warnings: Vec<String>,
}

/// A file format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Format {
    /// PRONOM's identifier.
    pub(crate) puid: String,
    /// PRONOM's name.
    pub(crate) name: String,
    /// PRONOM's version of it.
    pub(crate) version: String,
    /// What is remarkable about the identification.
    pub(crate) warnings: Vec<String>,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    /// Its kind.
    pub(crate) kind: String,
    /// How it ended.
    pub(crate) status: CheckStatus,
    /// What there is to say.
    pub(crate) detail: Option<String>,
}

/// Some of a list, and where the rest begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Page<T> {
    /// These.
    pub(crate) items: Vec<T>,
    /// Where the next page begins; nothing after the last.
    pub(crate) next: Option<String>,
}

/// A version that is not decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// Where the file stood.
    pub(crate) path: String,
    /// What it waits for.
    pub(crate) why: Option<String>,
}

impl Client {
    /// A page of a transfer's records in the order of their paths: all, or those whose newest
    /// version has a status.
    pub(crate) async fn verdicts(
        &self,
        transfer: &str,
        status: Option<VersionStatus>,
        after: Option<String>,
    ) -> Result<Page<Verdict>, ClientError> {
        const AT_ONCE: i64 = 50;
        let variables = verdicts::Variables {
            transfer: transfer.to_owned(),
            filter: status.map(|status| verdicts::RecordFilter {
                collection_id: None,
                transfer_id: None,
                path_prefix: None,
                title_contains: None,
                status: Some(status),
            }),
            first: AT_ONCE,
            after,
        };
        let page = self
            .ask::<Verdicts>(variables)
            .await?
            .transfer
            .ok_or_else(|| ClientError::malformed("the transfer is gone"))?
            .records;
        let more = page.page_info.has_next_page;
        Ok(Page {
            items: page.nodes.into_iter().filter_map(verdict).collect(),
            next: page.page_info.end_cursor.filter(|_| more),
        })
    }

    /// The first of a transfer's versions that are not decided.
    pub(crate) async fn waiting(&self, transfer: &str) -> Result<Vec<Waiting>, ClientError> {
        let filter = waiting::VersionFilter {
            transfer_id: Some(transfer.to_owned()),
            record_id: None,
            status: None,
            undecided: Some(true),
        };
        let answer = self
            .ask::<WaitingOperation>(waiting::Variables { filter })
            .await?;
        let nodes = answer.versions.nodes.into_iter();
        Ok(nodes
            .map(|version| Waiting {
                path: version.record.path,
                why: version.why_waiting,
            })
            .collect())
    }
}

fn verdict(record: verdicts::VerdictsTransferRecordsNodes) -> Option<Verdict> {
    let version = record.versions.nodes.into_iter().next()?;
    let accepted = version.status == VersionStatus::Accepted;
    let (reasons, warnings) = match version.decision {
        // That nothing spoke against it is what "accepted" says already.
        Some(decision) if accepted && decision.by == BY_RULE => (Vec::new(), decision.warnings),
        Some(decision) => (decision.reasons, decision.warnings),
        None => (Vec::new(), Vec::new()),
    };
    let checks = version.checks.into_iter().map(|check| Check {
        kind: check.kind,
        status: check.status,
        detail: check.detail,
    });
    Some(Verdict {
        reference: record.reference,
        path: record.path,
        number: count(version.number),
        status: version.status,
        size: version.size,
        note: version.note,
        why_waiting: version.why_waiting,
        format: version.format.map(|format| Format {
            puid: format.puid,
            name: format.name,
            version: format.version,
            warnings: format.warnings,
        }),
        checks: checks.collect(),
        reasons,
        warnings,
    })
}
