//! The HTTP server: `/graphql`, `/graphiql`, `/healthz`, `/readyz`, `/metrics`.
//!
//! Owns routes and what every answer passes through. Does not own what GraphQL does, or what is asked whether it is
//! ready (`health`).

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use runtime::shutdown::Shutdown;
use serde_json::json;
use tokio::net::TcpListener;
use tower_http::{catch_panic::CatchPanicLayer, cors::CorsLayer};

use crate::{
    App,
    api_keys::verifier::WithApiKeys,
    auth::token::TokenVerifier,
    graphql::{self, Endpoint, Settings},
    health::{self, Health},
    queue::Queues,
};

/// The routes over an [`App`]. API keys are taken beside the tokens of `verifier`; jobs are announced in `queues`.
pub fn router(
    app: App,
    verifier: Arc<dyn TokenVerifier>,
    queues: Queues,
    settings: Settings,
) -> Router {
    let body = settings.limits.body;
    let verifier = Arc::new(WithApiKeys::new(app.clone(), verifier));
    let health = Health {
        app: app.clone(),
        verifier: verifier.clone(),
        queues,
    };
    let endpoint = Endpoint::new(app, verifier, settings);
    Router::new()
        .route(
            "/graphql",
            get(graphql::http::get).post(graphql::http::post),
        )
        .route("/graphiql", get(graphiql))
        .with_state(endpoint)
        .merge(health::router(health))
        .layer(DefaultBodyLimit::max(body))
        .layer(CorsLayer::permissive())
        .layer(CatchPanicLayer::custom(panicked))
}

/// Serves until the shutdown begins; requests under way are finished.
pub fn serve(
    listener: TcpListener,
    router: Router,
    shutdown: &Shutdown,
) -> std::io::Result<SocketAddr> {
    let address = listener.local_addr()?;
    let stop = shutdown.soft().clone();
    drop(shutdown.spawn("api server", async move {
        let served = axum::serve(listener, router)
            .with_graceful_shutdown(stop.cancelled_owned())
            .await;
        if let Err(error) = served {
            tracing::error!(%error, "the API server ended");
        }
    }));
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

fn panicked(_panic: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request panicked");
    let body = json!({"errors": [{
        "message": "something went wrong on our side",
        "extensions": {"code": "INTERNAL"},
    }]});
    (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
}
