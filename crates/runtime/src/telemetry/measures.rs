//! Counts and times for Prometheus, kept for the whole process.
//!
//! Owns the recorder. Does not own what is counted.
//!
//! Always: the first call begins; where somebody else records already, nothing is kept here.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::shutdown::Shutdown;

/// How often the recorder tidies up.
const UPKEEP: Duration = Duration::from_secs(5);

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok().map(|()| handle)
        })
        .as_ref()
}

/// Begins to record.
pub fn record() {
    recorder();
}

/// Keeps the samples of times from piling up between two scrapes, until the shutdown begins.
pub async fn keep(shutdown: &Shutdown) {
    let mut timer = tokio::time::interval(UPKEEP);
    loop {
        tokio::select! {
            () = shutdown.soft().cancelled() => return,
            _ = timer.tick() => {}
        }
        if let Some(handle) = recorder() {
            handle.run_upkeep();
        }
    }
}

/// What Prometheus reads; `None` where somebody else records.
pub fn text() -> Option<String> {
    let handle = recorder()?;
    handle.run_upkeep();
    Some(handle.render())
}
