//! Transfers: batches deposited together.
//!
//! Owns the state machine of a transfer and its totals. Does not own its records or their versions.
//!
//! Always: files are taken only while OPEN; accepting needs every version decided, and another person than
//! the depositor.

pub mod graphql;
pub mod service;
pub mod store;

use crate::{Error, auth::Scope};

pub use entity::transfer::{Model as Transfer, Status};

/// What may happen to a transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Its depositor has finished.
    Submit,
    /// An archivist takes it over.
    Accept {
        /// How many versions still wait for something.
        undecided: u64,
    },
    /// An archivist sends it back.
    Return,
    /// Its depositor goes on with it.
    Reopen,
}

/// The state machine.
pub fn next(status: Status, input: Input) -> Result<Status, Error> {
    match (status, input) {
        (Status::Open | Status::Returned, Input::Submit) => Ok(Status::Submitted),
        (Status::Submitted, Input::Accept { undecided: 0 }) => Ok(Status::Accepted),
        (Status::Submitted, Input::Accept { undecided }) => Err(Error::Precondition(format!(
            "{undecided} files of this transfer are not decided yet; wait for their checks, and decide those that need review"
        ))),
        (Status::Submitted, Input::Return) => Ok(Status::Returned),
        (Status::Returned, Input::Reopen) => Ok(Status::Open),
        (status, _) => Err(Error::Precondition(format!(
            "the transfer is {}; {}",
            name(status),
            match status {
                Status::Open => "it must be submitted first",
                Status::Submitted => "it was submitted already",
                Status::Accepted => "nothing can be done to it any more",
                Status::Returned => "submit it again, or add files to it, which opens it again",
            }
        ))),
    }
}

/// As it stands on the wire and in the table.
pub fn name(status: Status) -> &'static str {
    match status {
        Status::Open => "OPEN",
        Status::Submitted => "SUBMITTED",
        Status::Accepted => "ACCEPTED",
        Status::Returned => "RETURNED",
    }
}

/// How many versions of a transfer are in which state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Records.
    pub records: i64,
    /// Versions in any state.
    pub versions: i64,
    /// Their declared sizes in bytes, summed.
    pub total_bytes: i64,
    /// Declared; their bytes are not there yet.
    pub awaiting_upload: i64,
    /// Uploaded; checks are under way.
    pub checking: i64,
    /// Kept and downloadable.
    pub accepted: i64,
    /// The sizes of those in bytes, summed.
    pub accepted_bytes: i64,
    /// Refused.
    pub rejected: i64,
    /// Malware.
    pub quarantined: i64,
    /// Waiting for a person.
    pub needs_review: i64,
    /// Never uploaded.
    pub abandoned: i64,
}

impl Totals {
    /// What somebody may know of them: a reader, of what was accepted only.
    #[must_use]
    pub fn seen_in(self, scope: &Scope) -> Self {
        match scope {
            Scope::All | Scope::Bodies(_) => self,
            Scope::AcceptedOf(_) | Scope::Nothing => Self {
                records: self.accepted.min(self.records),
                versions: self.accepted,
                total_bytes: self.accepted_bytes,
                accepted: self.accepted,
                accepted_bytes: self.accepted_bytes,
                ..Self::default()
            },
        }
    }

    /// How many still wait for bytes, checks, a move or a person.
    pub fn undecided(&self) -> u64 {
        let sum = self.awaiting_upload + self.checking + self.needs_review;
        // A sum below zero is a defect, and must not pass for "none".
        u64::try_from(sum).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use sea_orm::Iterable as _;

    use super::*;

    #[test]
    fn the_state_machine_is_the_one_in_the_picture() {
        let inputs = [
            Input::Submit,
            Input::Accept { undecided: 0 },
            Input::Accept { undecided: 3 },
            Input::Return,
            Input::Reopen,
        ];
        let mut table = String::new();
        for status in Status::iter() {
            for input in inputs {
                if let Ok(to) = next(status, input) {
                    writeln!(table, "{} + {input:?} -> {}", name(status), name(to))
                        .expect("a String takes it");
                }
            }
        }
        insta::assert_snapshot!(table, @r"
        OPEN + Submit -> SUBMITTED
        SUBMITTED + Accept { undecided: 0 } -> ACCEPTED
        SUBMITTED + Return -> RETURNED
        RETURNED + Submit -> SUBMITTED
        RETURNED + Reopen -> OPEN
        ");
    }
}
