//! From a stream of bytes to the parts of an upload.
//!
//! Always: at most one part is being filled, one waits, and as many are under way as may be.

use bytes::{Bytes, BytesMut};
use futures::{StreamExt, TryStreamExt};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::job::JobError;
use crate::lane::Lane;
use crate::objects::{Multipart, Part};

/// S3 takes 10,000 parts; some room is left.
const MOST_PARTS: u64 = 9_000;

/// The largest part that S3 takes.
const LARGEST_PART: u64 = 5 * 1024 * 1024 * 1024;

const MIB: u64 = 1024 * 1024;

/// The parts that are under way together have at most so many bytes, unless one has more.
const UNDER_WAY: usize = 128 * 1024 * 1024;

/// How long each part of an archive of this length is.
pub(super) fn part_size(archive_len: u64, smallest: usize) -> Result<usize, JobError> {
    let needed = archive_len.div_ceil(MOST_PARTS).div_ceil(MIB) * MIB;
    usize::try_from(needed.max(smallest as u64))
        .ok()
        .filter(|size| *size as u64 <= LARGEST_PART)
        .ok_or_else(|| JobError::Fail("the package is larger than an object can be".to_owned()))
}

/// How many parts are under way at once: as many as are configured, and fewer the larger they are.
pub(super) fn parallel(part_size: usize, configured: usize) -> usize {
    configured.min(UNDER_WAY / part_size.max(1)).max(1)
}

/// Takes the archive's bytes.
pub(super) struct Sink {
    part_size: usize,
    filling: BytesMut,
    size: u64,
    digest: Lane<String>,
    parts: mpsc::Sender<Bytes>,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Sunk {
    pub(super) size: u64,
    pub(super) sha256: String,
}

impl Sink {
    /// A sink, and the parts that come out of it.
    pub(super) fn new(part_size: usize) -> (Self, mpsc::Receiver<Bytes>) {
        let (parts, filled) = mpsc::channel(1);
        let sink = Self {
            part_size,
            filling: BytesMut::with_capacity(part_size),
            size: 0,
            digest: Lane::start(|blocks| {
                let mut digest = Sha256::new();
                for block in blocks {
                    digest.update(&block);
                }
                hex::encode(digest.finalize())
            }),
            parts,
        };
        (sink, filled)
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    pub(super) async fn write(&mut self, mut bytes: &[u8]) -> Result<(), JobError> {
        self.size += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = self.part_size - self.filling.len();
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.filling.extend_from_slice(now);
            bytes = later;
            if self.filling.len() == self.part_size {
                let next = BytesMut::with_capacity(self.part_size);
                let part = std::mem::replace(&mut self.filling, next).freeze();
                self.pass_on(part).await?;
            }
        }
        Ok(())
    }

    async fn pass_on(&self, part: Bytes) -> Result<(), JobError> {
        self.digest.feed(part.clone()).await?;
        let gone = |_| JobError::Retry("the upload ended early".to_owned());
        self.parts.send(part).await.map_err(gone)
    }

    pub(super) async fn finish(mut self) -> Result<Sunk, JobError> {
        let last = std::mem::take(&mut self.filling).freeze();
        if !last.is_empty() {
            self.pass_on(last).await?;
        }
        drop(self.parts);
        Ok(Sunk {
            size: self.size,
            sha256: self.digest.finish().await?,
        })
    }
}

/// Uploads the parts as they come.
pub(super) async fn upload(
    upload: &Multipart,
    parts: mpsc::Receiver<Bytes>,
    parallel: usize,
) -> Result<Vec<Part>, JobError> {
    ReceiverStream::new(parts)
        .zip(futures::stream::iter(1..))
        .map(|(part, number)| async move { Ok(upload.put(number, part).await?) })
        .buffer_unordered(parallel)
        .try_collect()
        .await
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1024 * MIB;

    #[test]
    fn what_is_held_of_a_package_is_bounded_and_constant_up_to_70_gib() {
        // One part is filled, one waits, and some are under way.
        let held = |archive_len: u64| {
            let size = part_size(archive_len, 8 * 1024 * 1024).ok()?;
            Some(size as u64 * (2 + parallel(size, 3) as u64) / MIB)
        };
        assert_eq!(held(1), Some(40));
        assert_eq!(held(70 * GIB), Some(40));
        assert_eq!(held(5 * 1024 * GIB), Some(1749));
    }

    #[test]
    fn the_parts_under_way_do_not_grow_with_the_package() {
        for (archive_len, expected) in [
            (0, 3),
            (100 * GIB, 3),
            (500 * GIB, 2),
            (5_000 * GIB, 1),
            (40_000 * GIB, 1),
        ] {
            let size = part_size(archive_len, 16 * 1024 * 1024).ok();
            let parallel = size.map(|size| parallel(size, 3));
            assert_eq!(parallel, Some(expected), "{archive_len}");
        }
        assert_eq!((parallel(1, 0), parallel(0, 2)), (1, 2));
    }
}
