//! Identifying again what has been accepted: after an update of the signatures.
//!
//! Owns what may be run on an accepted version, and what becomes of the result. Does not own the runs of
//! versions that are not decided (`service`).
//!
//! Always: the version stays ACCEPTED, and for each check exactly one result counts, which passed or was waived:
//! a second look is not the current run until it has passed, and else it stays in the history, with an event.

use contract::{VersionId, checks::FORMAT};
use serde_json::{Value, json};

use super::{
    Check, Status, is_open, name,
    reports::CheckResult,
    service::{pending, queue},
    store,
};
use crate::{
    Error,
    collections::Rules,
    unit::{Happened, Unit},
    versions::{self, Version},
};

/// What may be run on an accepted version.
pub fn allowed(kinds: &[&str], runs: &[Check]) -> Result<(), Error> {
    if kinds != [FORMAT] {
        return Err(Error::Precondition(
            "an accepted version stays as it was decided: only FORMAT can be run on it again"
                .into(),
        ));
    }
    if runs
        .iter()
        .any(|run| run.kind == FORMAT && is_open(run.status))
    {
        return Err(Error::Precondition("it is being identified already".into()));
    }
    Ok(())
}

/// Starts a run of FORMAT beside the current one. `runs` are all that there ever were.
pub async fn start(unit: &mut Unit, version: &Version, runs: &mut Vec<Check>) -> Result<(), Error> {
    let last = runs.iter().filter(|run| run.kind == FORMAT);
    let last = last.map(|run| run.run).max().unwrap_or(0);
    let row = Check {
        current: false,
        ..pending(unit, version, FORMAT, last + 1)
    };
    store::insert_many(unit, vec![row.clone()]).await?;
    runs.push(row);
    queue(unit, version, &[FORMAT]);
    Ok(())
}

/// A run beside the current one has its result, at `at` in `checks`: it takes the place of the current one if it
/// passed.
pub async fn ended(
    unit: &mut Unit,
    version: &mut Version,
    rules: &Rules,
    checks: &mut [Check],
    at: usize,
    result: &CheckResult,
) -> Result<(), Error> {
    let before = checks
        .iter()
        .position(|check| check.current && check.kind == checks[at].kind);
    let was = told(version, before.map(|before| &checks[before]));
    let counts = checks[at].status == Status::Passed;
    if counts {
        if let Some(before) = before {
            store::retire(unit, vec![checks[before].id]).await?;
            checks[before].current = false;
        }
        checks[at].current = true;
        checks[at] = store::update(unit, checks[at].clone()).await?;
        super::reports::keep_format(version, rules, result);
    }
    let after = if counts {
        told(version, Some(&checks[at]))
    } else {
        let found = result.evidence.format.as_ref();
        let puid = found
            .and_then(|format| format.matches.first())
            .map(|best| &best.puid);
        json!({"puid": puid, "run": checks[at].run, "signatureVersion": checks[at].signature_version,
            "status": name(checks[at].status), "detail": checks[at].detail})
    };
    unit.event(
        VersionId(version.id),
        Happened {
            action: if counts {
                "version.identifiedAgain"
            } else {
                "version.notIdentifiedAgain"
            },
            collection_id: Some(version.collection_id),
            record_id: Some(version.record_id),
            before: Some(was),
            after: Some(after),
        },
    );
    Ok(())
}

/// A version has left ACCEPTED: what was being found out beside its decision is not any more.
pub async fn cut_off(unit: &Unit, version: &Version) -> Result<(), Error> {
    let runs = store::current_or_open_many(unit.db(), &[version.id]).await?;
    for run in runs.into_values().flatten() {
        if !run.current && is_open(run.status) {
            let ended = Check {
                status: Status::Inconclusive,
                detail: Some("the version left ACCEPTED before this run had ended".into()),
                finished_at: Some(unit.now()),
                ..run
            };
            store::update(unit, ended).await?;
        }
    }
    Ok(())
}

fn told(version: &Version, check: Option<&Check>) -> Value {
    json!({
        "puid": version.puid,
        "run": check.map(|check| check.run),
        "signatureVersion": check.and_then(|check| check.signature_version.as_deref()),
    })
}

/// Whether versions that stand so are looked at beside what was decided.
pub fn is_beside(status: versions::Status) -> bool {
    status == versions::Status::Accepted
}
