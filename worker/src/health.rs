//! What an orchestrator asks of a worker: `/healthz` (it runs), `/readyz` (what it needs answers), `/metrics`.
//!
//! Owns what is asked, and for how long. Does not own what is done where something is not ready: jobs wait in the
//! queue, and go on by themselves.
//!
//! Always: all parts are asked at once, and none for longer than a few seconds; what does not answer is named, why
//! is in the log. Nothing is asked that the worker has no right to: that the object store answers is known, whether
//! there are buckets is not, since only jobs name them. The API is asked whether it runs (`/healthz`), not whether it
//! is ready: what both need, the worker asks itself, and what only the API needs is named there. Else one dead database
//! would be told once for each worker, as something that is wrong with it.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use runtime::{
    health::{self, answers},
    queue::Queue,
    shutdown::Shutdown,
    telemetry::measures,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::{checks::antivirus::Scanner, client::TokenSource, objects};

/// What is asked whether it is ready.
#[derive(Clone)]
pub struct Health {
    /// Looks for malware.
    pub scanner: Arc<dyn Scanner>,
    /// Where jobs come from.
    pub queue: Arc<dyn Queue>,
    /// Where the object store tells of uploads, if it does.
    pub uploads: Option<Arc<dyn Queue>>,
    /// Where bytes are.
    pub objects: aws_sdk_s3::Client,
    /// Where the worker's tokens come from.
    pub tokens: Arc<dyn TokenSource>,
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
        .route("/metrics", get(health::metrics))
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

/// `antivirus`, `queue` (that of jobs), `uploads` (the other queue, where there is one), `objects` (the store
/// answers), `identity` (there is a token) and `api` (it runs).
async fn readyz(State(health): State<Health>) -> Response {
    let antivirus = async {
        let is_ready = health.scanner.ready().await;
        is_ready.then_some(()).ok_or("the engine does not answer")
    };
    let uploads = async {
        let queue = health.uploads.as_ref()?;
        Some(answers("uploads", queue.depth()).await)
    };
    let api = async {
        let answer = health.http.get(&health.api).send().await?;
        answer.error_for_status()
    };
    let (antivirus, queue, uploads, objects, identity, api) = tokio::join!(
        answers("antivirus", antivirus),
        answers("queue", health.queue.depth()),
        uploads,
        answers("objects", objects::answers(&health.objects)),
        answers("identity", health.tokens.token()),
        answers("api", api),
    );
    let mut body = json!({
        "antivirus": antivirus, "queue": queue, "objects": objects, "identity": identity, "api": api,
    });
    if let Some(uploads) = uploads {
        body["uploads"] = uploads.into();
    }
    let all = antivirus && queue && objects && identity && api && uploads.unwrap_or(true);
    let status = if all {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, Json(body)).into_response()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering},
        time::Duration,
    };

    use async_trait::async_trait;
    use axum::body::to_bytes;
    use runtime::{
        aws::{Access, Keys},
        queue::{Depth, Outgoing, QueueError, Receipt, Received},
        s3::{self, S3Settings},
        secrecy::SecretString,
    };
    use serde_json::Value;

    use super::*;
    use crate::{
        checks::antivirus::{Blocks, EngineInfo, Scan},
        client::ApiError,
    };

    /// A part that is there, or not.
    struct Part(bool);

    #[async_trait]
    impl Scanner for Part {
        async fn identity(&self) -> EngineInfo {
            unreachable!("nothing is scanned")
        }

        async fn ready(&self) -> bool {
            self.0
        }

        async fn scan(&self, _: u64, _: Blocks) -> Scan {
            unreachable!("nothing is scanned")
        }
    }

    #[async_trait]
    impl TokenSource for Part {
        async fn token(&self) -> Result<SecretString, ApiError> {
            let away = || ApiError::Token("the provider is away".to_owned());
            self.0.then(SecretString::default).ok_or_else(away)
        }
    }

    #[async_trait]
    impl Queue for Part {
        async fn send(&self, _: &[Outgoing]) -> Result<(), QueueError> {
            Ok(())
        }

        async fn receive(
            &self,
            _: usize,
            _: Duration,
            _: Duration,
        ) -> Result<Vec<Received>, QueueError> {
            Ok(Vec::new())
        }

        async fn extend(&self, _: &Receipt, _: Duration) -> Result<(), QueueError> {
            Ok(())
        }

        async fn delete(&self, _: &[Receipt]) -> Result<(), QueueError> {
            Ok(())
        }

        /// Silent where it is not there.
        async fn depth(&self) -> Result<Depth, QueueError> {
            if !self.0 {
                std::future::pending::<()>().await;
            }
            Ok(Depth::default())
        }
    }

    /// A server that answers everything so; where it is, and how often it was asked.
    async fn server(status: u16, body: &'static str) -> (String, Arc<AtomicUsize>) {
        let asked = Arc::<AtomicUsize>::default();
        let count = asked.clone();
        let router = Router::new().fallback(async move || {
            count.fetch_add(1, Ordering::SeqCst);
            (StatusCode::from_u16(status).unwrap(), body)
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let running = Shutdown::new();
        drop(running.spawn("server", async move {
            drop(axum::serve(listener, router).await);
        }));
        (url, asked)
    }

    async fn store(url: &str) -> aws_sdk_s3::Client {
        let access = Access {
            region: Some("us-east-1".into()),
            endpoint: Some(url.to_owned()),
            keys: Some(Keys {
                access_key: "key".into(),
                secret_key: "secret".to_owned().into(),
            }),
            attempts: std::num::NonZeroU32::MIN,
            ..Access::default()
        };
        s3::client(&S3Settings {
            access,
            path_style: true,
            kms_key: None,
        })
        .await
    }

    const REFUSED: &str = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    const STRANGER: &str = "<Error><Code>InvalidAccessKeyId</Code><Message>no</Message></Error>";

    /// All is well.
    async fn well() -> Health {
        let (api, _) = server(200, "ok").await;
        let (objects, _) = server(403, REFUSED).await;
        Health {
            scanner: Arc::new(Part(true)),
            queue: Arc::new(Part(true)),
            uploads: Some(Arc::new(Part(true))),
            objects: store(&objects).await,
            tokens: Arc::new(Part(true)),
            api,
            http: reqwest::Client::new(),
        }
    }

    async fn told(health: Health) -> (u16, Vec<String>) {
        let answer = readyz(State(health)).await;
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
        let body: Value = serde_json::from_slice(&body).unwrap();
        let parts = body.as_object().unwrap();
        assert_eq!(parts.len(), 6, "{body}");
        let not_ready = parts.iter().filter(|(_, ready)| **ready == false);
        (status, not_ready.map(|(name, _)| name.clone()).collect())
    }

    #[tokio::test]
    async fn each_part_that_is_not_ready_is_named() {
        assert_eq!(told(well().await).await, (200, Vec::new()));
        let nowhere = "http://127.0.0.1:9";
        let mut broken = Vec::new();
        for part in [
            "antivirus",
            "queue",
            "uploads",
            "objects",
            "identity",
            "api",
        ] {
            let mut health = well().await;
            match part {
                "antivirus" => health.scanner = Arc::new(Part(false)),
                "queue" => health.queue = Arc::new(Part(false)),
                "uploads" => health.uploads = Some(Arc::new(Part(false))),
                "objects" => health.objects = store(nowhere).await,
                "identity" => health.tokens = Arc::new(Part(false)),
                _ => nowhere.clone_into(&mut health.api),
            }
            broken.push((part, told(health)));
        }
        for (part, told) in broken {
            assert_eq!(told.await, (503, vec![part.to_owned()]));
        }
    }

    #[tokio::test]
    async fn a_store_that_does_not_know_us_or_is_at_its_end_is_not_ready() {
        for (status, body) in [(403, STRANGER), (503, "<Error/>"), (500, "")] {
            let (url, asked) = server(status, body).await;
            assert!(objects::answers(&store(&url).await).await.is_err());
            assert_eq!(asked.load(Ordering::SeqCst), 1);
        }
    }

    #[tokio::test]
    async fn an_api_that_runs_is_enough_and_one_that_fails_is_not() {
        let mut health = well().await;
        health.api = server(500, "").await.0;
        assert_eq!(told(health).await, (503, vec!["api".to_owned()]));
    }

    #[tokio::test]
    async fn where_no_uploads_are_told_their_queue_is_no_part() {
        let mut health = well().await;
        health.uploads = None;
        let answer = readyz(State(health)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let body = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
        assert!(!String::from_utf8_lossy(&body).contains("uploads"));
    }
}
