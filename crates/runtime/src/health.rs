//! What every process tells an orchestrator in the same way.
//!
//! Owns how long a part may take to say that it is ready, and the answer of `/metrics`. Does not own which parts a
//! process needs.

use std::{fmt::Debug, time::Duration};

use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};

use crate::telemetry::measures;

/// How long a part may take to say that it is ready.
pub const READY: Duration = Duration::from_secs(3);

/// Whether a part answers in time. Why not, is in the log.
pub async fn answers<T, E: Debug>(part: &str, asked: impl Future<Output = Result<T, E>>) -> bool {
    match tokio::time::timeout(READY, asked).await {
        Ok(Ok(_)) => return true,
        Ok(Err(error)) => tracing::warn!(part, ?error, "not ready"),
        Err(_) => tracing::warn!(part, "not ready: it does not answer in time"),
    }
    false
}

/// What Prometheus reads.
pub async fn metrics() -> Response {
    match measures::text() {
        Some(text) => text.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
