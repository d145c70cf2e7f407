//! What the schedules of collections have verified: what was longest not verified comes first, within the
//! bytes that a collection gives to a day.
//!
//! Always: no more than [`MOST_OPEN`] checks of the schedule wait at a time; two processes never ask for the
//! same, because each holds the collection while it chooses, and a unique key stands behind that; uploads do
//! not wait for it ([`super::IN_FLIGHT`], and the worker's places).

use chrono::TimeDelta;
use contract::messages::JOBS_QUEUE;
use entity::job;
use uuid::Uuid;

use super::{
    AGAIN_HOURS, EXPORT_EVERY_DAYS, FixityCheck, SCHEDULED_LANE, due_before, runs, service, store,
    within,
};
use crate::{
    App, Error, collections,
    exports::{self, Export, Status},
    unit::{NewJob, Unit},
    versions::Version,
};

/// The most checks of the schedule that wait at a time.
pub const MOST_OPEN: u64 = 200;
/// The most collections of an interval in one pass.
const BATCH: u64 = 100;
/// The most packages that a pass asks for before anything else.
const PACKAGES: u64 = 50;
/// The most runs that one pass goes on with.
const RUNS: u64 = 20;

/// One pass: goes on with what people asked for, then with what is due. Answers how many checks it asked for. What
/// fails is logged and does not hold up the rest.
pub async fn pass(app: &App) -> Result<usize, Error> {
    let mut asked = 0;
    for run in store::open_runs(app.database(), RUNS).await? {
        asked += passed("a run", runs::go_on(app, run).await);
    }
    let open = store::open(app.database(), None, MOST_OPEN).await?;
    let mut room = MOST_OPEN.saturating_sub(open);
    // Packages first: they are few, and no collection is to take all the room.
    let done = passed("packages", packages(app, room.min(PACKAGES)).await);
    room = room.saturating_sub(done as u64);
    asked += done;
    let mut due = due(app).await?;
    // In another order each time, so that none is always the last one.
    due.sort_by_cached_key(|_| rand::random::<u64>());
    let share = room.div_ceil(due.len().max(1) as u64);
    // Each its share, and then what others have left over.
    for most in [share, MOST_OPEN] {
        for id in &due {
            let done = passed("a collection", collection(app, *id, room.min(most)).await);
            room = room.saturating_sub(done as u64);
            asked += done;
        }
    }
    Ok(asked)
}

fn passed(what: &str, done: Result<usize, Error>) -> usize {
    done.unwrap_or_else(|error| {
        tracing::warn!(what, ?error, "not asked to be verified; trying again");
        0
    })
}

/// Collections that have something due, a bounded number of each interval.
async fn due(app: &App) -> Result<Vec<Uuid>, Error> {
    let now = app.clock().now();
    let mut found = Vec::new();
    for days in store::intervals(app.database()).await? {
        let before = due_before(now, days);
        found.extend(store::collections_due(app.database(), days, before, BATCH).await?);
    }
    Ok(found)
}

/// What is due of one collection.
async fn collection(app: &App, id: Uuid, room: u64) -> Result<usize, Error> {
    if room == 0 {
        return Ok(0);
    }
    let mut unit = app.begin_internal().await?;
    let Some(row) = collections::store::load_for_update(&unit, id).await? else {
        return Ok(0);
    };
    let schedule = service::schedule(&row);
    let Some(before) = schedule.cut_off(unit.now()) else {
        return Ok(0);
    };
    let tried = unit.now() - TimeDelta::hours(AGAIN_HOURS);
    let mut due = store::due(&unit, id, before, tried, room).await?;
    if schedule.bytes_per_day.is_some() {
        let spent = store::spent(&unit, id, unit.now() - TimeDelta::days(1)).await?;
        let sizes = due.iter().map(|version| version.size);
        due.truncate(within(schedule.bytes_per_day, spent, sizes));
    }
    let count = due.len();
    if count > 0 {
        let checks = due.iter().map(|row| of_version(&unit, None, row)).collect();
        ask(&mut unit, checks, SCHEDULED_LANE).await?;
        unit.commit().await?;
    }
    Ok(count)
}

/// Packages that nobody has read for a while. There are few: they expire.
async fn packages(app: &App, room: u64) -> Result<usize, Error> {
    let now = app.clock().now();
    let before = due_before(now, EXPORT_EVERY_DAYS);
    let tried = now - TimeDelta::hours(AGAIN_HOURS);
    if room == 0 {
        return Ok(0);
    }
    let mut asked = 0;
    for id in store::exports_due(app.database(), now, before, tried, room).await? {
        let mut unit = app.begin_internal().await?;
        let Some(row) = exports::store::load_for_update(&unit, id).await? else {
            continue;
        };
        if row.status == Status::Ready && !store::is_export_tried(&unit, id, tried).await? {
            let check = of_export(&unit, None, &row);
            ask(&mut unit, vec![check], SCHEDULED_LANE).await?;
            unit.commit().await?;
            asked += 1;
        }
    }
    Ok(asked)
}

/// Adds checks, each with its job.
pub(super) async fn ask(
    unit: &mut Unit,
    checks: Vec<FixityCheck>,
    lane: Uuid,
) -> Result<(), Error> {
    for check in &checks {
        unit.job(NewJob {
            kind: job::Kind::Fixity,
            queue: JOBS_QUEUE.to_owned(),
            subject_id: check.id,
            lane,
            lease: None,
        });
    }
    Ok(store::insert_checks(unit, checks).await?)
}

/// A check of a version that is yet to begin.
pub(super) fn of_version(unit: &Unit, run: Option<Uuid>, version: &Version) -> FixityCheck {
    FixityCheck {
        version_id: Some(version.id),
        record_id: Some(version.record_id),
        collection_id: Some(version.collection_id),
        bytes: version.size,
        ..blank(unit, run)
    }
}

/// A check of a package that is yet to begin.
pub(super) fn of_export(unit: &Unit, run: Option<Uuid>, export: &Export) -> FixityCheck {
    FixityCheck {
        export_id: Some(export.id),
        bytes: export.size.unwrap_or_default(),
        ..blank(unit, run)
    }
}

fn blank(unit: &Unit, run: Option<Uuid>) -> FixityCheck {
    FixityCheck {
        id: unit.id(),
        run_id: run,
        version_id: None,
        export_id: None,
        record_id: None,
        collection_id: None,
        bytes: 0,
        outcome: None,
        expected: None,
        measured: None,
        detail: None,
        worker: None,
        engine: None,
        created_at: unit.now(),
        finished_at: None,
    }
}
