//! Why a version waits, for people. Pure.
//!
//! Always: whatever is undecided has a text.

use chrono::{DateTime, Utc};

use super::{Check, is_open, name};
use crate::{
    jobs::{self, Job},
    versions::{self, Status, Version},
};

/// Why a version waits, from its current checks and the jobs about it that have not ended; `None` when it
/// waits for nothing.
pub fn why_waiting(
    version: &Version,
    checks: &[Check],
    jobs: &[Job],
    now: DateTime<Utc>,
) -> Option<String> {
    match version.status {
        Status::AwaitingUpload if version.ticket_expires_at > now => Some(format!(
            "waiting for its bytes until {}",
            version.ticket_expires_at.format("%Y-%m-%d %H:%M UTC")
        )),
        Status::AwaitingUpload => {
            Some("its bytes never came; it is about to be abandoned".to_owned())
        }
        Status::Checking => Some(checking(version, checks, jobs, now)),
        Status::NeedsReview => Some(review(version)),
        // What was decided waits for nothing, but it may be looked at again.
        Status::Accepted
            if checks
                .iter()
                .any(|check| !check.current && is_open(check.status)) =>
        {
            Some(checking(version, checks, jobs, now))
        }
        Status::Accepted | Status::Rejected | Status::Quarantined | Status::Abandoned => None,
    }
}

fn checking(version: &Version, checks: &[Check], jobs: &[Job], now: DateTime<Utc>) -> String {
    let what = if version.disposition.is_some() {
        "decided; its bytes are to be moved".to_owned()
    } else {
        let open: Vec<String> = checks
            .iter()
            .filter(|check| is_open(check.status))
            .map(|check| format!("{} {}", check.kind, name(check.status)))
            .collect();
        if open.is_empty() {
            "its checks are to begin".to_owned()
        } else {
            open.join(", ")
        }
    };
    let whose: Vec<String> = jobs
        .iter()
        .filter_map(|job| jobs::why_waiting(job, now))
        .collect();
    if whose.is_empty() {
        what
    } else {
        format!("{what}: {}", whose.join("; "))
    }
}

fn review(version: &Version) -> String {
    let reasons = versions::decision(version)
        .map(|decision| decision.reasons.join("; "))
        .filter(|reasons| !reasons.is_empty());
    match reasons {
        Some(reasons) => format!("an archivist must decide: {reasons}"),
        None => "an archivist must decide".to_owned(),
    }
}
