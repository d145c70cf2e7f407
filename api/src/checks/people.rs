//! What people do about checks: run them again, or decide over them.
//!
//! Always: nobody decides over malware, or over bytes that never came, or over bytes that changed while they
//! were checked or kept; who decides and why stays with the version and with every check that they waived.

use std::collections::HashMap;

use contract::{
    VersionId,
    checks::{ANTIVIRUS, CHECKSUM},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::{
    Check, Facts, Status, Waiver, decision, dispositions,
    evidence::{Checksum, Evidence},
    is_open, required, second_look,
    service::{Policies, start, write_decision},
    store,
};
use crate::{
    App, Error,
    auth::{Action, Caller},
    collections, text,
    unit::{Happened, Unit, answered},
    versions::{self, Decision, Disposition, Input, Outcome, Version, name, next},
};

/// The most versions that one call may have checked again.
pub const MAX_RERUN: usize = 500;

/// What came of asking for a version's checks, as it is kept for a `clientMutationKey`.
#[derive(Serialize, Deserialize)]
enum Told {
    Queued(VersionId),
    NotFound,
    Forbidden(String),
    BadInput { path: String, message: String },
    Precondition(String),
}

impl Told {
    fn of(outcome: &Result<Version, Error>) -> Result<Self, Error> {
        Ok(match outcome {
            Ok(version) => Self::Queued(VersionId(version.id)),
            Err(Error::NotFound(_)) => Self::NotFound,
            Err(Error::Forbidden(why)) => Self::Forbidden(why.clone()),
            Err(Error::BadInput { path, message }) => Self::BadInput {
                path: path.clone(),
                message: message.clone(),
            },
            Err(Error::Precondition(why)) => Self::Precondition(why.clone()),
            // No refusal of one version is of another sort.
            Err(other) => return Err(other.clone()),
        })
    }

    fn again(self, versions: &HashMap<Uuid, Version>) -> Result<Version, Error> {
        let missing = Error::NotFound("version");
        Err(match self {
            Self::Queued(id) => return versions.get(&id.0).cloned().ok_or(missing),
            Self::NotFound => missing,
            Self::Forbidden(why) => Error::Forbidden(why),
            Self::BadInput { path, message } => Error::BadInput { path, message },
            Self::Precondition(why) => Error::Precondition(why),
        })
    }
}

/// Runs checks again; one outcome a version, in the order asked. Without `kinds`, all that the policy needs.
pub async fn rerun(
    app: &App,
    caller: &Caller,
    key: Option<&str>,
    ids: Vec<Result<VersionId, Error>>,
    kinds: Option<&[String]>,
) -> Result<Vec<Result<Version, Error>>, Error> {
    let mut unit = app.begin(caller).await?;
    let wanted: Vec<Uuid> = ids.iter().flatten().map(|id| id.0).collect();
    let mut rows = versions::store::load_many_for_update(&unit, &wanted).await?;
    let input: Vec<_> = ids.iter().map(|id| id.as_ref().ok()).collect();
    if let Some(answer) = unit.replay("rerunChecks", key, &(input, kinds)).await? {
        let told: Vec<Told> = answered(answer)?;
        let versions = versions::store::lookup_many(unit.db(), &caller.actor, &wanted).await?;
        return Ok(told.into_iter().map(|one| one.again(&versions)).collect());
    }
    let seen = versions::store::lookup_many(unit.db(), &caller.actor, &wanted).await?;
    let mut checks = store::every_run_many(unit.db(), &wanted).await?;
    let policies = Policies::of(&unit, rows.values()).await?;
    let bodies = collections::store::bodies(
        unit.db(),
        &caller.actor,
        rows.values().map(|row| row.collection_id),
    )
    .await?;
    let mut outcomes = Vec::with_capacity(ids.len());
    for id in ids {
        let row = id.and_then(|id| {
            let row = rows.get(&id.0).filter(|row| seen.contains_key(&row.id));
            let row = row.ok_or(Error::NotFound("version"))?;
            let body = bodies
                .get(&row.collection_id)
                .ok_or(Error::NotFound("version"))?;
            caller.may(Action::RerunChecks, &versions::service::resource(row, body))?;
            Ok(row.clone())
        });
        let outcome = match row {
            Ok(row) => {
                let checks = checks.entry(row.id).or_default();
                let (_, rules) = policies.get(&row)?;
                match chosen(kinds, &required(rules)) {
                    Ok(kinds) => again(&mut unit, &row, &kinds, checks).await?,
                    Err(error) => Err(error),
                }
            }
            Err(error) => Err(error),
        };
        if let Ok(version) = &outcome {
            // Named twice, it is asked for again in the state that it is in now.
            rows.insert(version.id, version.clone());
        }
        outcomes.push(outcome);
    }
    let told: Vec<Told> = outcomes.iter().map(Told::of).collect::<Result<_, _>>()?;
    unit.remember(key, told).await?;
    unit.commit().await?;
    Ok(outcomes)
}

fn chosen<'a>(kinds: Option<&[String]>, required: &[&'a str]) -> Result<Vec<&'a str>, Error> {
    let Some(kinds) = kinds else {
        return Ok(required.to_vec());
    };
    let mut chosen: Vec<&str> = Vec::new();
    for kind in kinds {
        let Some(&known) = required.iter().find(|required| *required == kind) else {
            return Err(Error::input(
                "input.kinds",
                format!(
                    "the policy of this version's collection needs {}, not {kind:?}",
                    required.join(", ")
                ),
            ));
        };
        if !chosen.contains(&known) {
            chosen.push(known);
        }
    }
    if chosen.is_empty() {
        return Err(Error::input("input.kinds", "the list is empty"));
    }
    Ok(chosen)
}

