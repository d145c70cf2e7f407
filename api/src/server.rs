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
use runtime::{
    http::{self, Patience},
    shutdown::Shutdown,
    telemetry::measures,
};
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
/// How long a connection may be idle, or take to send a request's head. Longer than a load balancer keeps one that
/// it means to use again (a minute; `deploy/aws/service.yaml`), else it would be closed just when it is.
const HEAD: Duration = Duration::from_secs(75);

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

/// Serves until the shutdown begins; requests under way are finished. A client that reads nothing of what it is
/// sent is waited for as long as `unread` says.
pub fn serve(
    listener: TcpListener,
    router: Router,
    unread: Duration,
    shutdown: &Shutdown,
) -> std::io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let patience = Patience {
        connections: usize::MAX,
        head: HEAD,
        unread,
    };
    let serving = http::serve(
        listener,
        router,
        patience,
        "api connection",
        shutdown.clone(),
    );
    shutdown.spawn_vital("api server", serving);
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
