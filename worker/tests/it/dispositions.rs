//! Moving bytes to where they belong.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::primitives::ByteStream;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::Response;
use contract::VersionId;
use tokio::net::TcpListener;
use uuid::Uuid;
use worker::client::{DispositionOutcome, DispositionWork, FailureKind, ObjectLocation, Work};

use crate::world::{Status, World, noise, s3_client};

const BYTES: &[u8] = b"some bytes that were accepted";

async fn disposition(world: &World, bytes: &[u8]) -> DispositionWork {
    let version = VersionId(Uuid::from_u128(5));
    let source = world.put("incoming", &version.to_string(), bytes).await;
    DispositionWork {
        size: bytes.len() as u64,
        target: ObjectLocation {
            bucket: "records".to_owned(),
            key: source.key.clone(),
            etag: None,
        },
        source,
    }
}

#[tokio::test]
async fn bytes_are_moved_and_their_new_etag_is_reported() {
    let world = World::new().await;
    let work = disposition(&world, BYTES).await;
    let key = work.target.key.clone();
    let job = world.job(1, Work::Disposition(work)).await;
    world.work().await;
    let report = world.api.job(job).dispositions.remove(0);
    assert_eq!(report.outcome, DispositionOutcome::Done);
    let head = world.s3.head_object().bucket("records").key(&key);
    assert_eq!(report.etag, head.send().await.unwrap().e_tag);
    assert_eq!(world.get("records", &key).await.as_deref(), Some(BYTES));
    assert_eq!(world.get("incoming", &key).await, None);
}

#[tokio::test]
async fn a_disposition_that_runs_twice_ends_the_same() {
    let world = World::new().await;
    let work = disposition(&world, BYTES).await;
    let key = work.target.key.clone();
    let job = world.job(1, Work::Disposition(work)).await;
    world.work().await;
    world.work_again().await;
    let reports = world.api.job(job).dispositions;
    assert_eq!(reports.len(), 2);
    assert_eq!(
        (reports[0].outcome, &reports[0].etag),
        (reports[1].outcome, &reports[1].etag)
    );
    assert_eq!(world.get("records", &key).await.as_deref(), Some(BYTES));
}

#[tokio::test]
async fn a_worker_that_died_between_copy_and_delete_is_made_good() {
    let world = World::new().await;
    let work = disposition(&world, BYTES).await;
    let key = work.target.key.clone();
    world.put("records", &key, BYTES).await;
    let job = world.job(1, Work::Disposition(work)).await;
    world.work().await;
    let report = world.api.job(job).dispositions.remove(0);
    assert_eq!(report.outcome, DispositionOutcome::Done);
    assert_eq!(world.get("incoming", &key).await, None);
}

#[tokio::test]
async fn content_that_was_changed_after_the_check_is_not_released() {
    let world = World::new().await;
    let work = disposition(&world, BYTES).await;
    let key = work.target.key.clone();
    world
        .put("incoming", &key, b"some bytes that were exchanged")
        .await;
    let job = world.job(1, Work::Disposition(work)).await;
    world.work().await;
    let report = world.api.job(job).dispositions.remove(0);
    assert_eq!(report.outcome, DispositionOutcome::ContentChanged);
    assert_eq!(world.get("records", &key).await, None);
    assert!(world.get("incoming", &key).await.is_some());
}

#[tokio::test]
async fn an_object_too_large_for_one_copy_goes_in_parts() {
    let mut world = World::new().await;
    world.config.copy.single = 1_000;
    world.config.copy.part = 5 * 1024 * 1024;
    let bytes = noise(12 * 1024 * 1024 + 3);
    for changed in [false, true] {
        let mut work = disposition(&world, &bytes).await;
        work.target.key = format!("copy-{changed}");
        if changed {
            work.source.etag = Some("\"0123456789abcdef0123456789abcdef\"".to_owned());
        }
        let key = work.target.key.clone();
        let job = world.job(1, Work::Disposition(work)).await;
        world.work().await;
        let report = world.api.job(job).dispositions.remove(0);
        let stored = world.get("records", &key).await;
        if changed {
            assert_eq!(report.outcome, DispositionOutcome::ContentChanged);
            assert!(stored.is_none());
        } else {
            assert_eq!(report.outcome, DispositionOutcome::Done);
            assert!(stored == Some(bytes.clone()));
        }
    }
}

