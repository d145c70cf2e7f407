//! Taking a request's body into the store.
//!
//! Always: at most two buffers are held for each upload, one filling while the other is
//! hashed and written; a client that stands still is given up; nothing is kept unless the
//! body came to its end.

use std::time::Duration;

use axum::http::{HeaderMap, Uri};
use bytes::Bytes;
use futures::StreamExt;
use s3s::dto::{ChecksumAlgorithm, StreamingBlob};
use s3s::{S3Error, S3ErrorCode, S3Result, TrailingHeaders};
use tokio::task::JoinHandle;

use super::error::{internal, invalid, of_store};
use super::translate;
use crate::objects::store::{Algorithm, Content, Expected, Intake, MAX_SIZE, StoreError};

/// So much is taken from the wire before it goes to the disk.
const BUFFER: usize = 256 << 10;
/// A body may come in very small pieces, each of which costs more than its bytes.
const MAX_PIECES: usize = 1_024;
const IDLE: Duration = Duration::from_mins(1);

/// A body, and what was said about it.
pub(super) struct Incoming {
    pub(super) body: Option<StreamingBlob>,
    pub(super) expected: Expected,
    pub(super) algorithms: Vec<Algorithm>,
    trailing: Vec<Algorithm>,
    trailers: Option<TrailingHeaders>,
}

/// A body that came to its end, but for what has not been pushed yet.
pub(super) struct Taken {
    intake: Box<Intake>,
    rest: Vec<Bytes>,
    expected: Expected,
}

impl Incoming {
    pub(super) fn new(
        body: Option<StreamingBlob>,
        headers: &HeaderMap,
        uri: &Uri,
        length: Option<i64>,
        asked: Option<&ChecksumAlgorithm>,
        trailers: Option<TrailingHeaders>,
    ) -> S3Result<Self> {
        let (expected, trailing) = translate::expected(headers, uri, length)?;
        if expected.length.is_some_and(|length| length > MAX_SIZE) {
            return Err(S3Error::new(S3ErrorCode::EntityTooLarge));
        }
        let mut algorithms: Vec<Algorithm> = expected.checksums.algorithms().collect();
        algorithms.extend(&trailing);
        algorithms.extend(asked.and_then(|name| Algorithm::named(name.as_str())));
        Ok(Self {
            body,
            expected,
            algorithms,
            trailing,
            trailers,
        })
    }

    /// Reads the body to its end.
    pub(super) async fn take(mut self, intake: Intake) -> S3Result<Taken> {
        let mut pushing = Pushing::Idle(Box::new(intake));
        let mut rest = Vec::new();
        let mut held = 0;
        if let Some(mut body) = self.body.take() {
            while let Some(bytes) = next(&mut body).await? {
                held += bytes.len();
                rest.push(bytes);
                if held >= BUFFER || rest.len() >= MAX_PIECES {
                    pushing = pushing.push(std::mem::take(&mut rest)).await?;
                    held = 0;
                }
            }
        }
        self.read_trailers()?;
        Ok(Taken {
            intake: pushing.wait().await?,
            rest,
            expected: self.expected,
        })
    }

    fn read_trailers(&mut self) -> S3Result<()> {
        if self.trailing.is_empty() {
            return Ok(());
        }
        let trailers = self.trailers.as_ref().and_then(TrailingHeaders::take);
        let trailers = trailers.unwrap_or_default();
        for algorithm in &self.trailing {
            let sum = trailers
                .get(algorithm.header())
                .and_then(|sum| sum.to_str().ok());
            let sum = sum.ok_or_else(|| invalid("a checksum was announced and did not come"))?;
            self.expected.checksums.insert(*algorithm, sum.to_owned());
        }
        Ok(())
    }
}

impl Taken {
    /// The rest of the work, for a thread that may block.
    pub(super) fn finish(mut self) -> Result<Content, StoreError> {
        self.intake.push(&self.rest)?;
        self.intake.finish(&self.expected)
    }
}

enum Pushing {
    Idle(Box<Intake>),
    Busy(JoinHandle<Result<Box<Intake>, StoreError>>),
}

impl Pushing {
    async fn push(self, buffers: Vec<Bytes>) -> S3Result<Self> {
        let mut intake = self.wait().await?;
        let work = move || intake.push(&buffers).map(|()| intake);
        Ok(Self::Busy(tokio::task::spawn_blocking(work)))
    }

    async fn wait(self) -> S3Result<Box<Intake>> {
        match self {
            Self::Idle(intake) => Ok(intake),
            Self::Busy(work) => work.await.map_err(internal)?.map_err(of_store),
        }
    }
}

async fn next(body: &mut StreamingBlob) -> S3Result<Option<Bytes>> {
    let next = tokio::time::timeout(IDLE, body.next()).await;
    let next = next.map_err(|_| S3Error::new(S3ErrorCode::RequestTimeout))?;
    next.transpose().map_err(|error| broken(&error.to_string()))
}

/// `s3s` checks signatures and digests of the wire as the body passes; its errors have no
/// public type, only a text.
fn broken(text: &str) -> S3Error {
    let code = if text.contains("Sha256Mismatch") {
        S3ErrorCode::from_bytes(b"XAmzContentSHA256Mismatch").unwrap_or(S3ErrorCode::BadDigest)
    } else if text.contains("SignatureMismatch") {
        S3ErrorCode::SignatureDoesNotMatch
    } else {
        S3ErrorCode::IncompleteBody
    };
    S3Error::with_message(code, "The body did not arrive as it was signed.")
}
