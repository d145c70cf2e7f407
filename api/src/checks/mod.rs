//! Checks: what was looked at in a version, what came of it, and what follows under the policy.
//!
//! Owns the results, how the API derives them from evidence (`evidence`), the decision (`decision`) and why
//! something waits (`waiting`). Does not own how the work reaches a worker (`jobs`) or the state machine of
//! a version (`versions`).
//!
//! Always: a result is written once per (version, kind, run), and evidence is never overwritten; a version
//! passes only if every required check has a current result that passed, was waived by a named person, or
//! is taken by the policy.

pub mod decision;
pub mod dispositions;
pub mod evidence;
pub mod graphql;
pub mod people;
pub mod reports;
pub mod second_look;
pub mod service;
pub mod store;
pub mod waiting;

#[cfg(test)]
mod tests;

use chrono::{DateTime, Utc};
use contract::{checks, messages::JOBS_QUEUE};
use serde::{Deserialize, Serialize};

use crate::{collections::Rules, versions::Version};

pub use decision::{Decided, Facts, Weighed, decide};
pub use entity::check::{Model as Check, Status};
pub use waiting::why_waiting;

/// Whether it has no result yet.
pub fn is_open(status: Status) -> bool {
    matches!(status, Status::Pending | Status::Running)
}

/// Whether a worker's result for it is wanted: the current run, and of an accepted version the run of a second
/// look ([`second_look`]) too.
pub fn is_wanted(check: &Check, version: &Version) -> bool {
    is_open(check.status) && (check.current || second_look::is_beside(version.status))
}

/// As it stands on the wire and in the table.
pub fn name(status: Status) -> &'static str {
    match status {
        Status::Pending => "PENDING",
        Status::Running => "RUNNING",
        Status::Passed => "PASSED",
        Status::Failed => "FAILED",
        Status::Inconclusive => "INCONCLUSIVE",
    }
}

/// The queue whose workers run this kind of check.
pub fn queue_of(kind: &str) -> &str {
    if checks::BUILT_IN.contains(&kind) {
        JOBS_QUEUE
    } else {
        kind
    }
}

/// The checks that a version needs under these rules: the built-in ones always, then further ones.
pub fn required(rules: &Rules) -> Vec<&str> {
    let further = rules.required_checks.iter().map(String::as_str);
    let mut kinds: Vec<&str> = checks::BUILT_IN.into_iter().collect();
    for kind in further {
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    kinds
}

/// A person takes responsibility for a check that did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiver {
    /// Subject of the person.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: DateTime<Utc>,
}

/// The waiver of a check.
pub fn waiver(check: &Check) -> Option<Waiver> {
    serde_json::from_value(check.waiver.clone()?).ok()
}
