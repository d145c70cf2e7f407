//! Fixity: whether what is kept is still what was accepted.
//!
//! Owns what is compared with what ([`judge`]), when something is due, the checks and their outcomes, and the
//! runs that people ask for. Does not own the reading (worker) or the state machine of a version (`versions`).
//!
//! Always: the worker measures and the API judges; what could not be read is neither good nor damaged; a
//! version that is known to be damaged leaves ACCEPTED, and comes back only after it was verified again.

pub mod graphql;
pub mod reports;
pub mod runs;
pub mod schedule;
pub mod service;
pub mod store;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests;

use chrono::{DateTime, TimeDelta, Utc};
use contract::{CollectionId, ExportId, RecordId, TransferId};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Error,
    versions::{Place, Status, Version},
};

pub use entity::{
    fixity_check::{Model as FixityCheck, Outcome},
    fixity_run::{Model as FixityRun, Stage},
};

/// How often what is kept is read again, unless a collection says otherwise: what nobody reads, nobody knows
/// to be there.
pub const EVERY_DAYS: i32 = 90;
/// How often a finished package is read again while it is kept.
pub const EXPORT_EVERY_DAYS: i32 = 7;
/// What could not be read is tried again by the schedule after so many hours.
pub const AGAIN_HOURS: i64 = 24;

/// The lane of the jobs that the schedule makes.
pub const SCHEDULED_LANE: Uuid = Uuid::from_u128(u128::MAX - 1);
/// The lane of the jobs that people ask for.
pub const ASKED_LANE: Uuid = Uuid::max();
/// How many jobs of either lane are announced at a time, whatever other lanes may: they wait for checks of
/// uploads, not the other way round.
pub const IN_FLIGHT: i64 = 16;

/// Whether a lane is one of those whose jobs are in no hurry.
pub fn is_unhurried(lane: Uuid) -> bool {
    [SCHEDULED_LANE, ASKED_LANE].contains(&lane)
}

/// How often what a collection keeps is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// When so many days have passed; `None`: never.
    pub every_days: Option<i32>,
    /// At most so many bytes in a day, unless it is one file; `None`: as many as there are.
    pub bytes_per_day: Option<i64>,
}

impl Schedule {
    /// Refuses one that makes no sense.
    pub fn check(&self, path: &str) -> Result<(), Error> {
        if self
            .every_days
            .is_some_and(|days| !(1..=3_650).contains(&days))
        {
            let message = "1 to 3650 days; null: never";
            return Err(Error::input(format!("{path}.everyDays"), message));
        }
        if self.bytes_per_day.is_some_and(|bytes| bytes < 1) {
            let message = "at least 1 byte; null: no limit";
            return Err(Error::input(format!("{path}.bytesPerDay"), message));
        }
        Ok(())
    }

    /// What was verified before then is due.
    pub fn cut_off(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.every_days.map(|days| due_before(now, days))
    }
}

/// What was verified before then is due, if it is to be verified every so many days.
pub fn due_before(now: DateTime<Utc>, days: i32) -> DateTime<Utc> {
    now - TimeDelta::days(days.into())
}

/// How many of these sizes, in their order, go into what is left of a day's bytes. `spent`: how many bytes the
/// day had already. What is larger than a whole day's bytes goes alone.
pub fn within(budget: Option<i64>, spent: i64, sizes: impl IntoIterator<Item = i64>) -> usize {
    let sizes = sizes.into_iter();
    let Some(budget) = budget else {
        return sizes.count();
    };
    let mut sum = spent;
    sizes
        .take_while(|size| {
            let alone = sum == 0;
            sum = sum.saturating_add((*size).max(1));
            alone || sum <= budget
        })
        .count()
}

/// What somebody wants to have verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Selection {
    /// Every version of a record.
    RecordId(RecordId),
    /// What is kept of a transfer, and its packages.
    TransferId(TransferId),
    /// What is kept of a collection, and its packages.
    CollectionId(CollectionId),
    /// A package.
    ExportId(ExportId),
    /// All that is kept.
    Everything,
}

/// Whether a version has kept bytes to verify. One that was found damaged has, whatever people decided about it since:
/// else it could never be found whole again.
pub fn is_kept(version: &Version) -> bool {
    version.place == Place::Records
        && (matches!(version.status, Status::Accepted | Status::NeedsReview)
            || version.damaged_at.is_some())
}

