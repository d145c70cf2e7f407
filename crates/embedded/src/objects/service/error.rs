//! The store's errors as S3 has them.
//!
//! Always: what went wrong within is logged here and not told to the client.

use std::fmt::Display;

use axum::http::StatusCode;
use s3s::{S3Error, S3ErrorCode};

use crate::objects::store::StoreError;

pub(super) fn of_store(error: StoreError) -> S3Error {
    let code = match &error {
        StoreError::NoSuchBucket => S3ErrorCode::NoSuchBucket,
        StoreError::TooManyBuckets => S3ErrorCode::TooManyBuckets,
        StoreError::NoSuchKey => S3ErrorCode::NoSuchKey,
        StoreError::NoSuchUpload => S3ErrorCode::NoSuchUpload,
        StoreError::PreconditionFailed => S3ErrorCode::PreconditionFailed,
        StoreError::InvalidPart => S3ErrorCode::InvalidPart,
        StoreError::InvalidPartOrder => S3ErrorCode::InvalidPartOrder,
        StoreError::EntityTooSmall => S3ErrorCode::EntityTooSmall,
        StoreError::EntityTooLarge => S3ErrorCode::EntityTooLarge,
        StoreError::BadDigest(_) => S3ErrorCode::BadDigest,
        StoreError::Invalid(_) => S3ErrorCode::InvalidRequest,
        StoreError::InvalidRange => S3ErrorCode::InvalidRange,
        StoreError::Io(_) if error.is_full() => {
            tracing::error!(%error, "there is no room for objects");
            return full();
        }
        StoreError::Damaged(_) | StoreError::Io(_) => return internal(error),
    };
    S3Error::with_message(code, error.to_string())
}

/// Not 503: a client would try again at once, several times.
fn full() -> S3Error {
    let mut error = S3Error::with_message(
        S3ErrorCode::Custom("InsufficientStorage".into()),
        "There is no room left on the disk.",
    );
    error.set_status_code(StatusCode::INSUFFICIENT_STORAGE);
    error
}

pub(super) fn internal(error: impl Display) -> S3Error {
    tracing::error!(%error, "the object store failed");
    S3Error::with_message(S3ErrorCode::InternalError, "The object store failed.")
}

pub(super) fn invalid(message: &'static str) -> S3Error {
    S3Error::with_message(S3ErrorCode::InvalidRequest, message)
}
