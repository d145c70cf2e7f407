//! Sending an object's bytes.
//!
//! Always: a reader holds a few blocks of the object at most, and the object's chunks until
//! it is done.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use futures::{Stream, StreamExt};
use s3s::dto::StreamingBlob;

use crate::objects::store::{Block, Reading, StoreError};

/// Blocks being read ahead of the client.
const AHEAD: usize = 2;

/// The bytes of `range` as a body. Blocks, because it looks at the files.
pub(super) fn body(reading: Reading, range: Range<u64>) -> Result<StreamingBlob, StoreError> {
    let blocks = reading.blocks(range)?;
    Ok(StreamingBlob::wrap(stream(reading, blocks)))
}

fn stream(
    reading: Reading,
    blocks: impl Iterator<Item = Block> + Send + Sync + 'static,
) -> impl Stream<Item = io::Result<Bytes>> + Send + Sync + 'static {
    let reading = Arc::new(reading);
    futures::stream::iter(blocks)
        .map(move |block| {
            let reading = Arc::clone(&reading);
            tokio::task::spawn_blocking(move || {
                let bytes = block.read();
                if let Err(error) = &bytes {
                    let key = &reading.entry.key;
                    tracing::error!(key, %error, "an object could not be read to its end");
                }
                bytes
            })
        })
        .buffered(AHEAD)
        .map(|read| read.unwrap_or_else(|error| Err(io::Error::other(error))))
}
