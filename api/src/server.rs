//! The HTTP server: `/graphql`, `/graphiql`, `/healthz`, `/readyz`, `/metrics`.
//!
//! Owns routes and what every answer passes through. Does not own what GraphQL does.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use runtime::{shutdown::Shutdown, telemetry::measures};
use serde_json::json;
use tokio::net::TcpListener;
use tower_http::{catch_panic::CatchPanicLayer, cors::CorsLayer};

use crate::{
    App,
    api_keys::verifier::WithApiKeys,
    auth::token::TokenVerifier,
    graphql::{self, Endpoint, Settings},
};

/// How long a part may take to say that it is ready.
const READY: Duration = Duration::from_secs(3);

/// The routes over an [`App`]. API keys are taken beside the tokens of `verifier`.
pub fn router(app: App, verifier: Arc<dyn TokenVerifier>, settings: Settings) -> Router {
    let body = settings.limits.body;
    let verifier = Arc::new(WithApiKeys::new(app.clone(), verifier));
    let endpoint = Endpoint::new(app, verifier, settings);
    Router::new()
        .route(
            "/graphql",
            get(graphql::http::get).post(graphql::http::post),
        )
        .route("/graphiql", get(graphiql))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(body))
        .layer(CorsLayer::permissive())
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(endpoint)
}

/// Serves until the shutdown begins; requests under way are finished.
pub fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: &Shutdown,
) -> std::io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let stop = shutdown.soft().clone();
    shutdown.spawn_vital("api server", async move {
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "the API server ended");
        }
    });
    Ok(address)
}

async fn graphiql() -> Html<String> {
    Html(
        async_graphql::http::GraphiQLSource::build()
            .endpoint("/graphql")
            .subscription_endpoint("/graphql")
            .title("Muniment")
            .finish(),
    )
}

/// Says which part is not ready, but never why: that is in the log.
async fn readyz(State(endpoint): State<Endpoint>) -> Response {
    let database = tokio::time::timeout(READY, endpoint.app.database().ping()).await;
    let objects = tokio::time::timeout(READY, endpoint.app.objects().ready()).await;
    let identity = tokio::time::timeout(READY, endpoint.verifier.ready()).await;
    let database = matches!(database, Ok(Ok(())));
    let objects = matches!(objects, Ok(Ok(())));
    let identity = matches!(identity, Ok(Ok(())));
    let status = if database && objects && identity {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (
        status,
        Json(json!({"database": database, "objects": objects, "identity": identity})),
    )
        .into_response()
}

async fn metrics() -> Response {
    match measures::text() {
        Some(text) => text.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn panicked(_panic: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request panicked");
    let body = json!({"errors": [{
        "message": "something went wrong on our side",
        "extensions": {"code": "INTERNAL"},
    }]});
    (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
}
