//! How many jobs there are and how long the oldest waits, for Prometheus.
//!
//! Always: jobs that are DONE are not counted, so what is counted stays small. Each process says the same of all jobs:
//! take the greatest, not the sum.

use std::{collections::BTreeMap, time::Duration};

use runtime::shutdown::Shutdown;

use super::{Kind, Status, store};
use crate::{App, Error, checkpoints, fixity};

const KINDS: [Kind; 4] = [Kind::Check, Kind::Disposition, Kind::Export, Kind::Fixity];

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
    for ((queue, status), count) in counted(app).await? {
        metrics::gauge!("muniment_jobs", "queue" => queue, "status" => status).set(number(count));
    }
    for ((queue, kind), seconds) in waiting(app).await? {
        metrics::gauge!("muniment_oldest_waiting_job_seconds", "queue" => queue, "kind" => kind)
            .set(number(seconds));
    }
    Ok(())
}

/// The queues that there are. What is said of them is said also where there is nothing, so that no gauge stays
/// where it was.
fn queues(app: &App) -> impl Iterator<Item = String> {
    let further = app.further_checks().cloned();
    further.chain([contract::messages::JOBS_QUEUE.to_owned()])
}

/// How many jobs are in each queue and state.
async fn counted(app: &App) -> Result<BTreeMap<(String, &'static str), i64>, Error> {
    let rows = store::count_by_status(app.database()).await?;
    let found = rows.iter().map(|row| row.queue.clone());
    let all = queues(app).chain(found).flat_map(|queue| {
        let states = [
            Status::Ready,
            Status::Published,
            Status::Leased,
            Status::Dead,
        ];
        states.map(|status| ((queue.clone(), super::name(status)), 0))
    });
    let mut counted: BTreeMap<_, _> = all.collect();
    for row in rows {
        counted.insert((row.queue, super::name(row.status)), row.count);
    }
    Ok(counted)
}

/// For how many seconds the oldest job of each queue and kind has been due and waits for a worker. By kind, because
/// fixity checks wait for their turn by design, and files do not.
async fn waiting(app: &App) -> Result<BTreeMap<(String, &'static str), i64>, Error> {
    let now = app.clock().now();
    let all = queues(app).flat_map(|queue| {
        let kinds = match queue.as_str() {
            contract::messages::JOBS_QUEUE => &KINDS[..],
            _ => &[Kind::Check],
        };
        let kinds = kinds.iter();
        kinds.map(move |kind| ((queue.clone(), label(*kind)), 0))
    });
    let mut waiting: BTreeMap<_, _> = all.collect();
    for (queue, kind, since) in store::oldest_due(app.database(), now).await? {
        let seconds = (now - since).num_seconds().max(0);
        waiting.insert((queue, label(kind)), seconds);
    }
    Ok(waiting)
}

fn label(kind: Kind) -> &'static str {
    match kind {
        Kind::Check => "CHECK",
        Kind::Disposition => "DISPOSITION",
        Kind::Export => "EXPORT",
        Kind::Fixity => "FIXITY",
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "no count of ours comes near 2^52"
)]
fn number(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use contract::JobId;

    use super::*;
    use crate::jobs::{
        fail::{Failed, Failure, fail},
        reconciler::reconcile,
        tests::shop::Shop,
    };

    async fn waits(shop: &Shop) -> i64 {
        let waiting = waiting(shop.app()).await.expect("it is measured");
        let queues: Vec<&str> = waiting.keys().map(|(queue, _)| queue.as_str()).collect();
        assert_eq!(queues, ["OCR", "jobs", "jobs", "jobs", "jobs"]);
        waiting[&("jobs".to_owned(), "CHECK")]
    }

    async fn failed(shop: &Shop, job: JobId, failure: Failure) {
        let told = Failed {
            held: shop.hold(job).await,
            failure,
            reason: "on purpose".into(),
        };
        let answers = fail(shop.app(), &shop.worker, &[told]).await;
        answers.expect("a worker may");
    }

    #[tokio::test]
    async fn a_job_waits_from_when_it_became_due_until_somebody_has_it() {
        let shop = Shop::new().await;
        assert_eq!(waits(&shop).await, 0);
        let version = shop.uploaded("a.pdf").await;
        let job = JobId(shop.open(version.id, Kind::Check).await[0].id);
        shop.pass(100);
        assert_eq!(waits(&shop).await, 100);
        // Somebody works on it for long, and hands it back.
        let held = shop.hold(job).await;
        assert_eq!(waits(&shop).await, 0);
        shop.pass(50);
        let told = Failed {
            held,
            failure: Failure::HandBack,
            reason: "on purpose".into(),
        };
        let answers = fail(shop.app(), &shop.worker, &[told]).await;
        answers.expect("a worker may");
        assert_eq!(waits(&shop).await, 0);
        shop.pass(20);
        assert_eq!(waits(&shop).await, 20);
        // It fails, and is not to be tried again at once.
        for _ in 0..3 {
            failed(&shop, job, Failure::Retry).await;
            assert_eq!(waits(&shop).await, 0);
            shop.pass(64);
        }
        assert_eq!(waits(&shop).await, 48, "the third wait is 16 s");
    }

    #[tokio::test]
    async fn a_job_that_is_announced_again_has_waited_all_the_time() {
        let shop = Shop::new().await;
        let version = shop.uploaded("a.pdf").await;
        let job = shop.open(version.id, Kind::Check).await.remove(0);
        for announced in 1..4 {
            let unit = shop.app().begin_internal().await.expect("a unit begins");
            let sent = store::publish(&unit, &[job.id]).await.expect("it is sent");
            unit.commit().await.expect("it commits");
            assert_eq!(sent.len(), 1);
            shop.pass(121);
            assert_eq!(reconcile(shop.app()).await.announcements, 1);
            assert_eq!(waits(&shop).await, 121 * announced);
        }
    }

    #[tokio::test]
    async fn states_without_jobs_are_said_too() {
        let shop = Shop::new().await;
        let version = shop.uploaded("a.pdf").await;
        let counts = async || counted(shop.app()).await.expect("they are counted");
        let of = |queue: &str, status| (queue.to_owned(), status);
        let before = counts().await;
        assert_eq!(before.len(), 8);
        assert_eq!(
            (before[&of("jobs", "READY")], before[&of("OCR", "READY")]),
            (1, 0)
        );
        shop.take(version.id, Kind::Check).await;
        let after = counts().await;
        assert_eq!(
            (after[&of("jobs", "READY")], after[&of("jobs", "LEASED")]),
            (0, 1)
        );
    }
}
