//! What else can be done about fixity: setting a schedule, and reading what came of checks.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use contract::{CollectionId, FixityRunId};
use serde_json::json;
use uuid::Uuid;

use super::{EXPORT_EVERY_DAYS, FixityRun, Schedule, due_before, store};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    collections::{self, Collection},
    exports::{self, Export},
    jobs,
    page::{Args, Page},
    unit::{Happened, check_revision},
    versions::{Status, Version},
};

/// The schedule of a collection.
pub fn schedule(collection: &Collection) -> Schedule {
    Schedule {
        every_days: collection.fixity_every_days,
        bytes_per_day: collection.fixity_bytes_per_day,
    }
}

/// Sets how often what a collection keeps is verified. Who may set its policy may.
pub async fn set_schedule(
    app: &App,
    caller: &Caller,
    id: CollectionId,
    expected_revision: i32,
    new: Schedule,
) -> Result<Collection, Error> {
    new.check("input")?;
    let mut unit = app.begin(caller).await?;
    let mut row = collections::store::load_for_update(&unit, id.0)
        .await?
        .ok_or(Error::NotFound("collection"))?;
    caller.may(Action::SetPolicy, &collections::service::resource(&row))?;
    check_revision(row.revision, Some(expected_revision))?;
    let before = schedule(&row);
    (row.fixity_every_days, row.fixity_bytes_per_day) = (new.every_days, new.bytes_per_day);
    row.revision += 1;
    let row = collections::store::update(&unit, row).await?;
    unit.event(
        id,
        Happened {
            action: "collection.fixityScheduleSet",
            collection_id: Some(id.0),
            before: Some(json!(before)),
            after: Some(json!(new)),
            ..Happened::default()
        },
    );
    unit.commit().await?;
    Ok(row)
}

/// A page of runs, newest first.
pub async fn runs(app: &App, caller: &Caller, args: &Args) -> Result<Page<FixityRun>, Error> {
    caller.may(Action::VerifyFixity, &Resource::default())?;
    store::runs(app.database(), &caller.actor, args).await
}

/// What runs that have not ended wait for, for people: what the oldest of their checks waits for.
pub async fn why_waiting_many(app: &App, runs: &[Uuid]) -> Result<HashMap<Uuid, String>, Error> {
    let checks = store::oldest_open(app.database(), runs).await?;
    let jobs = jobs::store::open_of_subjects(app.database(), checks.values().copied()).await?;
    let now = app.clock().now();
    let why = |run: &Uuid| {
        let Some(check) = checks.get(run) else {
            return "its next checks are about to be asked for".to_owned();
        };
        let mut jobs = jobs.get(check).into_iter().flatten();
        jobs.find_map(|job| jobs::why_waiting(job, now))
            .unwrap_or_else(|| format!("{} goes on", FixityRunId(*run)))
    };
    Ok(runs.iter().map(|run| (*run, why(run))).collect())
}

/// Whether a version should have been verified by now.
pub fn is_overdue(version: &Version, schedule: &Schedule, now: DateTime<Utc>) -> bool {
    let since = version.verified_at.or(version.decided_at);
    let due = schedule.cut_off(now).zip(since);
    version.status == Status::Accepted && due.is_some_and(|(before, since)| since <= before)
}

/// Whether a package should have been verified by now.
pub fn is_package_overdue(export: &Export, now: DateTime<Utc>) -> bool {
    let since = export.verified_at.or(export.finished_at);
    export.status == exports::Status::Ready
        && since.is_some_and(|since| since <= due_before(now, EXPORT_EVERY_DAYS))
}

/// The most versions that the gauges count: beyond that it is enough to know that there are many.
const COUNTED: u64 = 10_000;

/// Counts what should have been verified by now, and what is known to be damaged, for Prometheus.
pub async fn measure(app: &App) -> Result<(), Error> {
    let now = app.clock().now();
    let mut overdue = store::Sum::default();
    for days in store::intervals(app.database()).await? {
        let before = due_before(now, days);
        let more = store::overdue(app.database(), days, before, COUNTED).await?;
        overdue.count += more.count;
        overdue.bytes += more.bytes;
    }
    let damaged = store::damaged(app.database(), COUNTED).await?;
    metrics::gauge!("muniment_fixity_overdue_versions").set(number(overdue.count));
    metrics::gauge!("muniment_fixity_overdue_bytes").set(number(overdue.bytes));
    let damaged = i64::try_from(damaged).unwrap_or(i64::MAX);
    metrics::gauge!("muniment_fixity_damaged_versions").set(number(damaged));
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no count of ours comes near 2^52"
)]
fn number(count: i64) -> f64 {
    count as f64
}
