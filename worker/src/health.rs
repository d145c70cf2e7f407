//! What an orchestrator asks of a worker: `/healthz` (it runs), `/readyz` (what it needs answers), `/metrics`.
//!
//! Always: nothing is asked for longer than a few seconds; what does not answer is named, why is in the log.

use std::{sync::Arc, sync::OnceLock, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use runtime::{queue::Queue, shutdown::Shutdown};
use serde_json::json;
use tokio::net::TcpListener;

use crate::checks::antivirus::Scanner;

/// How long a part may take to say that it is ready.
const READY: Duration = Duration::from_secs(3);
/// How often the recorder of metrics tidies up.
const UPKEEP: Duration = Duration::from_secs(5);

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
    let upkeep = async {
        loop {
            tokio::time::sleep(UPKEEP).await;
            if let Some(handle) = record_metrics() {
                handle.run_upkeep();
            }
        }
    };
    tokio::select! {
        served = served => if let Err(error) = served {
            tracing::error!(%error, "the server of health and metrics ended");
        },
        () = upkeep => {}
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

static RECORDER: OnceLock<Option<PrometheusHandle>> = OnceLock::new();

/// Counts and times are kept for the whole process; the first call begins. Where somebody else keeps them
/// already, as in the embedded system, this keeps none.
pub fn record_metrics() -> Option<&'static PrometheusHandle> {
    RECORDER
        .get_or_init(|| {
            let recorder = PrometheusBuilder::new().build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok().map(|()| handle)
        })
        .as_ref()
}

async fn metrics() -> Response {
    match record_metrics() {
        Some(handle) => handle.render().into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
