//! Small translations between S3's types and the store's.

use std::time::{Duration, SystemTime};

use axum::http::{HeaderMap, Uri};
use s3s::dto::{CopySource, ETag, ETagCondition, Metadata, Timestamp};
use s3s::{S3Error, S3ErrorCode, S3Result};

use super::error::invalid;
use crate::objects::store::{Algorithm, Checksums, Condition, Expected, Tag, Target, decode};

/// What S3 allows a client to attach.
const MAX_METADATA: usize = 2 << 10;

/// Copies checksums into the five fields that S3's outputs have for them.
macro_rules! set_checksums {
    ($output:expr, $sums:expr) => {{
        use $crate::objects::store::Algorithm;
        let (output, sums) = (&mut $output, &$sums);
        let sum = |algorithm| sums.get(algorithm).map(str::to_owned);
        output.checksum_crc32 = sum(Algorithm::Crc32);
        output.checksum_crc32c = sum(Algorithm::Crc32c);
        output.checksum_crc64nvme = sum(Algorithm::Crc64Nvme);
        output.checksum_sha1 = sum(Algorithm::Sha1);
        output.checksum_sha256 = sum(Algorithm::Sha256);
    }};
}
pub(super) use set_checksums;

pub(super) fn target(bucket: impl Into<String>, key: impl Into<String>) -> Target {
    Target {
        bucket: bucket.into(),
        key: key.into(),
    }
}

pub(super) fn source(source: CopySource) -> S3Result<Target> {
    match source {
        CopySource::Bucket {
            bucket,
            key,
            version_id: None,
        } => Ok(target(bucket, key)),
        _ => Err(S3Error::new(S3ErrorCode::NotImplemented)),
    }
}

pub(super) fn tag(condition: Option<ETagCondition>) -> Option<Tag> {
    condition.map(|condition| match condition {
        ETagCondition::Any => Tag::Any,
        ETagCondition::ETag(etag) => Tag::Is(etag.into_value()),
    })
}

pub(super) fn condition(
    if_match: Option<ETagCondition>,
    if_none_match: Option<ETagCondition>,
) -> Condition {
    Condition {
        if_match: tag(if_match),
        if_none_match: tag(if_none_match),
    }
}

pub(super) fn etag(value: &str) -> ETag {
    ETag::Strong(value.to_owned())
}

pub(super) fn timestamp(millis: i64) -> Option<Timestamp> {
    let since = Duration::from_millis(u64::try_from(millis).ok()?);
    SystemTime::UNIX_EPOCH
        .checked_add(since)
        .map(Timestamp::from)
}

pub(super) fn millis(timestamp: Option<Timestamp>) -> Option<i64> {
    let mut text = Vec::new();
    let format = s3s::dto::TimestampFormat::EpochSeconds;
    timestamp?.format(format, &mut text).ok()?;
    let seconds: f64 = str::from_utf8(&text).ok()?.parse().ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "a float saturates")]
    Some((seconds * 1_000.0) as i64)
}

pub(super) fn count(number: usize) -> Option<i32> {
    i32::try_from(number).ok()
}

pub(super) fn size(bytes: u64) -> Option<i64> {
    i64::try_from(bytes).ok()
}

/// How many lines of a listing are asked for: S3 never gives more than 1,000.
pub(super) fn page(asked: Option<i32>) -> S3Result<usize> {
    let asked = usize::try_from(asked.unwrap_or(1_000));
    Ok(asked
        .map_err(|_| invalid("the page size is negative"))?
        .min(1_000))
}

pub(super) fn check_metadata(metadata: Option<&Metadata>) -> S3Result<()> {
    let bytes = metadata.map_or(0, |metadata| {
        metadata
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    });
    if bytes > MAX_METADATA {
        return Err(S3Error::new(S3ErrorCode::MetadataTooLarge));
    }
    Ok(())
}

/// What a request says about its body, in headers or in its signed address, and which
/// checksums will only follow after the body.
pub(super) fn expected(
    headers: &HeaderMap,
    uri: &Uri,
    length: Option<i64>,
) -> S3Result<(Expected, Vec<Algorithm>)> {
    let length = length.map(u64::try_from).transpose();
    let mut expected = Expected {
        checksums: Checksums::default(),
        md5_base64: field(headers, uri, "content-md5")?,
        length: length.map_err(|_| invalid("the length is negative"))?,
    };
    let announced = field(headers, uri, "x-amz-trailer")?.unwrap_or_default();
    let mut trailing = Vec::new();
    for algorithm in Algorithm::ALL {
        if let Some(sum) = field(headers, uri, algorithm.header())? {
            expected.checksums.insert(algorithm, sum);
        }
        if announced
            .split(',')
            .any(|name| name.trim().eq_ignore_ascii_case(algorithm.header()))
        {
            trailing.push(algorithm);
        }
    }
    Ok((expected, trailing))
}

/// A header, or the parameter that takes its place in an address that was signed in advance.
/// Where there are both, they must agree: both were signed.
fn field(headers: &HeaderMap, uri: &Uri, name: &str) -> S3Result<Option<String>> {
    let header = match headers.get(name) {
        Some(value) => Some(
            value
                .to_str()
                .map_err(|_| invalid("a header is not text"))?
                .to_owned(),
        ),
        None => None,
    };
    let query = uri.query().unwrap_or_default();
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let parameter = pairs
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| decode(value).ok_or_else(|| invalid("a parameter is not UTF-8")))
        .next()
        .transpose()?;
    match (header, parameter) {
        (Some(header), Some(parameter)) if header != parameter => {
            Err(invalid("a header contradicts the signed address"))
        }
        (header, parameter) => Ok(header.or(parameter)),
    }
}
