//! What a worker counts and times for Prometheus.
//!
//! Owns what is said of each. Does not own where it is counted; a test holds that nothing is that is not here.

use runtime::telemetry::measures::{Measure, Sort, measure};

/// All of them.
pub const MEASURES: &[Measure] = &[
    measure(
        Sort::Histogram,
        "muniment_worker_job_seconds",
        "kind",
        "how long a job took this worker, however it ended; kind is check, disposition, export or fixity",
    ),
    measure(
        Sort::Counter,
        "muniment_worker_jobs_total",
        "kind, outcome",
        "jobs that ended here: ok, retry, fail, lost, cancelled or handed_back",
    ),
    measure(
        Sort::Counter,
        "muniment_worker_bytes_checked_total",
        "",
        "bytes of uploads that were read to the end and looked at",
    ),
    measure(
        Sort::Counter,
        "muniment_worker_bytes_verified_total",
        "",
        "bytes of what is kept that were read again",
    ),
    measure(
        Sort::Counter,
        "muniment_worker_undecodable_messages_total",
        "",
        "messages of the queue that say nothing",
    ),
];
