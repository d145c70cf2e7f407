//! Starting checks, and what follows when the last result is there.
//!
//! Always: the decision, the version's new state, the event and the follow-up job are one transaction with
//! the last result.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contract::VersionId;
use entity::job;
use sea_orm::DbErr;
use serde_json::json;
use uuid::Uuid;

use super::{
    Check, Decided, Facts, Status, Weighed, decide, dispositions, is_wanted, queue_of, required,
    second_look, store,
};
use crate::{
    App, Error,
    collections::{self, Rules},
    jobs::{self, lease::Grant},
    unit::{Happened, NewJob, Unit},
    versions::{self, Decision, Disposition, Outcome, Version, name},
};

/// Starts the checks of versions whose bytes have just come: rows and jobs in bulk.
pub async fn start_for_upload(unit: &mut Unit, versions: &[Version]) -> Result<(), Error> {
    let policies = Policies::of(unit, versions).await?;
    let mut rows = Vec::new();
    for version in versions {
        let (_, rules) = policies.get(version)?;
        let kinds = required(rules);
        rows.extend(kinds.iter().map(|kind| pending(unit, version, kind, 1)));
        queue(unit, version, &kinds);
    }
    Ok(store::insert_many(unit, rows).await?)
}

/// Starts the next run of these kinds on one version. `checks` are its current ones or all that there ever were,
/// and are kept up to date.
pub async fn start(
    unit: &mut Unit,
    version: &Version,
    kinds: &[&str],
    checks: &mut Vec<Check>,
) -> Result<(), Error> {
    let older: Vec<Check> = checks
        .extract_if(.., |check| {
            check.current && kinds.contains(&check.kind.as_str())
        })
        .collect();
    let rows: Vec<Check> = kinds
        .iter()
        .map(|kind| {
            let last = older
                .iter()
                .chain(checks.iter())
                .filter(|check| check.kind == **kind)
                .map(|check| check.run)
                .max();
            pending(unit, version, kind, last.unwrap_or(0) + 1)
        })
        .collect();
    store::retire(unit, older.iter().map(|check| check.id).collect()).await?;
    store::insert_many(unit, rows.clone()).await?;
    checks.extend(rows);
    queue(unit, version, kinds);
    Ok(())
}

/// A run that is yet to begin.
pub(crate) fn pending(unit: &Unit, version: &Version, kind: &str, run: i32) -> Check {
    Check {
        id: unit.id(),
        version_id: version.id,
        kind: kind.to_owned(),
        run,
        current: true,
        status: Status::Pending,
        engine: None,
        engine_version: None,
        signature_version: None,
        bytes_looked: None,
        detail: None,
        evidence: None,
        digest: None,
        waiver: None,
        started_at: None,
        finished_at: None,
        created_at: unit.now(),
    }
}

/// One job for each queue that these kinds need.
pub(super) fn queue(unit: &mut Unit, version: &Version, kinds: &[&str]) {
    let queues: BTreeSet<&str> = kinds.iter().map(|kind| queue_of(kind)).collect();
    for queue in queues {
        unit.job(NewJob {
            kind: job::Kind::Check,
            queue: queue.to_owned(),
            subject_id: version.id,
            lane: version.transfer_id,
            lease: None,
        });
    }
}

/// The policies in force of the collections of some versions.
pub struct Policies(BTreeMap<Uuid, (i32, Rules)>);

impl Policies {
    /// Reads them with one statement.
    pub async fn of(
        unit: &Unit,
        versions: impl IntoIterator<Item = &Version>,
    ) -> Result<Self, Error> {
        let ids: BTreeSet<Uuid> = versions
            .into_iter()
            .map(|version| version.collection_id)
            .collect();
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let rows = collections::store::current_policies(unit.db(), &ids).await?;
        let mut policies = BTreeMap::new();
        for (id, row) in rows {
            policies.insert(id, (row.revision, collections::store::rules(&row)?));
        }
        Ok(Self(policies))
    }

    /// The one of a version: its revision and its rules.
    pub fn get(&self, version: &Version) -> Result<(i32, &Rules), Error> {
        self.0
            .get(&version.collection_id)
            .map(|(revision, rules)| (*revision, rules))
            .ok_or_else(|| {
                Error::Internal(format!(
                    "collection {} has no policy",
                    version.collection_id
                ))
            })
    }
}

