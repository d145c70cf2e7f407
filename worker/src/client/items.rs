//! The files of an export, as the API lists them.

use chrono::{DateTime, Utc};
use contract::{RecordId, VersionId};
use serde::{Deserialize, Serialize};

use super::ObjectLocation;

/// Some files, in the order of the bag.
#[derive(Debug, Clone, Default)]
pub struct ItemPage {
    /// The files.
    pub items: Vec<ExportItem>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// Some events of an export, in the order of the bag and then of their chains.
#[derive(Debug, Clone, Default)]
pub struct EventPage {
    /// The events.
    pub events: Vec<ExportEvent>,
    /// Where the next page begins; `None` after the last.
    pub next: Option<String>,
}

/// An event of an export, with the proof that it is in the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportEvent {
    /// The event as canonical JSON.
    pub entry: String,
    /// Its place in the tree.
    pub leaf: u64,
    /// From the leaf to the root, each in hexadecimal.
    pub proof: Vec<String>,
}

/// One file of an export, with what the CSV files say of it.
#[derive(Debug, Clone, PartialEq)]
pub struct ExportItem {
    /// The record.
    pub record: RecordId,
    /// Its reference.
    pub record_reference: String,
    /// Its description.
    pub description: String,
    /// What the depositor said of it.
    pub metadata: serde_json::Value,
    /// Where the file stood in the depositor's folder.
    pub path: String,
    /// Where it stands in the bag: `data/…`.
    pub payload_path: String,
    /// The version.
    pub version: VersionId,
    /// Its file name.
    pub file_name: String,
    /// Its length.
    pub size: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
    /// SHA-512 in hexadecimal.
    pub sha512: String,
    /// When the depositor last changed it.
    pub last_modified: Option<DateTime<Utc>>,
    /// Where the bytes are.
    pub object: ObjectLocation,
    /// PUID and name of its format.
    pub format: Option<ItemFormat>,
    /// The newest format check.
    pub format_check: Option<ItemCheck>,
    /// The newest virus scan.
    pub antivirus_check: Option<ItemCheck>,
    /// Whether the extension is none of the format's.
    pub extension_mismatch: bool,
}

/// A format, as a CSV names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFormat {
    /// PRONOM's identifier.
    pub puid: String,
    /// PRONOM's name.
    pub name: String,
}

/// A check, as a CSV tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemCheck {
    /// How it ended.
    pub status: CheckStatus,
    /// By what it was made.
    pub engine: Option<String>,
    /// In which version.
    pub engine_version: Option<String>,
    /// With signatures of which version.
    pub signature_version: Option<String>,
    /// Bytes looked at, of how many.
    pub coverage: Option<(u64, u64)>,
    /// What there is to say.
    pub detail: Option<String>,
}

/// How far a check is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum CheckStatus {
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
}

impl CheckStatus {
    /// The word that the API has for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Passed => "PASSED",
            Self::Failed => "FAILED",
            Self::Inconclusive => "INCONCLUSIVE",
        }
    }
}
