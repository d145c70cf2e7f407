//! The fake object store: a presigned address is a version's id in hexadecimal, and a part.

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sha2::{Digest, Sha256};

use super::{Fake, take};

const DIGEST_REFUSED: &str =
    "<Error><Code>XAmzContentSHA256Mismatch</Code><Message>no</Message></Error>";

/// The part that an upload is for.
#[derive(serde::Deserialize)]
pub(super) struct Part {
    part: u64,
}

pub(super) async fn upload(
    State(fake): State<Fake>,
    Path(key): Path<String>,
    Query(Part { part }): Query<Part>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let mut world = fake.world();
    world.uploads += 1;
    let faults = &mut world.faults;
    for (fault, status) in [
        (&mut faults.slow_down, StatusCode::SERVICE_UNAVAILABLE),
        (&mut faults.expired, StatusCode::FORBIDDEN),
        (&mut faults.full, StatusCode::INSUFFICIENT_STORAGE),
    ] {
        if take(fault) {
            return status.into_response();
        }
    }
    if take(&mut faults.lost) {
        return StatusCode::OK.into_response();
    }
    if !world.faults.during_upload.is_empty() {
        world.faults.during_upload.remove(0)();
        return (StatusCode::BAD_REQUEST, DIGEST_REFUSED).into_response();
    }
    let signed = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
    let digest = hex::encode(Sha256::digest(&body));
    if signed("x-amz-content-sha256").is_some_and(|declared| declared != digest) {
        return (StatusCode::BAD_REQUEST, DIGEST_REFUSED).into_response();
    }
    let id = hex::decode(key)
        .ok()
        .and_then(|id| String::from_utf8(id).ok());
    match id.and_then(|id| {
        world
            .version(&id)
            .map(|version| version.parts.insert(part, body.to_vec()))
    }) {
        Some(_) => StatusCode::OK.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

pub(super) async fn download(State(fake): State<Fake>, headers: HeaderMap) -> Response {
    let mut world = fake.world();
    let range = headers.get("range").and_then(|range| range.to_str().ok());
    let from: Option<usize> = range.and_then(|range| {
        range
            .strip_prefix("bytes=")?
            .strip_suffix('-')?
            .parse()
            .ok()
    });
    let start = from.unwrap_or(0);
    let rest = world.package[start..].to_vec();
    let status = match from {
        Some(_) => StatusCode::PARTIAL_CONTENT,
        None => StatusCode::OK,
    };
    if take(&mut world.faults.cut) {
        let half = Bytes::from(rest[..rest.len() / 2].to_vec());
        let broken = std::io::Error::other("cut");
        let body = Body::from_stream(futures::stream::iter([Ok(half), Err(broken)]));
        return (status, body).into_response();
    }
    (status, rest).into_response()
}
