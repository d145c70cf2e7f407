//! What an orchestrator asks of a worker: `/healthz` (it runs), `/readyz` (what it needs answers), `/metrics`.
//!
//! Always: nothing is asked for longer than a few seconds; what does not answer is named, why is in the log.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use runtime::{queue::Queue, shutdown::Shutdown, telemetry::measures};
use serde_json::json;
use tokio::net::TcpListener;

use crate::checks::antivirus::Scanner;

/// How long a part may take to say that it is ready.
const READY: Duration = Duration::from_secs(3);

/// What is asked whether it is ready.
#[derive(Clone)]
pub struct Health {
    /// Looks for malware.
    pub scanner: Arc<dyn Scanner>,
    /// Where jobs come from.
    pub queue: Arc<dyn Queue>,
    /// The API's `/healthz`.
    pub api: String,
    /// Asks it.
    pub http: reqwest::Client,
}

/// Serves until the shutdown begins.
pub async fn serve(listener: TcpListener, health: Health, shutdown: &Shutdown) {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .with_state(health);
    let stop = shutdown.soft().clone();
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
    tokio::select! {
        served = served => if let Err(error) = served {
            tracing::error!(%error, "the server of health and metrics ended");
        },
        // It ends with the shutdown, and the server then when its answers are sent.
        never = async { measures::keep(shutdown).await; std::future::pending().await } => never,
    }
}

async fn readyz(State(health): State<Health>) -> Response {
    let antivirus = tokio::time::timeout(READY, health.scanner.ready());
    let queue = tokio::time::timeout(READY, health.queue.depth());
    let api = tokio::time::timeout(READY, health.http.get(&health.api).send());
    let (antivirus, queue, api) = tokio::join!(antivirus, queue, api);
    let antivirus = matches!(antivirus, Ok(true));
    let queue = matches!(queue, Ok(Ok(_)));
    let api = matches!(api, Ok(Ok(answer)) if answer.status().is_success());
    let status = if antivirus && queue && api {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({"antivirus": antivirus, "queue": queue, "api": api});
    (status, Json(body)).into_response()
}

async fn metrics() -> Response {
    match measures::text() {
        Some(text) => text.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
