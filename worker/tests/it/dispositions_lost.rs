//! An object store that says of what is there that it is not, and the other way round.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Method, Response, StatusCode};
use tokio::net::TcpListener;
use worker::client::{DispositionOutcome, DispositionWork, FailureKind, ObjectLocation, Work};

use crate::world::{World, s3_client};

const SIZE: u64 = 7;

/// What the store answers, and whether the source was deleted.
#[derive(Debug)]
struct Store {
    /// To a copy.
    copy: StatusCode,
    /// Whether the source is listed.
    listed: bool,
    /// To a HEAD of the target: the status, and how many bytes it has.
    target: (StatusCode, u64),
    deleted: Mutex<bool>,
}

async fn answer(State(store): State<Arc<Store>>, request: Request) -> Response<Body> {
    let status = |status: StatusCode| Response::builder().status(status);
    let said = |code: &str| Body::from(format!("<Error><Code>{code}</Code></Error>"));
    match *request.method() {
        Method::PUT => status(store.copy).body(said("NoSuchUpload")),
        Method::HEAD => status(store.target.0)
            .header("etag", "\"target\"")
            .header("content-length", store.target.1)
            .body(Body::empty()),
        Method::GET => {
            let source = request.uri().path().starts_with("/incoming");
            let contents = if store.listed && source {
                "<Contents><Key>k</Key></Contents>"
            } else {
                ""
            };
            let list = format!("<ListBucketResult>{contents}</ListBucketResult>");
            status(StatusCode::OK).body(Body::from(list))
        }
        _ => {
            *store.deleted.lock().unwrap() = true;
            status(StatusCode::NO_CONTENT).body(Body::empty())
        }
    }
    .unwrap()
}

/// How a disposition ends: what is reported, or what kind of failure; and whether the source was deleted.
async fn ends(
    copy: StatusCode,
    listed: bool,
    target: (StatusCode, u64),
) -> (Result<DispositionOutcome, FailureKind>, bool) {
    let mut world = World::new().await;
    let store = Arc::new(Store {
        copy,
        listed,
        target,
        deleted: Mutex::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(answer).with_state(store.clone());
    world.s3 = s3_client(&endpoint).await;
    let at = |bucket: &str, etag: Option<&str>| ObjectLocation {
        bucket: bucket.to_owned(),
        key: "k".to_owned(),
        etag: etag.map(str::to_owned),
    };
    let work = DispositionWork {
        size: SIZE,
        source: at("incoming", Some("\"source\"")),
        target: at("records", None),
    };
    let job = world.job(1, Work::Disposition(work)).await;
    let ended = |job: &crate::world::Job| job.dispositions.len() + job.failures.len() == 1;
    tokio::select! {
        _ = world.work_until(|api| ended(&api.job(job))) => {}
        _ = async { axum::serve(listener, router).await } => panic!("the server ended"),
    }
    let job = world.api.job(job);
    let end = match job.dispositions.first() {
        Some(report) => Ok(report.outcome),
        None => Err(job.failures[0].0),
    };
    (end, *store.deleted.lock().unwrap())
}

#[tokio::test]
async fn a_source_is_said_to_be_gone_only_if_it_is_not_listed() {
    let whole = (StatusCode::OK, SIZE);
    let done = Ok(DispositionOutcome::Done);
    for copy in [StatusCode::NOT_FOUND, StatusCode::FORBIDDEN] {
        for (listed, target, end, deleted) in [
            // The answer to the copy was lost.
            (true, whole, done, true),
            (true, (StatusCode::OK, 1), Err(FailureKind::Retry), false),
            (
                true,
                (StatusCode::NOT_FOUND, 0),
                Err(FailureKind::Retry),
                false,
            ),
            (
                true,
                (StatusCode::FORBIDDEN, 0),
                Err(FailureKind::Retry),
                false,
            ),
            // The report was lost.
            (false, whole, done, false),
            (false, (StatusCode::OK, 1), Err(FailureKind::GiveUp), false),
            (
                false,
                (StatusCode::NOT_FOUND, 0),
                Err(FailureKind::GiveUp),
                false,
            ),
            (
                false,
                (StatusCode::FORBIDDEN, 0),
                Err(FailureKind::GiveUp),
                false,
            ),
        ] {
            let ended = ends(copy, listed, target).await;
            assert_eq!(ended, (end, deleted), "{copy} {listed} {target:?}");
        }
    }
}
