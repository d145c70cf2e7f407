//! Counts and times for Prometheus, kept for the whole process.
//!
//! Owns the recorder, and the scale of times. Does not own what is counted.
//!
//! Always: the first call begins; where somebody else records already, nothing is kept here. Times are histograms
//! on one scale, so that those of several processes can be added.

use std::sync::OnceLock;
use std::time::Duration;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::shutdown::Shutdown;

/// How often the recorder tidies up.
const UPKEEP: Duration = Duration::from_secs(5);

/// Times fall between these, in seconds: a request takes milliseconds, a check seconds, a large package hours.
const SCALE: [f64; 17] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0,
    3_600.0, 14_400.0,
];

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

fn recorder() -> Option<&'static PrometheusHandle> {
    RECORDER
        .get_or_init(|| {
            // It refuses only an empty scale.
            let builder = PrometheusBuilder::new().set_buckets(&SCALE).ok()?;
            let recorder = builder.build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok().map(|()| handle)
        })
        .as_ref()
}

/// What sort of figure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    /// It only grows: add it over processes, and take its rate.
    Counter,
    /// It stands where it stands.
    Gauge,
    /// Times, in seconds.
    Histogram,
}

/// What is said of something that is counted or timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Measure {
    /// What sort of figure it is.
    pub sort: Sort,
    /// Its name; it ends with its unit.
    pub name: &'static str,
    /// Its labels.
    pub labels: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// What is said of something that is counted or timed.
pub const fn measure(
    sort: Sort,
    name: &'static str,
    labels: &'static str,
    meaning: &'static str,
) -> Measure {
    Measure {
        sort,
        name,
        labels,
        meaning,
    }
}

/// The table of what is counted and timed in Markdown.
pub fn table<'a>(all: impl IntoIterator<Item = &'a Measure>) -> String {
    let mut text =
        String::from("| metric | sort | labels | meaning |\n| --- | --- | --- | --- |\n");
    for one in all {
        let sort = match one.sort {
            Sort::Counter => "counter",
            Sort::Gauge => "gauge",
            Sort::Histogram => "histogram",
        };
        text += &format!(
            "| `{}` | {sort} | {} | {} |\n",
            one.name, one.labels, one.meaning
        );
    }
    text
}

/// Begins to record, and says to whoever reads it what these mean.
pub fn record(all: &[Measure]) {
    if recorder().is_none() {
        return;
    }
    for one in all {
        match one.sort {
            Sort::Counter => metrics::describe_counter!(one.name, one.meaning),
            Sort::Gauge => metrics::describe_gauge!(one.name, one.meaning),
            Sort::Histogram => metrics::describe_histogram!(one.name, one.meaning),
        }
    }
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn times_of_several_processes_can_be_added() {
        record(&[measure(Sort::Histogram, "test_seconds", "kind", "tests")]);
        metrics::histogram!("test_seconds", "kind" => "a").record(0.3);
        metrics::histogram!("test_seconds", "kind" => "a").record(20_000.0);
        let text = text().unwrap();
        for line in [
            "# HELP test_seconds tests",
            "# TYPE test_seconds histogram",
            "test_seconds_bucket{kind=\"a\",le=\"0.25\"} 0",
            "test_seconds_bucket{kind=\"a\",le=\"0.5\"} 1",
            "test_seconds_bucket{kind=\"a\",le=\"+Inf\"} 2",
            "test_seconds_count{kind=\"a\"} 2",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}:\n{text}");
        }
    }
}
