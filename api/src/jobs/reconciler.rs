//! Puts right what was left behind: leases that ran out, messages that were lost, uploads that never came,
//! packages that were kept long enough.
//!
//! Always: it takes no input, repeating it is harmless, several may run at the same time, and each pass does
//! a bounded amount of work.

use std::time::Duration;

use chrono::TimeDelta;
use contract::VersionId;
use runtime::shutdown::Shutdown;
use serde_json::json;
use uuid::Uuid;

use super::{
    Input, Status,
    fail::{attempt_failed, lock_versions},
    store,
};
use crate::{
    App, Error, exports,
    unit::Happened,
    versions::{self, name},
};

const PERIOD: Duration = Duration::from_secs(5);
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
}

/// Puts things right every few seconds until the shutdown begins.
pub async fn run(app: App, shutdown: &Shutdown) {
    let mut timer = tokio::time::interval(PERIOD);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.soft().cancelled() => return,
            _ = timer.tick() => {}
        }
        match reconcile(&app).await {
            Ok(done) if done == Reconciled::default() => {}
            Ok(done) => tracing::info!(?done, "reconciled"),
            Err(error) => tracing::warn!(?error, "not reconciled; trying again"),
        }
    }
}

/// One pass.
pub async fn reconcile(app: &App) -> Result<Reconciled, Error> {
    let done = Reconciled {
        leases: leases(app).await?,
        announcements: announcements(app).await?,
        uploads: uploads(app).await?,
        exports: exports::service::expire(app).await?,
    };
    if done.leases + done.announcements > 0 {
        app.jobs_waiting().notify_one();
    }
    Ok(done)
}

async fn leases(app: &App) -> Result<usize, Error> {
    let found = store::leases_run_out(app.database(), app.clock().now(), BATCH).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let mut unit = app.begin_internal().await?;
    let rows = store::load_many_for_update(&unit, found).await?;
    lock_versions(&unit, rows.values()).await?;
    let mut ended = 0;
    for (_, job) in rows {
        let ran_out = job.lease_expires_at.is_none_or(|until| until <= unit.now());
        if job.status == Status::Leased && ran_out {
            let reason = format!(
                "{} was not heard of before its lease ran out",
                job.worker.as_deref().unwrap_or("the worker")
            );
            attempt_failed(&mut unit, job, Input::LeaseExpired, &reason).await?;
            ended += 1;
        }
    }
    unit.commit().await?;
    Ok(ended)
}

async fn announcements(app: &App) -> Result<usize, Error> {
    let patience = TimeDelta::from_std(app.limits().republish_after).unwrap_or(TimeDelta::hours(1));
    let before = app.clock().now() - patience;
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

async fn uploads(app: &App) -> Result<usize, Error> {
    let found = versions::store::expired(app.database(), app.clock().now(), BATCH).await?;
    if found.is_empty() {
        return Ok(0);
    }
    let mut unit = app.begin_internal().await?;
    let ids: Vec<Uuid> = found.iter().map(|row| row.id).collect();
    let rows = versions::store::load_many_for_update(&unit, &ids).await?;
    let mut abandoned = 0;
    for (_, mut row) in rows {
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
        versions::store::update(&mut unit, row, was).await?;
        abandoned += 1;
    }
    unit.commit().await?;
    Ok(abandoned)
}
