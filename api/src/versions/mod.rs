//! Versions: the files of a record, immutable once uploaded.
//!
//! Owns the state machine of a version and what may be declared of a file. Does not own the decision
//! (`checks`) or the moving of bytes (`jobs`, worker).
//!
//! Always: only ACCEPTED is downloadable; nothing leaves ACCEPTED but by a fixity failure.

pub mod graphql;
pub mod reported;
pub mod service;
pub mod store;
pub mod uploads;
#[cfg(test)]
mod uploads_tests;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Error, text};

pub use entity::version::{Disposition, Model as Version, Place, Status};

/// What may happen to a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// The bytes are there.
    Uploaded,
    /// The object store refused the bytes: they do not have the declared digest.
    DigestRefused,
    /// The bytes never came.
    TicketExpired,
    /// The checks were weighed under the policy.
    Decided(Outcome),
    /// The worker moved the bytes as decided.
    Moved(Disposition),
    /// The bytes could not be moved, or are not those that were checked.
    MoveFailed,
    /// Checks are to run once more.
    Rerun,
    /// A person accepts it with a reason.
    PersonAccepts,
    /// A person rejects it with a reason.
    PersonRejects,
    /// The kept bytes are not what they were.
    FixityFailed,
}

/// How checks and policy decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Outcome {
    /// Move to the records.
    Accept,
    /// Move to the quarantine.
    Quarantine,
    /// Refuse.
    Reject,
    /// Ask a person.
    Review,
}

/// The state machine. A version whose bytes are on the move is CHECKING, with a disposition.
pub fn next(status: Status, input: Input) -> Result<Status, Error> {
    use Input as I;
    use Status as S;
    match (status, input) {
        (S::AwaitingUpload, I::Uploaded)
        | (S::Checking, I::Decided(Outcome::Accept | Outcome::Quarantine))
        | (S::Rejected | S::NeedsReview, I::Rerun | I::PersonAccepts) => Ok(S::Checking),
        (S::AwaitingUpload, I::DigestRefused)
        | (S::Checking, I::Decided(Outcome::Reject))
        | (S::NeedsReview, I::PersonRejects) => Ok(S::Rejected),
        (S::AwaitingUpload, I::TicketExpired) => Ok(S::Abandoned),
        (S::Checking, I::Decided(Outcome::Review) | I::MoveFailed)
        | (S::Accepted, I::FixityFailed) => Ok(S::NeedsReview),
        (S::Checking, I::Moved(Disposition::Accept)) => Ok(S::Accepted),
        (S::Checking, I::Moved(Disposition::Quarantine)) => Ok(S::Quarantined),
        (status, input) => Err(Error::Precondition(format!(
            "a version that is {} cannot be {}",
            name(status),
            what(input)
        ))),
    }
}

/// As it stands on the wire and in the table.
pub fn name(status: Status) -> &'static str {
    match status {
        Status::AwaitingUpload => "AWAITING_UPLOAD",
        Status::Checking => "CHECKING",
        Status::Accepted => "ACCEPTED",
        Status::Rejected => "REJECTED",
        Status::Quarantined => "QUARANTINED",
        Status::NeedsReview => "NEEDS_REVIEW",
        Status::Abandoned => "ABANDONED",
    }
}

fn what(input: Input) -> &'static str {
    match input {
        Input::Uploaded | Input::DigestRefused => "uploaded",
        Input::TicketExpired => "abandoned",
        Input::Decided(_) => "decided by checks",
        Input::Moved(_) | Input::MoveFailed => "moved",
        Input::Rerun => "checked again",
        Input::PersonAccepts => "accepted by a person",
        Input::PersonRejects => "rejected by a person",
        Input::FixityFailed => "found damaged",
    }
}

/// Why a version is as it is: under which policy, by whom, why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Decision {
    /// How it was decided.
    pub outcome: Outcome,
    /// The revision of the policy.
    pub policy_revision: i32,
    /// A person's subject, `policy`, or `fixity`.
    pub by: String,
    /// What spoke for it.
    pub reasons: Vec<String>,
    /// What stays with an accepted version.
    pub warnings: Vec<String>,
    /// When.
    pub at: DateTime<Utc>,
}

/// What the FORMAT check found, as it is kept with the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Format {
    /// PRONOM unique identifier.
    pub puid: String,
    /// Its name in PRONOM.
    pub name: String,
    /// Its version in PRONOM, or empty.
    pub version: String,
    /// Its media type in PRONOM, or empty.
    pub media_type: String,
    /// What it was recognised by.
    pub basis: Basis,
    /// Whether the extension belongs to another format.
    pub extension_mismatch: bool,
    /// What is odd about it.
    pub warnings: Vec<String>,
}

/// What a format was recognised by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, async_graphql::Enum)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[graphql(name = "FormatBasis")]
pub enum Basis {
    /// By what a ZIP or OLE2 container holds.
    Container,
    /// By a byte signature.
    Signature,
    /// By its extension alone.
    Extension,
}

/// A file as a depositor declares it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewFile {
    /// As the depositor names it.
    pub file_name: String,
    /// In bytes.
    pub size: u64,
    /// 64 hex digits.
    pub sha256: String,
    /// As the depositor's file system has it.
    pub last_modified: Option<DateTime<Utc>>,
}

