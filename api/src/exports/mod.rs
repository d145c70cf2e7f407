//! Exports: packages that somebody asked for.
//!
//! Owns the state machine of an export, what may be selected, and the facts that stand in the bag. Does not
//! own the packing (worker) or the bag's format (`bagit`).
//!
//! Always: the versions of an export are fixed when it is asked for; the same selection gives the same
//! names, order and facts, so that it gives the same bytes; only a READY export that has not expired is
//! downloadable.

pub mod graphql;
pub mod service;
pub mod store;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests;

use contract::{CollectionId, RecordId, TransferId};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::Error;

pub use entity::export::{Model as Export, Status};

/// The most records that a selection may name.
pub const MAX_RECORDS: usize = 500;

/// The only format so far: BagIt 1.0 in a tar.
pub const BAGIT_TAR: &str = "BAGIT_TAR";

/// What may happen to an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// A worker begins to pack it, or another one begins anew.
    Start,
    /// The package is there.
    Finish,
    /// It cannot be packed.
    Fail,
    /// A person does not want it any more.
    Cancel,
    /// It was kept long enough.
    Expire,
    /// The kept package is not the one that was made.
    Damage,
}

/// The state machine.
pub fn next(status: Status, input: Input) -> Result<Status, Error> {
    match (status, input) {
        (Status::Queued | Status::Running, Input::Start) => Ok(Status::Running),
        (Status::Running, Input::Finish) => Ok(Status::Ready),
        (Status::Queued | Status::Running, Input::Fail) | (Status::Ready, Input::Damage) => {
            Ok(Status::Failed)
        }
        (Status::Queued | Status::Running, Input::Cancel) => Ok(Status::Cancelled),
        (Status::Ready, Input::Expire) => Ok(Status::Expired),
        (status, input) => Err(Error::Precondition(format!(
            "an export that is {} cannot {}",
            name(status),
            match input {
                Input::Start => "be packed",
                Input::Finish => "become ready",
                Input::Fail => "fail",
                Input::Cancel => "be cancelled",
                Input::Expire => "expire",
                Input::Damage => "be damaged",
            }
        ))),
    }
}

/// As it stands on the wire and in the table.
pub fn name(status: Status) -> &'static str {
    match status {
        Status::Queued => "QUEUED",
        Status::Running => "RUNNING",
        Status::Ready => "READY",
        Status::Failed => "FAILED",
        Status::Cancelled => "CANCELLED",
        Status::Expired => "EXPIRED",
    }
}

/// What it waits for, while it waits.
pub fn why_waiting(export: &Export) -> Option<String> {
    match export.status {
        Status::Queued => Some("it waits for a worker to pack it".to_owned()),
        Status::Running => Some(format!(
            "a worker packs it: {} of {} files are done",
            export.files_done, export.files
        )),
        Status::Ready | Status::Failed | Status::Cancelled | Status::Expired => None,
    }
}

/// What is to be packed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Selection {
    /// Everything accepted of a transfer.
    TransferId(TransferId),
    /// Everything accepted of a collection.
    CollectionId(CollectionId),
    /// These records, each in its accepted version.
    RecordIds(Vec<RecordId>),
}

impl Selection {
    /// In a form in which the same selection is always written the same.
    #[must_use]
    pub fn in_order(self) -> Self {
        match self {
            Self::RecordIds(mut ids) => {
                ids.sort_unstable();
                ids.dedup();
                Self::RecordIds(ids)
            }
            other => other,
        }
    }
}

/// The name of a collection's package: its code, as one step of a path.
pub fn collection_reference(code: &str) -> String {
    let safe: String = code
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "._-".contains(c) {
                c
            } else {
                '_'
            }
        })
        .collect();
    if safe.is_empty() || safe.starts_with('.') {
        format!("_{safe}")
    } else {
        safe
    }
}

/// The name of the package of some records, the same for the same records in order.
pub fn records_reference(ids: &[RecordId]) -> String {
    let mut digest = Sha256::new();
    for id in ids {
        digest.update(id.0.as_bytes());
    }
    format!("export-{}", hex::encode(&digest.finalize()[..8]))
}

/// A line of `bag-info.txt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BagInfoEntry {
    /// Before the colon.
    pub label: &'static str,
    /// After it.
    pub value: String,
}

#[cfg(test)]
mod rules {
    use std::fmt::Write as _;

    use sea_orm::Iterable as _;
    use uuid::Uuid;

    use super::*;

    const INPUTS: [Input; 6] = [
        Input::Start,
        Input::Finish,
        Input::Fail,
        Input::Cancel,
        Input::Expire,
        Input::Damage,
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
        QUEUED + Start -> RUNNING
        QUEUED + Fail -> FAILED
        QUEUED + Cancel -> CANCELLED
        RUNNING + Start -> RUNNING
        RUNNING + Finish -> READY
        RUNNING + Fail -> FAILED
        RUNNING + Cancel -> CANCELLED
        READY + Expire -> EXPIRED
        READY + Damage -> FAILED
        ");
    }

    proptest::proptest! {
        #[test]
        fn an_export_that_ended_never_runs_again(inputs in proptest::collection::vec(0..INPUTS.len(), 0..40)) {
            let mut status = Status::Queued;
            let mut ended = false;
            for input in inputs.into_iter().map(|index| INPUTS[index]) {
                status = next(status, input).unwrap_or(status);
                let waits = matches!(status, Status::Queued | Status::Running);
                proptest::prop_assert!(!(ended && waits));
                ended = !waits;
            }
        }
    }

    #[test]
    fn a_package_is_named_by_one_safe_step() {
        for (code, reference) in [
            ("WO-95", "WO-95"),
            ("WO/95.1", "WO_95.1"),
            ("..", "_.."),
            (".git", "_.git"),
            ("", "_"),
        ] {
            assert_eq!(collection_reference(code), reference);
        }
    }

    #[test]
    fn the_same_records_in_any_order_are_the_same_selection() {
        let id = |n| RecordId(Uuid::from_u128(n));
        let one = Selection::RecordIds(vec![id(2), id(1), id(2)]).in_order();
        assert_eq!(one, Selection::RecordIds(vec![id(1), id(2)]).in_order());
        assert_eq!(
            records_reference(&[id(1), id(2)]),
            "export-78d68721debb423c"
        );
        assert_ne!(
            records_reference(&[id(1)]),
            records_reference(&[id(1), id(2)])
        );
    }

    #[test]
    fn a_selection_comes_back_from_its_text() {
        let selection = Selection::RecordIds(vec![RecordId(Uuid::from_u128(1))]);
        let text = serde_json::to_string(&selection).expect("it can be written");
        assert_eq!(
            text,
            r#"{"recordIds":["record_00000000000000000000000001"]}"#
        );
        assert_eq!(
            serde_json::from_str::<Selection>(&text).ok(),
            Some(selection)
        );
    }
}
