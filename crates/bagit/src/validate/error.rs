//! Why there is no report at all.

use std::{io, path::PathBuf};

/// A bag could not be judged. What is wrong *in* a bag is a [`crate::Problem`] instead.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The folder or archive cannot be opened or read.
    #[error("{path}: {source}", path = path.display())]
    Unreadable {
        /// What was to be read.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Neither a folder nor a tar, plain or compressed with gzip.
    #[error("{path} is no folder, tar or gzipped tar", path = .0.display())]
    NotABag(PathBuf),
    /// More than a [`crate::Limits`] allows.
    #[error("the bag has more than {limit} {what}, which is as much as is looked at")]
    Limit {
        /// What there is too much of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
}
