//! What can go wrong in the store.

use std::io;

/// Why the store did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub(in crate::objects) enum StoreError {
    #[error("there is no such bucket")]
    NoSuchBucket,
    #[error("there are too many buckets")]
    TooManyBuckets,
    #[error("there is no such key")]
    NoSuchKey,
    #[error("there is no such upload")]
    NoSuchUpload,
    #[error("a precondition does not hold")]
    PreconditionFailed,
    #[error("a part was not uploaded, or has another ETag")]
    InvalidPart,
    #[error("the parts are not in ascending order")]
    InvalidPartOrder,
    #[error("a part other than the last is smaller than 5 MiB")]
    EntityTooSmall,
    #[error("the object is larger than S3 allows")]
    EntityTooLarge,
    #[error("the {0} given does not match the content")]
    BadDigest(&'static str),
    #[error("{0}")]
    Invalid(&'static str),
    #[error("the range lies outside the object")]
    InvalidRange,
    #[error("the stored object is damaged: {0}")]
    Damaged(String),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StoreError {
    /// Whether there is no room, rather than something wrong.
    pub(in crate::objects) fn is_full(&self) -> bool {
        let Self::Io(error) = self else { return false };
        matches!(
            error.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    }
}