/// Saves a version whose results have changed, decided if they are all there. Answers the disposition that
/// follows: under `grant`, if that is given, else to be announced.
pub async fn settle(
    unit: &mut Unit,
    version: Version,
    (revision, rules): (i32, &Rules),
    checks: &mut Vec<Check>,
    grant: Option<&Grant>,
) -> Result<(Version, Option<contract::JobId>), Error> {
    let was = version.status;
    if was == versions::Status::Checking && version.disposition.is_none() {
        let facts: Vec<Facts> = checks
            .iter()
            .filter(|check| check.current)
            .map(Facts::from)
            .collect();
        match decide(rules, &facts) {
            Weighed::Decided(decided) => {
                return apply(unit, version, revision, decided, grant).await;
            }
            Weighed::Wait { missing } => {
                let missing: Vec<&str> = missing.iter().map(String::as_str).collect();
                if !missing.is_empty() {
                    start(unit, &version, &missing, checks).await?;
                }
            }
        }
    }
    Ok((versions::store::update(unit, version, was).await?, None))
}

async fn apply(
    unit: &mut Unit,
    mut version: Version,
    revision: i32,
    decided: Decided,
    grant: Option<&Grant>,
) -> Result<(Version, Option<contract::JobId>), Error> {
    let was = version.status;
    let outcome = decided.outcome;
    version.status = versions::next(was, versions::Input::Decided(outcome))?;
    let decision = Decision {
        outcome,
        policy_revision: revision,
        by: "policy".into(),
        reasons: decided.reasons,
        warnings: decided.warnings,
        at: unit.now(),
    };
    write_decision(unit, &mut version, was, &decision, "version.decided");
    match outcome {
        Outcome::Accept => {
            dispositions::order(unit, version, was, Disposition::Accept, grant).await
        }
        Outcome::Quarantine => {
            dispositions::order(unit, version, was, Disposition::Quarantine, grant).await
        }
        Outcome::Reject | Outcome::Review => {
            version.decided_at = (outcome == Outcome::Reject).then_some(unit.now());
            Ok((versions::store::update(unit, version, was).await?, None))
        }
    }
}

/// Keeps a decision with its version, and the event that says so.
pub(crate) fn write_decision(
    unit: &mut Unit,
    version: &mut Version,
    was: versions::Status,
    decision: &Decision,
    action: &'static str,
) {
    version.decision = Some(json!(decision));
    unit.event(
        VersionId(version.id),
        Happened {
            action,
            collection_id: Some(version.collection_id),
            record_id: Some(version.record_id),
            before: Some(json!({"status": name(was)})),
            after: Some(json!({"status": name(version.status), "decision": decision})),
        },
    );
}

/// A job for checks was given up: those of its queue that have no result never will. The caller has locked
/// the version.
pub async fn give_up(
    unit: &mut Unit,
    version: Version,
    queue: &str,
    why: &str,
) -> Result<(), Error> {
    let mut checks = store::current_or_open_many(unit.db(), &[version.id])
        .await?
        .remove(&version.id)
        .unwrap_or_default();
    for check in &mut checks {
        if is_wanted(check, &version) && queue_of(&check.kind) == queue {
            check.status = Status::Inconclusive;
            check.detail = Some(why.to_owned());
            check.finished_at = Some(unit.now());
            *check = store::update(unit, check.clone()).await?;
        }
    }
    let policies = Policies::of(unit, [&version]).await?;
    let policy = policies.get(&version)?;
    settle(unit, version, policy, &mut checks, None).await?;
    Ok(())
}

/// Why a version waits, for people; `None` when it waits for nothing.
pub async fn why_waiting(app: &App, version: &Version) -> Result<Option<String>, Error> {
    let mut texts = explain(app, std::slice::from_ref(version)).await?;
    Ok(texts.remove(&version.id))
}

/// Why some versions wait, with three statements for all of them.
pub async fn why_waiting_many(app: &App, ids: &[Uuid]) -> Result<HashMap<Uuid, String>, DbErr> {
    let rows = versions::store::load_many(app.database(), ids).await?;
    explain(app, &rows.into_values().collect::<Vec<_>>()).await
}

async fn explain(app: &App, rows: &[Version]) -> Result<HashMap<Uuid, String>, DbErr> {
    let under_way: Vec<Uuid> = rows
        .iter()
        .filter(|row| {
            row.status == versions::Status::Checking || second_look::is_beside(row.status)
        })
        .map(|row| row.id)
        .collect();
    let (mut checks, mut jobs) = (HashMap::new(), HashMap::new());
    if !under_way.is_empty() {
        checks = store::current_or_open_many(app.database(), &under_way).await?;
        jobs = jobs::store::open_of_subjects(app.database(), under_way).await?;
    }
    let now = app.clock().now();
    Ok(rows
        .iter()
        .filter_map(|row| {
            let checks = checks.remove(&row.id).unwrap_or_default();
            let jobs = jobs.remove(&row.id).unwrap_or_default();
            Some((row.id, super::why_waiting(row, &checks, &jobs, now)?))
        })
        .collect())
}
