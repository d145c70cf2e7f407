//! Announcing files, getting tickets for their bytes, and saying that the bytes are there.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::error::is_passing_code;
use super::transfers::count;
use super::typed::{
    AddRecords, AddVersion, CompleteUploads, UploadParts, UploadTicket, add_records, add_version,
    complete_uploads, upload_parts, upload_ticket,
};
use super::{CheckStatus, Client, ClientError, VersionStatus};

/// How bytes reach the object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum UploadKind {
    /// One request.
    Single,
    /// Many.
    Multipart,
    /// A word that this program does not know.
    #[serde(other)]
    Unknown,
}

/// What became of an upload, as the client saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum UploadOutcome {
    /// The object store took the bytes.
    Uploaded,
    /// The bytes do not have the declared digest.
    RefusedDigest,
}

/// A file as it is announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewFile {
    /// Where it stands in the folder, with `/` between the parts.
    pub(crate) path: String,
    /// Its length.
    pub(crate) size: u64,
    /// SHA-256 in hexadecimal.
    pub(crate) sha256: String,
    /// When it was last changed.
    pub(crate) modified: Option<DateTime<Utc>>,
    /// The bytes of the path in hexadecimal, where they are no UTF-8.
    pub(crate) raw_path: Option<String>,
}

/// A place to put bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ticket {
    /// One request or many.
    pub(crate) kind: UploadKind,
    /// The method of the one request.
    pub(crate) method: Option<String>,
    /// The address of the one request.
    pub(crate) url: Option<String>,
    /// Its headers, all signed.
    pub(crate) headers: Vec<(String, String)>,
}

/// A version on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Uploading {
    /// Its id.
    pub(crate) id: String,
    /// Its number.
    pub(crate) number: u64,
    /// How far it is.
    pub(crate) status: VersionStatus,
    /// Whether it was rejected for bytes that are not those of the file: none came, or others.
    pub(crate) bytes_refused: bool,
    /// Where its bytes go, while they are awaited.
    pub(crate) ticket: Option<Ticket>,
}

/// What became of an announced file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is new.
    New { record: String, version: Uploading },
    /// It was announced before.
    Known { record: String, version: Uploading },
    /// Another content stands at its path.
    PathTaken { record: String, newest: u64 },
    /// It is not taken.
    Refused { reason: String },
}

/// What became of "the bytes are there".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Completed {
    /// The checks begin, or began before.
    Done,
    /// They are not there, or not all.
    Missing(String),
    /// The server cannot say now.
    Later(String),
    /// It is not taken.
    Refused(String),
}

/// One line of `completeUploads`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Completion {
    /// The version.
    pub(crate) version: String,
    /// Whether the bytes turned out not to have the declared digest.
    pub(crate) digest_refused: bool,
}

/// The parts of an upload that are still missing: the first of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Parts {
    /// The length of each part but the last.
    pub(crate) size: u64,
    /// How many there are in all.
    pub(crate) count: u64,
    /// How many are there already.
    pub(crate) present: u64,
    /// What is missing.
    pub(crate) missing: Vec<Part>,
}

/// A part to upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// 1, 2, …
    pub(crate) number: u64,
    /// Its length.
    pub(crate) size: u64,
    /// Where it goes.
    pub(crate) url: String,
    /// The headers of the request, all signed.
    pub(crate) headers: Vec<(String, String)>,
}

/// Each operation has generated types of its own for the same fragment.
macro_rules! uploading_from {
    ($($module:ident),*) => {$(
        impl From<$module::Uploading> for Uploading {
            fn from(version: $module::Uploading) -> Self {
                Self {
                    id: version.id,
                    number: count(version.number),
                    status: version.status,
                    bytes_refused: bytes_refused(
                        version.status,
                        version.checks.iter().map(|check| (check.kind.as_str(), check.status)),
                    ),
                    ticket: version.upload.map(|ticket| Ticket {
                        kind: ticket.kind,
                        method: ticket.method,
                        url: ticket.url,
                        headers: pairs!(ticket.headers),
                    }),
                }
            }
        }
    )*};
}

macro_rules! pairs {
    ($headers:expr) => {
        $headers
            .into_iter()
            .map(|header| (header.name, header.value))
            .collect()
    };
}

uploading_from!(add_records, add_version, upload_ticket);

macro_rules! file_input {
    ($module:ident, $file:expr) => {
        $module::NewFileInput {
            file_name: None,
            size: $file.size,
            sha256: $file.sha256.clone(),
            last_modified: $file.modified,
        }
    };
}

impl Client {
    /// Announces 1 to 500 files; one outcome each, in the same order.
    pub(crate) async fn add_records(
        &self,
        transfer: &str,
        files: &[NewFile],
    ) -> Result<Vec<Added>, ClientError> {
        use add_records::AddRecordsAddRecordsOutcomes as Outcome;
        let input = add_records::AddRecordsInput {
            transfer_id: transfer.to_owned(),
            records: files.iter().map(record_input).collect(),
        };
        let answer = self
            .ask::<AddRecords>(add_records::Variables { input })
            .await?;
        let outcomes = answer.add_records.outcomes.into_iter();
        Ok(outcomes
            .map(|outcome| match outcome {
                Outcome::RecordAdded(added) => Added::New {
                    record: added.record.id,
                    version: added.version.into(),
                },
                Outcome::RecordExists(known) => Added::Known {
                    record: known.record.id,
                    version: known.version.into(),
                },
                Outcome::RecordPathTaken(taken) => Added::PathTaken {
                    record: taken.record.id,
                    newest: count(taken.newest.number),
                },
                Outcome::ItemRefused(refused) => Added::Refused {
                    reason: refusal(&refused.code, &refused.message),
                },
            })
            .collect())
    }