/// Somebody between the worker and the store, who writes other bytes over the source once a part was copied.
struct Meddler {
    store: String,
    s3: aws_sdk_s3::Client,
    copied: AtomicU32,
}

async fn meddle(State(meddler): State<Arc<Meddler>>, request: Request) -> Response<Body> {
    let (head, body) = request.into_parts();
    let source = head.headers.get("x-amz-copy-source");
    let source = source.and_then(|source| source.to_str().ok()?.split_once('/'));
    let source = source.map(|(bucket, key)| (bucket.to_owned(), key.to_owned()));
    let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
    let body = axum::body::to_bytes(body, 1024 * 1024).await.unwrap();
    let passed = reqwest::Client::new()
        .request(head.method.clone(), format!("{}{path}", meddler.store))
        .headers(head.headers)
        .body(body)
        .send()
        .await
        .unwrap();
    let mut answer = Response::builder().status(passed.status());
    answer.headers_mut().unwrap().clone_from(passed.headers());
    let answer = answer.body(Body::from(passed.bytes().await.unwrap()));
    if let Some((bucket, key)) = source
        && meddler.copied.fetch_add(1, Ordering::SeqCst) == 0
    {
        let other = ByteStream::from(noise(13 * 1024 * 1024)[1024 * 1024 - 3..].to_vec());
        let put = meddler.s3.put_object().bucket(bucket).key(key).body(other);
        put.send().await.unwrap();
    }
    answer.unwrap()
}

#[tokio::test]
async fn content_that_is_exchanged_between_two_parts_is_not_released() {
    let mut world = World::new().await;
    world.config.copy.single = 1_000;
    world.config.copy.part = 5 * 1024 * 1024;
    world.config.copy.parallel = 1;
    let work = disposition(&world, &noise(12 * 1024 * 1024 + 3)).await;
    let key = work.target.key.clone();
    let meddler = Arc::new(Meddler {
        store: world.endpoint.clone(),
        s3: world.s3.clone(),
        copied: AtomicU32::default(),
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new().fallback(meddle).with_state(meddler.clone());
    world.s3 = s3_client(&endpoint).await;
    let job = world.job(1, Work::Disposition(work)).await;
    tokio::select! {
        _ = world.work() => {}
        _ = async { axum::serve(listener, router).await } => panic!("the server ended"),
    }
    let report = world.api.job(job).dispositions.remove(0);
    assert_eq!(report.outcome, DispositionOutcome::ContentChanged);
    assert_eq!(meddler.copied.load(Ordering::SeqCst), 2);
    world.s3 = meddler.s3.clone();
    assert!(world.get("records", &key).await.is_none());
    assert!(world.get("incoming", &key).await.is_some());
    assert_eq!(world.unfinished_uploads(), 0);
}

#[tokio::test]
async fn what_is_neither_at_its_source_nor_at_its_target_is_given_up() {
    let world = World::new().await;
    let mut work = disposition(&world, BYTES).await;
    work.source.key = "nowhere".to_owned();
    let job = world.job(1, Work::Disposition(work)).await;
    world.work().await;
    let job = world.api.job(job);
    assert_eq!(job.status, Status::Dead);
    assert_eq!(job.failures[0].0, FailureKind::GiveUp);
}

#[tokio::test]
async fn without_an_etag_nothing_is_moved() {
    let world = World::new().await;
    let mut work = disposition(&world, BYTES).await;
    work.source.etag = None;
    let key = work.target.key.clone();
    let job = world.job(1, Work::Disposition(work)).await;
    world.work().await;
    assert_eq!(world.api.job(job).status, Status::Dead);
    assert_eq!(world.get("records", &key).await, None);
}
