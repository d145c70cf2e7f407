//! What the API counts and times for Prometheus.
//!
//! Owns what is said of each. Does not own where it is counted; a test holds that nothing is that is not here.

use runtime::telemetry::measures::{Measure, Sort, measure};

/// All of them.
pub const MEASURES: &[Measure] = &[
    measure(
        Sort::Gauge,
        "muniment_jobs",
        "queue, status",
        "jobs that are not DONE; DEAD ones are given up",
    ),
    measure(
        Sort::Gauge,
        "muniment_oldest_waiting_job_seconds",
        "queue, kind",
        "the queue's age: how long the oldest job that is due has waited for a worker; what waits for its next attempt is not due; FIXITY waits for its turn by design",
    ),
    measure(
        Sort::Histogram,
        "muniment_check_seconds",
        "kind",
        "from when a check was wanted (the upload was confirmed, or somebody asked for another run) to its result, the wait in the queue included; kind is that of the check: CHECKSUM, ANTIVIRUS, FORMAT or a further one",
    ),
    measure(
        Sort::Histogram,
        "muniment_api_request_seconds",
        "operation, outcome",
        "from an operation, over HTTP or a websocket, to its answer, of a subscription to the first; operation is the field that it begins with, or other; outcome is ok, errors or refused (not executed)",
    ),
    measure(
        Sort::Gauge,
        "muniment_log_waiting_seconds",
        "",
        "how long the oldest event waits to come into the tree: seconds, else something is wrong",
    ),
    measure(
        Sort::Counter,
        "muniment_fixity_checks_total",
        "outcome",
        "what was kept and has been read again",
    ),
    measure(
        Sort::Gauge,
        "muniment_fixity_overdue_versions",
        "",
        "accepted versions that should have been read again by now, counted to 10,000 for each interval",
    ),
    measure(
        Sort::Gauge,
        "muniment_fixity_overdue_bytes",
        "",
        "their bytes",
    ),
    measure(
        Sort::Gauge,
        "muniment_fixity_damaged_versions",
        "",
        "versions that are known to be damaged or gone, counted to 10,000",
    ),
];
