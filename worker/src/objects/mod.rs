//! The object store as the worker uses it.
//!
//! Owns reading by ranges ([`ObjectReader`]), writing in parts ([`Multipart`]), copying, and what
//! an error of the store means. Does not own what the bytes are or where they belong.
//!
//! Always: bytes of two different contents are never mixed, because every request after the
//! first names the `ETag` of the first.

mod copy;
mod error;
mod multipart;
mod reader;

use std::num::NonZeroU32;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::ProvideErrorMetadata as _;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::ServerSideEncryption;
use bytes::Bytes;
use runtime::backoff::{self, Policy};

use crate::client::ObjectLocation;

pub use copy::CopySettings;
pub use error::ObjectError;
pub(crate) use multipart::{Multipart, Part};
pub(crate) use reader::ObjectReader;

/// Whether the store answers, and takes our credentials. It is asked for the list of all buckets, because the
/// worker is told of buckets only with its jobs: it may not see that list, and a store need not know it, so to be
/// refused it is an answer.
pub(crate) async fn answers(client: &Client) -> Result<(), ObjectError> {
    let Err(error) = client.list_buckets().max_buckets(1).send().await else {
        return Ok(());
    };
    let refused = matches!(error.code(), Some("AccessDenied" | "NotImplemented"));
    let raw = error.raw_response();
    if refused || raw.is_some_and(|raw| raw.status().is_success()) {
        return Ok(());
    }
    Err(error.into())
}

/// How long the store may take to say that it is there.
const PRESENT: Duration = Duration::from_secs(10);

/// How objects are read.
#[derive(Debug, Clone)]
pub struct ReadSettings {
    /// How many bytes one request asks for.
    pub range: u64,
    /// How long a body may stand still.
    pub stall: Duration,
    /// How often a range is asked for without a byte of progress, and how far apart.
    pub retry: Policy,
}

impl Default for ReadSettings {
    fn default() -> Self {
        Self {
            range: 8 * 1024 * 1024,
            stall: Duration::from_mins(1),
            retry: Policy {
                first: Duration::from_millis(200),
                cap: Duration::from_secs(5),
                attempts: NonZeroU32::MIN.saturating_add(4),
            },
        }
    }
}

/// What is known of an object without its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) size: u64,
    pub(crate) etag: String,
}

/// A range that has begun to arrive.
pub(crate) struct Opened {
    pub(crate) etag: String,
    pub(crate) total: u64,
    pub(crate) body: ByteStream,
}

/// The object store.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    client: Client,
    read: ReadSettings,
    kms_key: Option<String>,
}

impl Objects {
    pub(crate) fn new(client: Client, read: ReadSettings, kms_key: Option<String>) -> Self {
        Self {
            client,
            read,
            kms_key,
        }
    }

    /// Whether the store answers nobody, or does not know us any longer: whatever failed is not the fault of the
    /// object then, and no try should be lost on it.
    pub(crate) async fn are_away(&self) -> bool {
        !matches!(
            tokio::time::timeout(PRESENT, answers(&self.client)).await,
            Ok(Ok(()))
        )
    }

    /// How what is written is encrypted; `None`: as the bucket has it.
    fn encryption(&self) -> Option<ServerSideEncryption> {
        self.kms_key.as_ref().map(|_| ServerSideEncryption::AwsKms)
    }

    /// What stands there; `None` where nothing does.
    pub(crate) async fn head(&self, at: &ObjectLocation) -> Result<Option<Head>, ObjectError> {
        let request = self.client.head_object().bucket(&at.bucket).key(&at.key);
        match request.send().await.map_err(ObjectError::from) {
            Ok(found) => Ok(Some(Head {
                size: length(found.content_length()),
                etag: found.e_tag.unwrap_or_default(),
            })),
            Err(ObjectError::Missing) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Begins to read `count` bytes at `from`.
    async fn open(
        &self,
        at: &ObjectLocation,
        etag: Option<&str>,
        from: u64,
        count: u64,
    ) -> Result<Opened, ObjectError> {
        let last = from.saturating_add(count.max(1) - 1);
        let answer = self
            .client
            .get_object()
            .bucket(&at.bucket)
            .key(&at.key)
            .range(format!("bytes={from}-{last}"))
            .set_if_match(etag.map(str::to_owned))
            .send()
            .await
            .map_err(ObjectError::from)?;
        if length(answer.content_length()) > count {
            return Err(ObjectError::unexpected("more than was asked for"));
        }
        let total = answer
            .content_range()
            .and_then(|range| range.rsplit_once('/'))
            .and_then(|(_, total)| total.parse().ok());
        let total = match total {
            Some(total) => total,
            None if from == 0 => length(answer.content_length()),
            None => return Err(ObjectError::unexpected("a range without Content-Range")),
        };
        let Some(etag) = answer.e_tag else {
            return Err(ObjectError::unexpected("an object without ETag"));
        };
        Ok(Opened {
            etag,
            total,
            body: answer.body,
        })
    }

    /// Reads exactly `count` bytes at `from`, of the content that `at` names.
    pub(crate) async fn range(
        &self,
        at: &ObjectLocation,
        from: u64,
        count: u64,
    ) -> Result<Bytes, ObjectError> {
        let fetch = || async {
            let opened = self.open(at, at.etag.as_deref(), from, count).await?;
            let body = tokio::time::timeout(self.read.stall, opened.body.collect())
                .await
                .map_err(|_| ObjectError::unexpected("a body that stands still"))?
                .map_err(|error| ObjectError::Unavailable(error.to_string()))?
                .into_bytes();
            if body.len() as u64 != count {
                return Err(ObjectError::unexpected("a part of the range"));
            }
            Ok(body)
        };
        backoff::retry(&self.read.retry, ObjectError::is_passing, fetch).await
    }

    /// Reads an object from its beginning. Its location's `ETag`, if it has one, must be the object's.
    pub(crate) fn reader(&self, at: &ObjectLocation) -> ObjectReader {
        ObjectReader::new(self.clone(), at.clone())
    }

    /// Whether the store lists an object. [`ObjectError::Missing`]: there is no such bucket.
    pub(crate) async fn is_listed(&self, at: &ObjectLocation) -> Result<bool, ObjectError> {
        let request = self
            .client
            .list_objects_v2()
            .bucket(&at.bucket)
            .prefix(&at.key)
            .max_keys(1);
        let listed = request.send().await.map_err(ObjectError::from)?;
        let mut keys = listed.contents().iter().filter_map(|found| found.key());
        Ok(keys.any(|key| key == at.key))
    }

    /// Deletes an object. Deleting what is gone already is no error.
    pub(crate) async fn delete(&self, at: &ObjectLocation) -> Result<(), ObjectError> {
        let request = self.client.delete_object().bucket(&at.bucket).key(&at.key);
        match request.send().await.map_err(ObjectError::from) {
            Ok(_) | Err(ObjectError::Missing) => Ok(()),
            Err(error) => Err(error),
        }
    }
}

fn length(content_length: Option<i64>) -> u64 {
    content_length
        .and_then(|length| u64::try_from(length).ok())
        .unwrap_or_default()
}
