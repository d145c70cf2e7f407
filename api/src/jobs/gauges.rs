//! How many jobs there are and how long the oldest waits, for Prometheus.
//!
//! Always: jobs that are DONE are not counted, so what is counted stays small.

use std::time::Duration;

use runtime::shutdown::Shutdown;

use super::{Status, store};
use crate::{App, Error, checkpoints, fixity};

/// How often.
const PERIOD: Duration = Duration::from_secs(15);

/// Keeps the gauges until the shutdown begins.
pub async fn run(app: App, shutdown: &Shutdown) {
    let mut timer = tokio::time::interval(PERIOD);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = shutdown.soft().cancelled() => return,
            _ = timer.tick() => {}
        }
        if let Err(error) = measure(&app).await {
            tracing::warn!(?error, "jobs were not counted");
        }
        if let Err(error) = checkpoints::service::measure(&app).await {
            tracing::warn!(?error, "how long events wait for the tree was not measured");
        }
        if let Err(error) = fixity::service::measure(&app).await {
            tracing::warn!(?error, "what is overdue was not counted");
        }
    }
}

/// Counts once.
pub async fn measure(app: &App) -> Result<(), Error> {
    let now = app.clock().now();
    let counted = store::count_by_status(app.database()).await?;
    let queues: std::collections::BTreeSet<&str> = counted
        .iter()
        .map(|row| row.queue.as_str())
        .chain([contract::messages::JOBS_QUEUE])
        .collect();
    for queue in queues {
        let mut oldest = 0.0_f64;
        for status in [
            Status::Ready,
            Status::Published,
            Status::Leased,
            Status::Dead,
        ] {
            let found = counted
                .iter()
                .find(|row| row.queue == queue && row.status == status);
            let count = found.map_or(0, |row| row.count);
            let label = super::name(status);
            metrics::gauge!("muniment_jobs", "queue" => queue.to_owned(), "status" => label)
                .set(number(count));
            if matches!(status, Status::Ready | Status::Published)
                && let Some(since) = found.and_then(|row| row.oldest)
            {
                oldest = oldest.max(number((now - since).num_seconds().max(0)));
            }
        }
        metrics::gauge!("muniment_oldest_waiting_job_seconds", "queue" => queue.to_owned())
            .set(oldest);
    }
    Ok(())
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no count of ours comes near 2^52"
)]
fn number(count: i64) -> f64 {
    count as f64
}
