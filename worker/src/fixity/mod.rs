//! Reading again what is kept, from its first byte to its last.
//!
//! Owns the reading and the measuring. Does not own the comparison, nor what follows from it: the API knows
//! what is to be found, and the worker is not told.
//!
//! Always: an object is said to be missing only if the store, which answers otherwise, does not list it; what
//! could not be read is no finding, and is tried again; memory does not grow with a file's size.

use bytes::Bytes;

use crate::client::{FixityReport, FixityWork, Lease, Measured};
use crate::deps::Deps;
use crate::digests::{Digesting, Digests};
use crate::job::{JobError, accepted};
use crate::lane::LaneEnded;
use crate::objects::{ObjectError, ObjectReader};

/// How much is read at once.
const BLOCK: usize = 1024 * 1024;

/// What reads.
const ENGINE: &str = concat!("muniment-worker ", env!("CARGO_PKG_VERSION"), " (SHA-2)");

/// Reads the object and reports what it amounts to.
pub(crate) async fn run(deps: &Deps, lease: &Lease, work: &FixityWork) -> Result<(), JobError> {
    let mut reader = deps.objects.reader(&work.object);
    let measured = match measure(&mut reader).await {
        Ok(digests) => Some(Measured {
            size: digests.size,
            sha256: digests.sha256,
            sha512: digests.sha512,
        }),
        Err(ReadError::Object(error)) if error.may_mean_missing() => {
            absent(deps, work, &error).await?;
            None
        }
        Err(error) => return Err(error.into()),
    };
    let read = measured.as_ref().map_or(0, |measured| measured.size);
    metrics::counter!("muniment_worker_bytes_verified_total").increment(read);
    let report = FixityReport {
        lease: lease.key.clone(),
        measured,
        object_etag: reader.etag().map(str::to_owned),
        engine: ENGINE.to_owned(),
    };
    accepted(&deps.fixity_reports.submit(report).await?)
}

/// Why an object was not measured.
#[derive(Debug, thiserror::Error)]
enum ReadError {
    #[error("the object could not be read: {0}")]
    Object(#[from] ObjectError),
    #[error(transparent)]
    Ended(#[from] LaneEnded),
}

impl From<ReadError> for JobError {
    fn from(error: ReadError) -> Self {
        Self::Retry(error.to_string())
    }
}

/// A store that is set up wrongly answers 404 too: one that is not can list the bucket.
async fn absent(deps: &Deps, work: &FixityWork, said: &ObjectError) -> Result<(), JobError> {
    match deps.objects.is_listed(&work.object).await {
        Ok(false) => Ok(()),
        Ok(true) => Err(JobError::Retry(format!(
            "the object could not be read, but is listed: {said}"
        ))),
        Err(ObjectError::Missing) => Err(JobError::Retry(
            "the object could not be read: its bucket is not there".to_owned(),
        )),
        Err(error) => Err(JobError::Retry(format!(
            "the object could not be read, nor its bucket listed: {error}"
        ))),
    }
}

async fn measure(reader: &mut ObjectReader) -> Result<Digests, ReadError> {
    let first = reader.block(BLOCK).await?.unwrap_or_default();
    let size = reader.total().unwrap_or_default();
    let digests = if first.len() as u64 == size {
        let digests = tokio::task::spawn_blocking(move || Digests::of(&first));
        digests.await.map_err(|_| LaneEnded)?
    } else {
        in_blocks(reader, first).await?
    };
    if digests.size != size {
        return Err(ObjectError::Changed.into());
    }
    Ok(digests)
}

async fn in_blocks(reader: &mut ObjectReader, first: Bytes) -> Result<Digests, ReadError> {
    let digesting = Digesting::start();
    let mut next = Some(first);
    while let Some(block) = next {
        digesting.feed(&block).await?;
        next = reader.block(BLOCK).await?;
    }
    Ok(digesting.finish().await?)
}
