//! Puts right what was left behind: leases that ran out, messages that were lost, uploads that never came,
//! packages that were kept long enough, what nobody has read for too long. Forgets what nobody asks for any more:
//! jobs that ended long ago, answers to keys of mutations.
//! Also puts new events into the tree over all of them (`checkpoints`).
//!
//! Always: it takes no input, repeating it is harmless, several may run at the same time, and each pass does
//! a bounded amount of work.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contract::{VersionId, objects::Place};
use futures::{StreamExt as _, stream};
use runtime::shutdown::Shutdown;
use serde_json::json;
use uuid::Uuid;

use super::{
    Input, Job, Status,
    fail::{attempt_failed, lock_exports, lock_versions},
    store,
};
use crate::{
    App, Error, checkpoints, exports, fixity,
    unit::{self, Happened},
    versions::{self, Version, name},
};

const PERIOD: Duration = Duration::from_secs(5);
/// How many objects are asked for at the same time.
const AT_ONCE: usize = 16;
/// The most rows of a kind in one pass.
const BATCH: u64 = 200;

/// What a pass has put right.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Leases that ran out.
    pub leases: usize,
    /// Announcements that nobody came for.
    pub announcements: usize,
    /// Uploads that never came.
    pub uploads: usize,
    /// Packages that were removed.
    pub exports: usize,
    /// Fixity checks that were asked for.
    pub fixity: usize,
    /// Jobs that ended long ago, and answers to keys of mutations that nobody repeats any more.
    pub purged: usize,
}

/// Puts things right every few seconds until the shutdown begins. What asks the object store has turns of its own, so
/// that leases, announcements and the log of events do not wait for one that does not answer.
pub async fn run(app: App, shutdown: &Shutdown) {
    let app = &app;
    let own = async {
        let mut turns = Turns::new(shutdown);
        while turns.next().await {
            told(own(app).await);
        }
    };
    let sealing = async {
        let mut turns = Turns::new(shutdown);
        while turns.next().await {
            seal(app).await;
        }
    };
    let uploads = async {
        let mut turns = Turns::new(shutdown);
        while turns.next().await {
            told(of_uploads(app).await);
        }
    };
    let exports = async {
        let mut turns = Turns::new(shutdown);
        while turns.next().await {
            told(of_exports(app).await);
        }
    };
    tokio::join!(own, sealing, uploads, exports);
}

/// One every few seconds until the shutdown begins.
struct Turns<'a> {
    timer: tokio::time::Interval,
    shutdown: &'a Shutdown,
}

impl<'a> Turns<'a> {
    fn new(shutdown: &'a Shutdown) -> Self {
        let mut timer = tokio::time::interval(PERIOD);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        Self { timer, shutdown }
    }

    /// Waits for the next; `false`: there is none any more.
    async fn next(&mut self) -> bool {
        tokio::select! {
            biased;
            () = self.shutdown.soft().cancelled() => false,
            _ = self.timer.tick() => true,
        }
    }
}

fn told(done: Reconciled) {
    if done != Reconciled::default() {
        tracing::info!(?done, "reconciled");
    }
}

async fn seal(app: &App) {
    match checkpoints::service::seal(app, checkpoints::service::PASS).await {
        Ok(0) => {}
        Ok(events) => tracing::debug!(events, "events came into the tree"),
        Err(error) => tracing::error!(?error, "events do not come into the tree"),
    }
}

/// What needs nothing but the database.
async fn own(app: &App) -> Reconciled {
    let done = Reconciled {
        leases: passed("leases", leases(app).await),
        announcements: passed("announcements", announcements(app).await),
        fixity: passed("fixity", fixity::schedule::pass(app).await),
        purged: passed("jobs that ended", ended_jobs(app).await)
            + passed("answers", answers(app).await),
        ..Reconciled::default()
    };
    if done.leases + done.announcements > 0 {
        app.jobs_waiting().notify_one();
    }
    done
}

async fn of_uploads(app: &App) -> Reconciled {
    Reconciled {
        uploads: passed("uploads", uploads(app).await),
        ..Reconciled::default()
    }
}

async fn of_exports(app: &App) -> Reconciled {
    Reconciled {
        exports: passed("exports", exports::service::expire(app).await),
        ..Reconciled::default()
    }
}

/// One pass over everything. What fails is logged and tried again in the next; it does not hold up the rest.
pub async fn reconcile(app: &App) -> Reconciled {
    Reconciled {
        uploads: of_uploads(app).await.uploads,
        exports: of_exports(app).await.exports,
        ..own(app).await
    }
}

fn passed(step: &str, done: Result<usize, Error>) -> usize {
    done.unwrap_or_else(|error| {
        tracing::warn!(step, ?error, "not reconciled; trying again");
        0
    })
}

async fn leases(app: &App) -> Result<usize, Error> {
    end_leases(app, app.clock().now(), |job| {
        format!(
            "{} was not heard of before its lease ran out",
            job.worker.as_deref().unwrap_or("the worker")
        )
    })
    .await
}