    /// Adds another content to a record, as its version `number`. The same key gives the same version.
    pub(crate) async fn add_version(
        &self,
        record: &str,
        number: u64,
        file: &NewFile,
        key: String,
    ) -> Result<Uploading, ClientError> {
        let input = add_version::AddVersionInput {
            client_mutation_key: Some(key),
            record_id: record.to_owned(),
            number: i64::try_from(number).ok(),
            file: add_version::NewFileInput {
                // The path may have changed its spelling; the version keeps the name it has now.
                file_name: file.path.rsplit('/').next().map(str::to_owned),
                ..file_input!(add_version, file)
            },
            note: None,
        };
        let answer = self
            .ask::<AddVersion>(add_version::Variables { input })
            .await?;
        Ok(answer.add_version.version.into())
    }

    /// A version's state with a fresh ticket.
    pub(crate) async fn upload_ticket(&self, version: &str) -> Result<Uploading, ClientError> {
        let id = version.to_owned();
        let answer = self
            .ask::<UploadTicket>(upload_ticket::Variables { id })
            .await?;
        match answer.node {
            Some(upload_ticket::UploadTicketNode::Version(version)) => Ok(version.into()),
            _ => Err(ClientError::malformed("the version is gone")),
        }
    }

    /// The first missing parts of an upload in many parts.
    pub(crate) async fn upload_parts(&self, version: &str) -> Result<Parts, ClientError> {
        const AT_ONCE: i64 = 50;
        let input = upload_parts::UploadPartsInput {
            version_id: version.to_owned(),
            first: Some(AT_ONCE),
        };
        let answer = self
            .ask::<UploadParts>(upload_parts::Variables { input })
            .await?;
        let parts = answer.upload_parts;
        let missing = parts.missing.into_iter().map(|part| Part {
            number: count(part.number),
            size: part.size,
            url: part.url,
            headers: pairs!(part.headers),
        });
        Ok(Parts {
            size: parts.part_size,
            count: count(parts.part_count),
            present: count(parts.present),
            missing: missing.collect(),
        })
    }

    /// Says of 1 to 500 versions that their bytes are there; one outcome each, in the same order.
    pub(crate) async fn complete_uploads(
        &self,
        completions: &[Completion],
    ) -> Result<Vec<Completed>, ClientError> {
        use complete_uploads::CompleteUploadsCompleteUploadsOutcomes as Outcome;
        let uploads = completions.iter().map(completion_input).collect();
        let input = complete_uploads::CompleteUploadsInput { uploads };
        let answer = self
            .ask::<CompleteUploads>(complete_uploads::Variables { input })
            .await?;
        let outcomes = answer.complete_uploads.outcomes.into_iter();
        Ok(outcomes
            .map(|outcome| match outcome {
                Outcome::UploadCompleted(_) | Outcome::UploadAlreadyCompleted(_) => Completed::Done,
                Outcome::UploadMissing(missing) => Completed::Missing(missing.message),
                Outcome::ItemRefused(refused) => {
                    let reason = refusal(&refused.code, &refused.message);
                    if is_passing_code(&refused.code) {
                        Completed::Later(reason)
                    } else {
                        Completed::Refused(reason)
                    }
                }
            })
            .collect())
    }
}

/// Whether a version was rejected before anybody looked at its content. Without a single check, no
/// bytes were taken; where the checksum failed, they were spoilt on the way. What a person or the
/// policy decided of the right bytes stands.
fn bytes_refused<'a>(
    status: VersionStatus,
    checks: impl Iterator<Item = (&'a str, CheckStatus)>,
) -> bool {
    const CHECKSUM: &str = contract::checks::CHECKSUM;
    let mut checks = checks.peekable();
    status == VersionStatus::Rejected
        && (checks.peek().is_none() || checks.any(|check| check == (CHECKSUM, CheckStatus::Failed)))
}

fn record_input(file: &NewFile) -> add_records::NewRecordInput {
    let metadata = file
        .raw_path
        .as_ref()
        .map(|raw| serde_json::json!({ "pathBytes": raw }));
    add_records::NewRecordInput {
        path: file.path.clone(),
        title: None,
        description: None,
        metadata,
        file: file_input!(add_records, file),
    }
}

fn completion_input(completion: &Completion) -> complete_uploads::CompleteUploadInput {
    complete_uploads::CompleteUploadInput {
        version_id: completion.version.clone(),
        outcome: Some(if completion.digest_refused {
            UploadOutcome::RefusedDigest
        } else {
            UploadOutcome::Uploaded
        }),
    }
}

fn refusal(code: &str, message: &str) -> String {
    format!("{message} ({code})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_version_whose_bytes_never_came_right_may_be_announced_again() {
        let passed = ("CHECKSUM", CheckStatus::Passed);
        let failed = ("CHECKSUM", CheckStatus::Failed);
        let undecided = ("CHECKSUM", CheckStatus::Inconclusive);
        let malware = ("ANTIVIRUS", CheckStatus::Failed);
        for (status, checks, refused) in [
            (VersionStatus::Rejected, vec![], true),
            (VersionStatus::Rejected, vec![malware, failed], true),
            (VersionStatus::Rejected, vec![passed, malware], false),
            (VersionStatus::Rejected, vec![undecided], false),
            (VersionStatus::Rejected, vec![malware], false),
            (VersionStatus::NeedsReview, vec![failed], false),
            (VersionStatus::Accepted, vec![], false),
        ] {
            let told = bytes_refused(status, checks.iter().copied());
            assert_eq!(told, refused, "{status:?} {checks:?}");
        }
    }
}