/// The outer error ends the call, the inner one is this version's outcome.
async fn again(
    unit: &mut Unit,
    row: &Version,
    kinds: &[&str],
    checks: &mut Vec<Check>,
) -> Result<Result<Version, Error>, Error> {
    if second_look::is_beside(row.status) {
        if let Err(error) = second_look::allowed(kinds, checks) {
            return Ok(Err(error));
        }
        second_look::start(unit, row, checks).await?;
        told_again(unit, row, row.status, kinds);
        return Ok(Ok(row.clone()));
    }
    let mut version = row.clone();
    let status = next(row.status, Input::Rerun).and_then(|status| {
        intact(row)?;
        uploaded(checks)?;
        Ok(status)
    });
    match status {
        Ok(status) => version.status = status,
        Err(error) => return Ok(Err(error)),
    }
    version.disposition = None;
    version.decision = None;
    version.decided_at = None;
    start(unit, &version, kinds, checks).await?;
    told_again(unit, row, version.status, kinds);
    Ok(Ok(versions::store::update(unit, version, row.status).await?))
}

fn told_again(unit: &mut Unit, row: &Version, status: versions::Status, kinds: &[&str]) {
    unit.event(
        VersionId(row.id),
        Happened {
            action: "version.checksRerun",
            collection_id: Some(row.collection_id),
            record_id: Some(row.record_id),
            before: Some(json!({"status": name(row.status), "decision": row.decision})),
            after: Some(json!({"status": name(status), "kinds": kinds})),
        },
    );
}

/// What the checks said was said of other bytes.
fn intact(row: &Version) -> Result<(), Error> {
    match row.damaged_at {
        None => Ok(()),
        Some(since) => Err(Error::Precondition(format!(
            "its kept bytes are not those that were accepted, since {} or longer: put them back and have it verified \
             (verifyNow), then decide",
            since.format("%Y-%m-%d %H:%M UTC")
        ))),
    }
}

fn uploaded(checks: &[Check]) -> Result<(), Error> {
    if checks.is_empty() {
        Err(Error::Precondition(
            "its bytes never came: there is nothing to check".into(),
        ))
    } else {
        Ok(())
    }
}

/// How a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, async_graphql::Enum)]
#[graphql(name = "VersionVerdict")]
pub enum Verdict {
    /// It is kept; checks that did not pass are waived.
    Accept,
    /// It is refused.
    Reject,
}

/// A person decides over what the checks said.
pub async fn decide(
    app: &App,
    caller: &Caller,
    id: VersionId,
    verdict: Verdict,
    reason: &str,
) -> Result<Version, Error> {
    text::check("input.reason", reason, text::REASON)?;
    let mut unit = app.begin(caller).await?;
    let found = versions::store::lookup(unit.db(), &caller.actor, id.0).await?;
    found.ok_or(Error::NotFound("version"))?;
    let row = versions::store::load_for_update(&unit, id.0)
        .await?
        .ok_or(Error::NotFound("version"))?;
    let collection = collections::store::load(unit.db(), row.collection_id)
        .await?
        .ok_or(Error::NotFound("version"))?;
    let resource = versions::service::resource(&row, &collection.body);
    caller.may(Action::DecideVersion, &resource)?;
    let checks = store::current_many(unit.db(), &[row.id])
        .await?
        .remove(&row.id)
        .unwrap_or_default();
    let policies = Policies::of(&unit, [&row]).await?;
    let (revision, rules) = policies.get(&row)?;
    let required = required(rules);
    let decision = Decision {
        outcome: match verdict {
            Verdict::Accept => Outcome::Accept,
            Verdict::Reject => Outcome::Reject,
        },
        policy_revision: revision,
        by: caller.actor.subject.clone(),
        reasons: vec![reason.to_owned()],
        warnings: Vec::new(),
        at: unit.now(),
    };
    let row = match verdict {
        Verdict::Accept => accept(&mut unit, row, &checks, &required, decision).await?,
        Verdict::Reject => reject(&mut unit, row, decision).await?,
    };
    unit.commit().await?;
    app.jobs_waiting().notify_one();
    Ok(row)
}

