//! The HTTP server: `/graphql`, `/graphiql`, `/healthz`, `/readyz`, `/metrics`.
//!
//! Owns routes and what every answer passes through. Does not own what GraphQL does, or what is asked whether it is
//! ready (`health`).

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use runtime::{
    http::{self, Patience},
    shutdown::Shutdown,
};
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

/// How long a connection may be idle, or take to send a request's head. Longer than a load balancer keeps one that
/// it means to use again (a minute; `deploy/aws/service.yaml`), else it would be closed just when it is.
const HEAD: Duration = Duration::from_secs(75);

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

fn panicked(_panic: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request panicked");
    let body = json!({"errors": [{
        "message": "something went wrong on our side",
        "extensions": {"code": "INTERNAL"},
    }]});
    (StatusCode::INTERNAL_SERVER_ERROR, Json(body)).into_response()
}