/// Ends the leases that hold until `before` at the longest. A row that cannot be ended does not hold up the
/// others.
pub(super) async fn end_leases(
    app: &App,
    before: DateTime<Utc>,
    reason: impl Fn(&Job) -> String,
) -> Result<usize, Error> {
    let found = store::leases_run_out(app.database(), before, BATCH).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let all = end_some_leases(app, &found, before, &reason).await;
    let Err(error) = all else { return all };
    tracing::warn!(
        ?error,
        "leases were not ended together; trying each by itself"
    );
    let mut ended = 0;
    for id in found {
        match end_some_leases(app, &[id], before, &reason).await {
            Ok(done) => ended += done,
            Err(error) => tracing::error!(job = %id, ?error, "a lease cannot be ended"),
        }
    }
    Ok(ended)
}

async fn end_some_leases(
    app: &App,
    ids: &[Uuid],
    before: DateTime<Utc>,
    reason: &impl Fn(&Job) -> String,
) -> Result<usize, Error> {
    let mut unit = app.begin_internal().await?;
    let rows = store::load_many_for_update(&unit, ids.iter().copied()).await?;
    lock_versions(&unit, rows.values()).await?;
    lock_exports(&unit, rows.values()).await?;
    fixity::reports::lock_runs(&unit, rows.values()).await?;
    let mut rows: Vec<Job> = rows.into_values().collect();
    // In one order, so that two units never wait for each other.
    rows.sort_unstable_by_key(|job| job.id);
    let mut ended = 0;
    for job in rows {
        let ran_out = job.lease_expires_at.is_none_or(|until| until <= before);
        if job.status == Status::Leased && ran_out {
            let reason = reason(&job);
            attempt_failed(&mut unit, job, Input::LeaseExpired, &reason).await?;
            ended += 1;
        }
    }
    unit.commit().await?;
    Ok(ended)
}

async fn announcements(app: &App) -> Result<usize, Error> {
    let before = ago(app, app.limits().republish_after);
    let found = store::unclaimed(app.database(), before, BATCH * 10).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let unit = app.begin_internal().await?;
    // Locked in the order of ids, as claims do, so that neither waits for the other.
    store::load_many_for_update(&unit, found.iter().copied()).await?;
    let again = store::make_ready(&unit, &[Status::Published], Some(found)).await?;
    unit.commit().await?;
    Ok(usize::try_from(again).unwrap_or(usize::MAX))
}

/// What they did is in the events, which are kept.
async fn ended_jobs(app: &App) -> Result<usize, Error> {
    let before = ago(app, app.limits().job_kept);
    let found = store::ended_before(app.database(), before, BATCH * 5).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let unit = app.begin_internal().await?;
    let gone = store::delete_ended(&unit, found).await?;
    unit.commit().await?;
    Ok(usize::try_from(gone).unwrap_or(usize::MAX))
}

async fn answers(app: &App) -> Result<usize, Error> {
    let before = ago(app, app.limits().answer_kept);
    let gone = unit::forget_answers(app, before, BATCH * 5).await?;
    Ok(usize::try_from(gone).unwrap_or(usize::MAX))
}

fn ago(app: &App, time: Duration) -> DateTime<Utc> {
    let time = TimeDelta::from_std(time).unwrap_or(TimeDelta::hours(1));
    app.clock().now() - time
}

async fn uploads(app: &App) -> Result<usize, Error> {
    let found = versions::store::expired(app.database(), app.clock().now(), BATCH).await?;
    if found.is_empty() {
        return Ok(0);
    }
    // A client may have vanished after its last byte: what is there goes on.
    let absent = versions::reported::take_what_is_there(app, found).await?;
    if absent.is_empty() {
        return Ok(0);
    }
    let mut unit = app.begin_internal().await?;
    let rows = versions::store::load_many_for_update(&unit, &absent).await?;
    let mut rows: Vec<Version> = rows.into_values().collect();
    rows.sort_unstable_by_key(|row| row.id);
    let mut leftovers = Vec::new();
    for mut row in rows {
        let was = row.status;
        let Ok(status) = versions::next(was, versions::Input::TicketExpired) else {
            continue;
        };
        row.status = status;
        unit.event(
            VersionId(row.id),
            Happened {
                action: "version.abandoned",
                collection_id: Some(row.collection_id),
                record_id: Some(row.record_id),
                before: Some(json!({"status": name(was)})),
                after: Some(json!({"status": name(status)})),
            },
        );
        let row = versions::store::update(&mut unit, row, was).await?;
        leftovers.push((VersionId(row.content_id), row.upload_id));
    }
    unit.commit().await?;
    let count = leftovers.len();
    stream::iter(leftovers)
        .for_each_concurrent(AT_ONCE, |(content, upload)| async move {
            let key = contract::objects::version_key(content);
            let discarded = app
                .objects()
                .discard(Place::Incoming, &key, upload.as_deref());
            if let Err(error) = discarded.await {
                // The lifecycle rule of the bucket removes it.
                tracing::warn!(%key, ?error, "what was left of an upload was not removed");
            }
        })
        .await;
    Ok(count)
}
