//! An object store that breaks off, changes its mind or says that it is busy.

use std::convert::Infallible;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use bytes::Bytes;
use futures::{StreamExt, stream};
use tokio::net::TcpListener;
use worker::client::{DispositionWork, Evidence, FailureKind, FixityWork, ObjectLocation, Work};

use crate::world::{Status, World, noise, s3_client, sha256};

/// How the store misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Every body breaks off after so many bytes.
    BreaksOffAfter(usize),
    /// Every second request is answered with `503 SlowDown`.
    Busy,
    /// After the first request it is another object.
    Changes,
    /// It sends whole objects, whatever was asked for.
    IgnoresRanges,
}

struct Store {
    bytes: Bytes,
    fault: Fault,
    requests: AtomicU32,
}

fn range(request: &Request) -> Option<(usize, usize)> {
    let text = request.headers().get("range")?.to_str().ok()?;
    let (from, to) = text.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().ok()?, to.parse().ok()?))
}

async fn get(State(store): State<Arc<Store>>, request: Request) -> Response<Body> {
    let nth = store.requests.fetch_add(1, Ordering::SeqCst);
    let changed = store.fault == Fault::Changes && nth > 0;
    if changed && request.headers().contains_key("if-match") {
        return status(StatusCode::PRECONDITION_FAILED);
    }
    if store.fault == Fault::Busy && nth % 2 == 0 {
        return status(StatusCode::SERVICE_UNAVAILABLE);
    }
    let size = store.bytes.len();
    let (from, to) = match range(&request) {
        Some((from, to)) if store.fault != Fault::IgnoresRanges => (from, to.min(size - 1)),
        _ => (0, size - 1),
    };
    let answer = Response::builder()
        .status(StatusCode::PARTIAL_CONTENT)
        .header("etag", if changed { "\"two\"" } else { "\"one\"" })
        .header("content-length", to + 1 - from)
        .header("content-range", format!("bytes {from}-{to}/{size}"));
    let bytes = store.bytes.slice(from..=to);
    let body = match store.fault {
        Fault::BreaksOffAfter(count) if bytes.len() > count => {
            let sent: Result<Bytes, std::io::Error> = Ok(bytes.slice(..count));
            let cut = async {
                // What was sent so far is flushed while the body waits.
                tokio::task::yield_now().await;
                Err(std::io::Error::other("on purpose"))
            };
            Body::from_stream(stream::iter([sent]).chain(stream::once(cut)))
        }
        _ => Body::from_stream(stream::iter([Ok::<_, Infallible>(bytes)])),
    };
    answer.body(body).unwrap()
}

fn status(status: StatusCode) -> Response<Body> {
    let code = if status == StatusCode::SERVICE_UNAVAILABLE {
        "SlowDown"
    } else {
        "PreconditionFailed"
    };
    let xml = format!("<Error><Code>{code}</Code><Message>on purpose</Message></Error>");
    let answer = Response::builder().status(status);
    answer.body(Body::from(xml)).unwrap()
}

/// Checks `bytes` in a store with that fault. Answers the digest that was found or why none was,
/// and how many requests it took.
async fn check(bytes: &[u8], fault: Fault) -> (Result<String, String>, u32) {
    let mut world = World::new().await;
    let mut work = world.check(1, "a.bin", bytes).await;
    work.object.etag = None;
    let store = Arc::new(Store {
        bytes: Bytes::copy_from_slice(bytes),
        fault,
        requests: AtomicU32::new(0),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(get).with_state(store.clone());
    world.s3 = s3_client(&endpoint).await;
    world.config.read.range = 400_000;
    let job = world.job(1, Work::Check(work)).await;
    let ended = |job: &crate::world::Job| job.checks.len() + job.failures.len() == 1;
    tokio::select! {
        _ = world.work_until(|api| ended(&api.job(job))) => {}
        _ = async { axum::serve(listener, router).await } => panic!("the server ended"),
    }
    let job = world.api.job(job);
    let requests = store.requests.load(Ordering::SeqCst);
    let Some(report) = job.checks.first() else {
        return (Err(job.failures[0].1.clone()), requests);
    };
    match &report.results[0].evidence {
        Evidence::Checksum { sha256, .. } => (Ok(sha256.clone()), requests),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_read_on_from_there() {
    let bytes = noise(1_000_000);
    let (digest, requests) = check(&bytes, Fault::BreaksOffAfter(150_000)).await;
    assert_eq!(digest, Ok(sha256(&bytes)));
    // Each brings 150,000 bytes.
    assert_eq!(requests, 7);
}

#[tokio::test]
async fn a_store_that_is_busy_is_asked_again() {
    let bytes = noise(1_000_000);
    let (digest, _) = check(&bytes, Fault::Busy).await;
    assert_eq!(digest, Ok(sha256(&bytes)));
}

#[tokio::test]
async fn two_contents_are_never_mixed() {
    let (digest, _) = check(&noise(1_000_000), Fault::Changes).await;
    assert!(digest.is_err_and(|why| why.contains("changed")));
}

#[tokio::test]
async fn more_bytes_than_were_asked_for_are_not_taken() {
    let (digest, _) = check(&noise(1_000_000), Fault::IgnoresRanges).await;
    assert!(digest.is_err_and(|why| why.contains("more than was asked for")));
}

#[tokio::test]
async fn a_store_that_makes_no_progress_is_given_up() {
    let (digest, requests) = check(&noise(1_000_000), Fault::BreaksOffAfter(0)).await;
    assert!(digest.is_err());
    assert!(requests < 30, "{requests} requests");
}

/// Looks at a file, moves one and verifies one: each of them on the last attempt it has.
async fn one_of_each(world: &World) -> [contract::JobId; 3] {
    let checked = world.check(1, "a.txt", b"a").await;
    let source = world.put("incoming", "moved", b"b").await;
    let moved = DispositionWork {
        size: 1,
        target: ObjectLocation {
            bucket: "records".to_owned(),
            key: source.key.clone(),
            etag: None,
        },
        source,
    };
    let mut kept = world.put("records", "kept", b"c").await;
    kept.etag = None;
    let kept = FixityWork { object: kept };
    let jobs = [
        world.job(1, Work::Check(checked)).await,
        world.job(2, Work::Disposition(moved)).await,
        world.job(3, Work::Fixity(kept)).await,
    ];
    for job in jobs {
        world.api.change(job, |job| job.max_attempts = 1);
    }
    jobs
}

/// Nothing listens there.
async fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn a_store_that_is_away_costs_no_attempt_and_is_waited_for() {
    let mut world = World::new().await;
    world.config.not_now = Duration::from_millis(20);
    world.config.read.retry.attempts = NonZeroU32::MIN;
    let jobs = one_of_each(&world).await;
    let there = std::mem::replace(&mut world.s3, s3_client(&nowhere().await).await);
    let tried = |job: &crate::world::Job| !job.failures.is_empty();
    world
        .work_until(|api| jobs.iter().all(|job| tried(&api.job(*job))))
        .await;
    for job in jobs {
        let job = world.api.job(job);
        assert_eq!(job.status, Status::Ready, "{job:#?}");
        assert!(
            job.failures
                .iter()
                .all(|(kind, why)| *kind == FailureKind::HandBack
                    && why.contains("the object store does not answer")),
            "{job:#?}"
        );
        assert!(job.checks.is_empty(), "{job:#?}");
    }

    world.s3 = there;
    for job in jobs {
        world.announce(job).await;
    }
    world.work().await;
    for job in jobs {
        let job = world.api.job(job);
        assert_eq!(job.status, Status::Done, "{job:#?}");
    }
}
