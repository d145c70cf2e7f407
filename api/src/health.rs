//! What an orchestrator asks of the API: `/healthz` (it answers), `/readyz` (what it needs answers), `/metrics`.
//!
//! Owns what is asked, and for how long. Does not own what is counted (`runtime::telemetry::measures`), or what
//! is done where something is not ready.
//!
//! Always: all parts are asked at once, and none for longer than a few seconds; what does not answer is named, why
//! is only in the log. `/healthz` asks nobody else: database, object store, queues and provider are shared by all
//! processes, so another process in place of this one would be no better off.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::get,
};
use contract::messages::JOBS_QUEUE;
use futures::future::join_all;
use runtime::health::{self, answers};
use serde_json::json;

use crate::{App, auth::token::TokenVerifier, queue::Queues};

/// What is asked whether it is ready.
#[derive(Clone)]
pub(crate) struct Health {
    /// The database and the object store.
    pub(crate) app: App,
    /// Who is who.
    pub(crate) verifier: Arc<dyn TokenVerifier>,
    /// Where jobs are announced.
    pub(crate) queues: Queues,
}

/// The routes.
pub(crate) fn router(health: Health) -> Router {
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(health::metrics))
        .with_state(health)
}

/// `database`, `objects` (the bucket of uploads), `identity` (tokens can be verified) and `queue` (that of jobs);
/// `checkQueues` has those of further checks, where there are any.
async fn readyz(State(health): State<Health>) -> Response {
    let queues = health.queues.iter().map(async |(name, queue)| {
        let answers = answers(name, queue.depth()).await;
        (name.as_str(), answers)
    });
    let (database, objects, identity, queues) = tokio::join!(
        answers("database", health.app.database().ping()),
        answers("objects", health.app.objects().ready()),
        answers("identity", health.verifier.ready()),
        join_all(queues),
    );
    let mut all = database && objects && identity;
    let mut body = json!({"database": database, "objects": objects, "identity": identity});
    for (name, answers) in queues {
        all &= answers;
        if name == JOBS_QUEUE {
            body["queue"] = answers.into();
        } else {
            body["checkQueues"][name] = answers.into();
        }
    }
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
    use std::time::Duration;

    use async_trait::async_trait;
    use axum::body::to_bytes;
    use runtime::health::READY;
    use runtime::queue::{Depth, Outgoing, Queue, QueueError, Receipt, Received};
    use serde_json::Value;

    use super::*;
    use crate::{Error, auth::Actor, testing::World};

    /// A verifier and a queue that are there, away, or silent.
    #[derive(Clone, Copy)]
    enum Part {
        There,
        Away,
        Silent,
    }

    impl Part {
        async fn answer<E>(self, error: E) -> Result<(), E> {
            match self {
                Self::There => Ok(()),
                Self::Away => Err(error),
                Self::Silent => std::future::pending().await,
            }
        }
    }

    #[async_trait]
    impl TokenVerifier for Part {
        async fn verify(&self, _: &str) -> Result<Actor, Error> {
            Err(Error::Unavailable("never".into()))
        }

        async fn ready(&self) -> Result<(), Error> {
            self.answer(Error::Unavailable("away".into())).await
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

        async fn depth(&self) -> Result<Depth, QueueError> {
            let away = QueueError::Unavailable("away".into());
            self.answer(away).await.map(|()| Depth::default())
        }
    }

    async fn told(world: &World, identity: Part, jobs: Part, ocr: Option<Part>) -> (u16, Value) {
        let mut queues = Queues::from([(JOBS_QUEUE.to_owned(), Arc::new(jobs) as Arc<dyn Queue>)]);
        if let Some(ocr) = ocr {
            queues.insert("OCR".to_owned(), Arc::new(ocr));
        }
        let health = Health {
            app: world.app.clone(),
            verifier: Arc::new(identity),
            queues,
        };
        let answer = readyz(State(health)).await;
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 1 << 16).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// With these parts away.
    fn body(away: &[&str]) -> Value {
        let parts = ["database", "objects", "identity", "queue"];
        let parts = parts.map(|part| (part.to_owned(), json!(!away.contains(&part))));
        Value::Object(parts.into_iter().collect())
    }

    #[tokio::test]
    async fn each_part_that_is_not_ready_is_named() {
        use Part::{Away, There};
        let world = World::with_empty_store().await;
        let all = told(&world, There, There, None).await;
        assert_eq!(all, (200, body(&[])));
        let identity = told(&world, Away, There, None).await;
        assert_eq!(identity, (503, body(&["identity"])));
        let queue = told(&world, There, Away, None).await;
        assert_eq!(queue, (503, body(&["queue"])));
        let mut expected = body(&[]);
        expected["checkQueues"] = json!({"OCR": false});
        assert_eq!(
            told(&world, There, There, Some(Away)).await,
            (503, expected)
        );
        world.app.database().clone().close().await.unwrap();
        let database = told(&world, There, There, None).await;
        assert_eq!(database, (503, body(&["database"])));
        // Nobody listens there.
        let world = World::new().await;
        let objects = told(&world, There, There, None).await;
        assert_eq!(objects, (503, body(&["objects"])));
    }

    #[tokio::test]
    async fn parts_that_never_answer_are_asked_at_once_and_given_up() {
        let world = World::over_a_silent_store().await;
        let began = std::time::Instant::now();
        let told = told(&world, Part::Silent, Part::Silent, Some(Part::Silent)).await;
        let mut expected = body(&["objects", "identity", "queue"]);
        expected["checkQueues"] = json!({"OCR": false});
        assert_eq!(told, (503, expected));
        assert!(began.elapsed() < READY * 2, "{:?}", began.elapsed());
    }
}