/// The largest file: S3's limit of 5 TiB.
pub const MAX_SIZE: u64 = 5 << 40;

/// Checks a declaration and brings it to its kept form (digest in lower case).
pub fn check_file(path: &str, mut file: NewFile) -> Result<NewFile, Error> {
    text::check(
        &format!("{path}.fileName"),
        &file.file_name,
        text::FILE_NAME,
    )?;
    if file.file_name.contains('/') {
        return Err(Error::input(
            format!("{path}.fileName"),
            "a file name has no slash; folders belong into `path`",
        ));
    }
    if file.size > MAX_SIZE {
        return Err(Error::TooLarge(format!(
            "{path}.size is at most {MAX_SIZE} bytes"
        )));
    }
    file.sha256.make_ascii_lowercase();
    if file.sha256.len() != 64 || !file.sha256.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Error::input(
            format!("{path}.sha256"),
            "a SHA-256 is written as 64 hex digits",
        ));
    }
    Ok(file)
}

/// The decision that is kept with a version.
pub fn decision(version: &Version) -> Option<Decision> {
    serde_json::from_value(version.decision.clone()?).ok()
}

/// The format that is kept with a version.
pub fn format(version: &Version) -> Option<Format> {
    serde_json::from_value(version.format.clone()?).ok()
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use sea_orm::Iterable as _;

    use super::*;

    const INPUTS: [Input; 14] = [
        Input::Uploaded,
        Input::DigestRefused,
        Input::TicketExpired,
        Input::Decided(Outcome::Accept),
        Input::Decided(Outcome::Quarantine),
        Input::Decided(Outcome::Reject),
        Input::Decided(Outcome::Review),
        Input::Moved(Disposition::Accept),
        Input::Moved(Disposition::Quarantine),
        Input::MoveFailed,
        Input::Rerun,
        Input::PersonAccepts,
        Input::PersonRejects,
        Input::FixityFailed,
    ];

    #[test]
    fn the_state_machine_is_the_one_in_the_picture() {
        let mut table = String::new();
        for status in Status::iter() {
            for input in INPUTS {
                if let Ok(to) = next(status, input) {
                    writeln!(table, "{} + {input:?} -> {}", name(status), name(to))
                        .expect("a String takes it");
                }
            }
        }
        insta::assert_snapshot!(table, @r"
        AWAITING_UPLOAD + Uploaded -> CHECKING
        AWAITING_UPLOAD + DigestRefused -> REJECTED
        AWAITING_UPLOAD + TicketExpired -> ABANDONED
        CHECKING + Decided(Accept) -> CHECKING
        CHECKING + Decided(Quarantine) -> CHECKING
        CHECKING + Decided(Reject) -> REJECTED
        CHECKING + Decided(Review) -> NEEDS_REVIEW
        CHECKING + Moved(Accept) -> ACCEPTED
        CHECKING + Moved(Quarantine) -> QUARANTINED
        CHECKING + MoveFailed -> NEEDS_REVIEW
        ACCEPTED + FixityFailed -> NEEDS_REVIEW
        REJECTED + Rerun -> CHECKING
        REJECTED + PersonAccepts -> CHECKING
        NEEDS_REVIEW + Rerun -> CHECKING
        NEEDS_REVIEW + PersonAccepts -> CHECKING
        NEEDS_REVIEW + PersonRejects -> REJECTED
        ");
    }

    proptest::proptest! {
        #[test]
        fn no_sequence_leaves_acceptance_but_by_fixity(inputs in proptest::collection::vec(0..INPUTS.len(), 0..40)) {
            let mut status = Status::AwaitingUpload;
            for input in inputs.into_iter().map(|index| INPUTS[index]) {
                let before = status;
                status = next(status, input).unwrap_or(status);
                if before == Status::Accepted && status != before {
                    proptest::prop_assert_eq!(input, Input::FixityFailed);
                }
                if status == Status::Accepted && before != status {
                    proptest::prop_assert_eq!(input, Input::Moved(Disposition::Accept));
                }
            }
        }
    }

    #[test]
    fn a_declaration_is_checked() {
        let file = |change: fn(&mut NewFile)| {
            let mut file = NewFile {
                file_name: "a.txt".into(),
                size: 1,
                sha256: "AB".repeat(32),
                last_modified: None,
            };
            change(&mut file);
            check_file("file", file)
        };
        assert_eq!(
            file(|_| ()).ok().map(|file| file.sha256),
            Some("ab".repeat(32))
        );
        let wrong: [fn(&mut NewFile); 6] = [
            |file| file.sha256.truncate(63),
            |file| file.sha256 = "g".repeat(64),
            |file| file.size = MAX_SIZE + 1,
            |file| file.file_name = "a/b".into(),
            |file| file.file_name = String::new(),
            |file| file.file_name = "a\nb".into(),
        ];
        for (index, wrong) in wrong.into_iter().enumerate() {
            assert_eq!(file(wrong).is_err(), index != 5, "{index}");
        }
    }
}
