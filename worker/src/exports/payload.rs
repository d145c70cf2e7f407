//! The payload's bytes, in the order of the bag, each file held to its digests.
//!
//! Always: a file that differs from what was accepted is an error that names it. Small files are
//! fetched ahead, several at once, because a round trip each would be most of the time; large ones
//! pass through.

use bytes::Bytes;
use futures::{Stream, StreamExt};

use super::items::Items;
use super::parts::Sink;
use super::progress::Progress;
use crate::client::{ExportItem, ObjectLocation};
use crate::deps::Deps;
use crate::digests::{Digesting, Digests};
use crate::job::JobError;
use crate::lane::LaneEnded;
use crate::objects::{ObjectError, ObjectReader};

/// How much of a large file is handed on at once.
const BLOCK: usize = 1024 * 1024;

/// A payload file whose turn it is.
pub(super) struct Fetched {
    pub(super) item: ExportItem,
    /// The bytes of a small file, which are right. `None`: it is large, and passes through.
    pub(super) bytes: Option<Bytes>,
}

/// All files in their order, the small ones with their bytes.
pub(super) fn fetched<'a>(
    deps: &'a Deps,
    items: &'a Items<'a>,
) -> impl Stream<Item = Result<Fetched, JobError>> + Send + 'a {
    let settings = &deps.config.export;
    items
        .each()
        .map(move |item| async move {
            let item = item?;
            let bytes = if item.size <= settings.small {
                Some(fetch(deps, &item).await?)
            } else {
                None
            };
            Ok(Fetched { item, bytes })
        })
        .buffered(settings.ahead.max(1))
}

async fn fetch(deps: &Deps, item: &ExportItem) -> Result<Bytes, JobError> {
    let mut reader = reader(deps, item);
    let count = usize::try_from(item.size).unwrap_or(usize::MAX - 1);
    let bytes = reader
        .block(count.saturating_add(1))
        .await
        .map_err(|error| unreadable(item, &error))?
        .unwrap_or_default();
    // An object that is longer than it should be is not read to its end.
    let size = reader.total().unwrap_or_default();
    let digested = bytes.clone();
    let mut digests = tokio::task::spawn_blocking(move || Digests::of(&digested))
        .await
        .map_err(|_| LaneEnded)?;
    digests.size = size;
    compare(item, &digests)?;
    Ok(bytes)
}

/// Writes a large file's bytes as they come.
pub(super) async fn pass_through(
    deps: &Deps,
    item: &ExportItem,
    sink: &mut Sink,
    progress: &Progress,
) -> Result<(), JobError> {
    let mut reader = reader(deps, item);
    let digesting = Digesting::start();
    loop {
        let block = reader.block(BLOCK).await;
        let block = block.map_err(|error| unreadable(item, &error))?;
        // The header has promised a length: not a byte more or less may follow it.
        if let Some(found) = reader.total().filter(|total| *total != item.size) {
            return Err(differs(
                item,
                &format!("{found} bytes instead of {}", item.size),
            ));
        }
        let Some(block) = block else { break };
        digesting.feed(&block).await?;
        sink.write(&block).await?;
        progress.bytes(block.len() as u64);
    }
    compare(item, &digesting.finish().await?)
}

/// The digests decide whether the content is the one that was accepted. Its `ETag` may have
/// changed since, when a bucket was restored or replicated.
fn reader(deps: &Deps, item: &ExportItem) -> ObjectReader {
    deps.objects.reader(&ObjectLocation {
        etag: None,
        ..item.object.clone()
    })
}

fn compare(item: &ExportItem, found: &Digests) -> Result<(), JobError> {
    match found.difference(item.size, &item.sha256, Some(&item.sha512)) {
        None => Ok(()),
        Some(difference) => Err(differs(item, &difference)),
    }
}

fn differs(item: &ExportItem, difference: &str) -> JobError {
    JobError::Fail(format!(
        "{} is not what was accepted: {difference}",
        item.payload_path
    ))
}

fn unreadable(item: &ExportItem, error: &ObjectError) -> JobError {
    let text = format!("{}: {error}", item.payload_path);
    match error {
        ObjectError::Missing => JobError::Fail(text),
        _ => JobError::Retry(text),
    }
}
