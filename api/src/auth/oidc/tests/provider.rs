//! A provider in this process.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse as _, Response},
};
use runtime::shutdown::Shutdown;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// How it behaves.
#[derive(Clone, Default)]
pub(super) enum Manner {
    /// As it should.
    #[default]
    Good,
    /// With an error.
    Down,
    /// Not at all.
    Silent,
    /// Only when it is told to.
    Slow(Arc<Notify>),
    /// Under another name.
    Named(String),
    /// Keys without end.
    Endless,
    /// Keys are elsewhere.
    Elsewhere(String),
    /// Keys have another address in the document.
    KeysAt(String),
    /// With something that is no JSON.
    Nonsense,
}

#[derive(Default)]
struct Inner {
    issuer: String,
    manner: Manner,
    keys: Vec<Value>,
    asked: Vec<String>,
}

type Shared = Arc<Mutex<Inner>>;

pub(super) struct FakeProvider {
    inner: Shared,
    _running: Shutdown,
}

impl FakeProvider {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Shared::default();
        inner.lock().unwrap().issuer = format!("http://{address}/realms/archive");
        let router = Router::new().fallback(answer).with_state(inner.clone());
        let running = Shutdown::new();
        drop(running.spawn("provider", async move {
            axum::serve(listener, router).await.unwrap();
        }));
        Self {
            inner,
            _running: running,
        }
    }

    pub(super) fn issuer(&self) -> String {
        self.inner.lock().unwrap().issuer.clone()
    }

    pub(super) fn publish(&self, keys: impl IntoIterator<Item = Value>) {
        self.inner.lock().unwrap().keys = keys.into_iter().collect();
    }

    pub(super) fn behave(&self, manner: Manner) {
        self.inner.lock().unwrap().manner = manner;
    }

    /// The paths that it was asked for.
    pub(super) fn asked(&self) -> Vec<String> {
        self.inner.lock().unwrap().asked.clone()
    }

    /// How often it was asked for its keys.
    pub(super) fn times(&self) -> usize {
        let asked = self.asked();
        asked.iter().filter(|path| *path == "/keys").count()
    }
}

async fn answer(State(inner): State<Shared>, uri: Uri) -> Response {
    let (manner, issuer, keys) = {
        let mut inner = inner.lock().unwrap();
        inner.asked.push(uri.path().to_owned());
        (
            inner.manner.clone(),
            inner.issuer.clone(),
            inner.keys.clone(),
        )
    };
    let base = issuer.trim_end_matches("/realms/archive").to_owned();
    match &manner {
        Manner::Down => return StatusCode::BAD_GATEWAY.into_response(),
        Manner::Silent => std::future::pending().await,
        Manner::Slow(told) => told.notified().await,
        Manner::Nonsense => return "<html>".into_response(),
        _ => {}
    }
    match (uri.path(), manner) {
        ("/realms/archive/.well-known/openid-configuration", manner) => {
            let issuer = match &manner {
                Manner::Named(name) => name.clone(),
                _ => issuer,
            };
            let keys = match manner {
                Manner::KeysAt(address) => address,
                _ => format!("{base}/keys"),
            };
            axum::Json(json!({"issuer": issuer, "jwks_uri": keys})).into_response()
        }
        ("/keys", Manner::Endless) => {
            let begin = futures::stream::iter([Ok::<_, std::io::Error>("{\"keys\": [".to_owned())]);
            let more = futures::stream::repeat_with(|| Ok(" ".repeat(64 * 1024)));
            Response::new(Body::from_stream(futures::StreamExt::chain(begin, more)))
        }
        ("/keys", Manner::Elsewhere(address)) => {
            (StatusCode::FOUND, [(header::LOCATION, address)]).into_response()
        }
        ("/keys", _) => axum::Json(json!({"keys": keys})).into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