async fn reject(unit: &mut Unit, mut row: Version, decision: Decision) -> Result<Version, Error> {
    let was = row.status;
    row.status = next(was, Input::PersonRejects)?;
    row.disposition = None;
    row.decided_at = Some(unit.now());
    write_decision(unit, &mut row, was, &decision, "version.rejectedByPerson");
    Ok(versions::store::update(unit, row, was).await?)
}

async fn accept(
    unit: &mut Unit,
    mut row: Version,
    checks: &[Check],
    required: &[&str],
    mut decision: Decision,
) -> Result<Version, Error> {
    let was = row.status;
    row.status = next(was, Input::PersonAccepts)?;
    intact(&row)?;
    uploaded(checks)?;
    acceptable(checks)?;
    let missing = missing(required, checks);
    if !missing.is_empty() {
        return Err(Error::Precondition(format!(
            "the policy needs {} now, which was never begun; run the checks again",
            missing.join(", ")
        )));
    }
    let waived: Vec<&Check> = checks
        .iter()
        .filter(|check| check.status != Status::Passed)
        .collect();
    decision.warnings = waived
        .iter()
        .map(|check| {
            let detail = check.detail.as_deref().unwrap_or("no detail");
            format!(
                "{} {}, waived: {detail}",
                check.kind,
                super::name(check.status)
            )
        })
        .collect();
    let signed = Waiver {
        by: decision.by.clone(),
        reason: decision.reasons.join("; "),
        at: decision.at,
    };
    store::waive(
        unit,
        waived.iter().map(|check| check.id).collect(),
        json!(signed),
    )
    .await?;
    if let Some(checksum) = waived.iter().find(|check| check.kind == CHECKSUM) {
        take_as_measured(unit, &mut row, was, checksum);
    }
    write_decision(unit, &mut row, was, &decision, "version.acceptedByPerson");
    let (row, _) = dispositions::order(unit, row, was, Disposition::Accept, None).await?;
    Ok(row)
}

/// What the policy needs and nobody has begun.
fn missing<'a>(required: &[&'a str], checks: &[Check]) -> Vec<&'a str> {
    let begun = |kind: &str| checks.iter().any(|check| check.kind == kind);
    required
        .iter()
        .copied()
        .filter(|kind| !begun(kind))
        .collect()
}

fn acceptable(checks: &[Check]) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::Precondition(why.to_owned()));
    if checks.iter().any(|check| is_open(check.status)) {
        return refuse("its checks are under way");
    }
    if checks
        .iter()
        .any(|check| check.kind == ANTIVIRUS && check.status == Status::Failed)
    {
        return refuse("malware is never accepted");
    }
    let checksum = checks.iter().find(|check| check.kind == CHECKSUM);
    if checksum.and_then(measured).is_none() {
        return refuse("its bytes were never read in full; run the checks again");
    }
    let facts: Vec<Facts> = checks.iter().map(Facts::from).collect();
    if !decision::same_bytes(&facts.iter().collect::<Vec<_>>()) {
        return refuse("its bytes changed while they were checked; run the checks again");
    }
    Ok(())
}

/// What a CHECKSUM check has measured, in full.
fn measured(check: &Check) -> Option<Checksum> {
    let evidence: Evidence = serde_json::from_value(check.evidence.clone()?).ok()?;
    evidence.object_etag.as_ref()?;
    evidence.checksum.filter(Checksum::is_well_formed)
}

/// Who waives the checksum takes the bytes as they are: from now on, size and digest are those that were
/// measured, so that exports and fixity checks hold. What was declared stays in the event and the check.
fn take_as_measured(unit: &mut Unit, row: &mut Version, was: versions::Status, check: &Check) {
    let Some(measured) = measured(check) else {
        return;
    };
    unit.event(
        VersionId(row.id),
        Happened {
            action: "version.takenAsMeasured",
            collection_id: Some(row.collection_id),
            record_id: Some(row.record_id),
            before: Some(json!({"size": row.size, "sha256": row.sha256})),
            after: Some(json!({"size": measured.size, "sha256": measured.sha256})),
        },
    );
    unit.count_version(row.transfer_id, Some(was), None, row.size);
    unit.count_version(row.transfer_id, None, Some(was), measured.size);
    row.size = measured.size;
    row.sha256 = measured.sha256;
}