/// Size and digests; those that are not known are left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Digests {
    /// In bytes.
    pub size: i64,
    /// 64 hex digits in lower case.
    pub sha256: String,
    /// 128 hex digits in lower case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha512: Option<String>,
}

impl Digests {
    /// What of it differs from `kept`, in words; nothing where all that both know is alike.
    fn differences(&self, kept: &Self) -> Vec<String> {
        let mut found = Vec::new();
        if self.size != kept.size {
            found.push(format!("{} bytes instead of {}", self.size, kept.size));
        }
        if self.sha256 != kept.sha256 {
            found.push(format!(
                "SHA-256 {} instead of {}",
                self.sha256, kept.sha256
            ));
        }
        if let (Some(is), Some(was)) = (&self.sha512, &kept.sha512)
            && is != was
        {
            found.push(format!("SHA-512 {is} instead of {was}"));
        }
        found
    }
}

/// What is known of something that is kept: from two places, so that one of them may be wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// What its row says.
    pub row: Digests,
    /// What was measured when it was checked; `None`: it cannot be read any more, though nothing is accepted without.
    pub checked: Option<Digests>,
}

/// What a worker found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// Bytes that amount to this.
    Measured(Digests),
    /// Nothing, and the store says so.
    Missing,
}

/// Compares what was found with what is known, and says what is wrong with which of them.
pub fn judge(expected: &Expected, finding: &Finding) -> (Outcome, Option<String>) {
    let measured = match finding {
        Finding::Measured(measured) => measured,
        Finding::Missing => {
            return (
                Outcome::Missing,
                Some("the object is not in the object store any more".to_owned()),
            );
        }
    };
    let row = measured.differences(&expected.row);
    let checked = expected
        .checked
        .as_ref()
        .map(|checked| measured.differences(checked));
    let text = match (row.is_empty(), checked) {
        (true, None) => "the object is what the database says, but the result of its CHECKSUM check is gone or cannot be \
            read: nothing says what was accepted"
            .to_owned(),
        (true, Some(checked)) if checked.is_empty() => return (Outcome::Match, None),
        (true, Some(checked)) => format!(
            "the object is what the database says, but the result of its CHECKSUM check has been changed: {}",
            checked.join(", ")
        ),
        (false, Some(checked)) if checked.is_empty() => format!(
            "the object is what was checked when it came, but what the database says of it has been changed: {}",
            row.join(", ")
        ),
        (false, _) => format!("the object is not what was accepted: {}", row.join(", ")),
    };
    (Outcome::Mismatch, Some(text))
}

/// Compares a package with what it was when it was made.
pub fn judge_package(made: &Digests, finding: &Finding) -> (Outcome, Option<String>) {
    let measured = match finding {
        Finding::Measured(measured) => measured,
        Finding::Missing => {
            let text = "the package is not in the object store any more";
            return (Outcome::Missing, Some(text.to_owned()));
        }
    };
    let found = measured.differences(made);
    if found.is_empty() {
        return (Outcome::Match, None);
    }
    let text = format!(
        "the package is not the one that was made: {}",
        found.join(", ")
    );
    (Outcome::Mismatch, Some(text))
}

/// As it stands on the wire and in the table.
pub fn name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Match => "MATCH",
        Outcome::Mismatch => "MISMATCH",
        Outcome::Missing => "MISSING",
        Outcome::Unreadable => "UNREADABLE",
        Outcome::NotKept => "NOT_KEPT",
    }
}

/// Whether it says that something is wrong with what is kept.
pub fn is_damage(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Mismatch | Outcome::Missing)
}

/// How many of a run have not ended.
pub fn outstanding(run: &FixityRun) -> i64 {
    (run.asked - ended(run)).max(0)
}

fn ended(run: &FixityRun) -> i64 {
    run.verified + run.mismatched + run.missing + run.unreadable
}

/// Counts what came of one of its checks.
pub fn count(run: &mut FixityRun, outcome: Outcome) {
    match outcome {
        Outcome::Match => run.verified += 1,
        Outcome::Mismatch => run.mismatched += 1,
        Outcome::Missing => run.missing += 1,
        Outcome::Unreadable => run.unreadable += 1,
        // It was to be verified, and is no more.
        Outcome::NotKept => {
            run.asked -= 1;
            run.scheduled -= 1;
        }
    }
}

/// Whether all of a run has ended.
pub fn has_ended(run: &FixityRun) -> bool {
    run.stage == Stage::Done && ended(run) >= run.scheduled
}
