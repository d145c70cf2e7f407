//! One read of an object, shown to everything that wants to see it.
//!
//! Always: each byte is read once and in order; at most a few blocks of [`BLOCK`] are in memory;
//! what is returned is of one content, whose `ETag` comes with it.

use bytes::Bytes;
use tokio::sync::mpsc;

use super::antivirus::Scan;
use super::format::{self, Format};
use crate::client::CheckWork;
use crate::deps::Deps;
use crate::digests::{Digesting, Digests};
use crate::job::JobError;
use crate::lane::{AHEAD, LaneEnded};
use crate::objects::{ObjectError, ObjectReader};

/// How much is handed on at once.
const BLOCK: usize = 1024 * 1024;

/// Smaller objects are not worth threads of their own.
const SMALL: usize = 256 * 1024;

/// What is to be looked for, beside the digests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) antivirus: bool,
    pub(super) format: bool,
}

/// What was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) etag: String,
    pub(super) digests: Digests,
    pub(super) scan: Option<Scan>,
    pub(super) format: Option<Format>,
}

/// Why an object was not seen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PassError {
    /// Its bytes did not come.
    #[error("the object could not be read: {0}")]
    Unreadable(#[from] ObjectError),
    /// Who was to look at it did not.
    #[error(transparent)]
    Ended(#[from] LaneEnded),
}

impl From<PassError> for JobError {
    fn from(error: PassError) -> Self {
        Self::Retry(error.to_string())
    }
}

/// Reads the object of `work` once.
pub(super) async fn look(deps: &Deps, work: &CheckWork, wanted: Wanted) -> Result<Seen, PassError> {
    let mut reader = deps.objects.reader(&work.object);
    // One byte more tells whether a small object ends here.
    let first = reader.block(SMALL + 1).await?.unwrap_or_default();
    let size = reader.total().unwrap_or_default();
    let whole = first.len() as u64 == size;
    let (feed, scan) = if wanted.antivirus {
        let (feed, blocks) = mpsc::channel(AHEAD);
        (Some(feed), Some(deps.scanner.scan(size, blocks)))
    } else {
        (None, None)
    };
    let scan = async {
        match scan {
            Some(scan) => Some(scan.await),
            None => None,
        }
    };
    let read = async {
        if whole {
            small(deps, work, wanted, first, feed).await
        } else {
            large(deps, work, wanted, &mut reader, first, feed).await
        }
    };
    // Where the read fails the scan sees its bytes end early; its verdict is then dropped here.
    let (read, scan) = tokio::join!(read, scan);
    let (digests, format) = read?;
    if digests.size != size {
        return Err(ObjectError::Changed.into());
    }
    metrics::counter!("muniment_worker_bytes_checked_total").increment(size);
    Ok(Seen {
        etag: reader.etag().unwrap_or_default().to_owned(),
        digests,
        scan,
        format,
    })
}

type Findings = (Digests, Option<Format>);

async fn small(
    deps: &Deps,
    work: &CheckWork,
    wanted: Wanted,
    bytes: Bytes,
    scan: Option<mpsc::Sender<Bytes>>,
) -> Result<Findings, PassError> {
    offer(scan.as_ref(), &bytes).await;
    drop(scan);
    let signatures = deps.signatures;
    let name = work.file_name.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let format = wanted
            .format
            .then(|| format::of_bytes(signatures, &name, &bytes));
        (Digests::of(&bytes), format)
    });
    Ok(looked.await.map_err(|_| LaneEnded)?)
}

async fn large(
    deps: &Deps,
    work: &CheckWork,
    wanted: Wanted,
    reader: &mut ObjectReader,
    first: Bytes,
    scan: Option<mpsc::Sender<Bytes>>,
) -> Result<Findings, PassError> {
    let digesting = Digesting::start();
    let format = wanted.format.then(|| {
        let at = reader.location().clone();
        format::lane(deps.signatures, &work.file_name, deps.objects.clone(), at)
    });
    let mut next = Some(first);
    while let Some(block) = next {
        digesting.feed(&block).await?;
        if let Some(format) = &format {
            format.feed(block.clone()).await?;
        }
        offer(scan.as_ref(), &block).await;
        next = reader.block(BLOCK).await?;
    }
    drop(scan);
    let digests = digesting.finish().await?;
    let format = match format {
        Some(format) => Some(format.finish().await??),
        None => None,
    };
    Ok((digests, format))
}

/// Shows a block to the scanner, which may have seen enough.
async fn offer(scan: Option<&mpsc::Sender<Bytes>>, block: &Bytes) {
    if let Some(scan) = scan
        && !block.is_empty()
    {
        // An error says that nobody listens any more.
        let _ = scan.send(block.clone()).await;
    }
}
