//! A server for tests: as much of the API and the object store as the client commands use, over
//! HTTP, with faults on request.
//!
//! Owns the answers and the world behind them. Does not own any rule of the real API's beyond what
//! a client sees of it.

mod answers;
mod objects;
mod world;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use runtime::shutdown::Shutdown;
use serde_json::{Value, json};

pub(crate) use world::{Faults, World};

/// A running fake. It ends with the test's runtime.
#[derive(Clone)]
pub(crate) struct Fake {
    world: Arc<Mutex<World>>,
    url: String,
}

impl Fake {
    /// Starts one on a free port.
    pub(crate) async fn start(faults: Faults) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let url = format!("http://{address}");
        let fake = Self {
            world: Arc::new(Mutex::new(World::new(url.clone(), faults))),
            url,
        };
        let router = Router::new()
            .route("/graphql", post(graphql))
            .route("/objects/{key}", put(objects::upload))
            .route("/export", get(objects::download))
            .layer(DefaultBodyLimit::disable())
            .with_state(fake.clone());
        Shutdown::new().spawn("fake", async move { axum::serve(listener, router).await });
        fake
    }

    /// Its address.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// What is behind it.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn graphql(State(fake): State<Fake>, headers: HeaderMap, body: Bytes) -> Response {
    let mut world = fake.world();
    if headers
        .get("authorization")
        .is_none_or(|token| token != "Bearer good")
    {
        return error("UNAUTHENTICATED", "no").into_response();
    }
    if take(&mut world.faults.unavailable) {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let operation = request["operationName"].as_str().unwrap_or_default();
    world.asked.push(operation.to_owned());
    match answers::answer(&mut world, operation, &request["variables"]) {
        Some(data) => axum::Json(json!({ "data": data })).into_response(),
        None => error("BAD_USER_INPUT", operation).into_response(),
    }
}

fn error(code: &str, message: &str) -> axum::Json<Value> {
    axum::Json(json!({ "errors": [{ "message": message, "extensions": { "code": code } }] }))
}

/// Whether a fault that happens so many times happens now.
fn take(times: &mut u32) -> bool {
    let happens = *times > 0;
    *times = times.saturating_sub(1);
    happens
}
