//! Reading an object, whole or in part, in blocks of bounded size.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use super::entry::Chunk;
use super::pins::Pin;
use super::{Entry, Store, StoreError, Target, entry};

/// What is read at once.
const BLOCK: u64 = 256 << 10;

/// An object as it was when it was opened, whatever happens to it meanwhile.
pub(in crate::objects) struct Reading {
    store: Arc<Store>,
    pub(in crate::objects) entry: Arc<Entry>,
    inline: Bytes,
    _pin: Option<Pin>,
}

/// Some bytes of an object, still to be read.
pub(in crate::objects) enum Block {
    Held(Bytes),
    Stored {
        path: PathBuf,
        offset: u64,
        len: u64,
    },
}

impl Store {
    /// What is known of an object.
    pub(in crate::objects) fn head(&self, target: &Target) -> Result<Entry, StoreError> {
        let path = self.bucket(&target.bucket)?.entry_path(&target.key);
        entry::read_line(&path).map_err(missing)
    }

    /// Opens an object for reading.
    pub(in crate::objects) fn open_object(
        self: &Arc<Self>,
        target: &Target,
    ) -> Result<Reading, StoreError> {
        let path = self.bucket(&target.bucket)?.entry_path(&target.key);
        // Held until the pin is set, so that nobody deletes the chunks in between.
        let _held = self.locks.lock(&path);
        let (entry, inline) = entry::read(&path).map_err(missing)?;
        let entry = Arc::new(entry);
        let pin = (!entry.chunks.is_empty()).then(|| self.pin(&entry));
        Ok(Reading {
            store: Arc::clone(self),
            entry,
            inline,
            _pin: pin,
        })
    }
}

impl Reading {
    /// The bytes of `range`, which lies within the object, in order. Fails at once if a file
    /// that they are in is missing or too short.
    pub(in crate::objects) fn blocks(
        &self,
        range: Range<u64>,
    ) -> Result<impl Iterator<Item = Block> + Send + Sync + use<>, StoreError> {
        let held = self.inline_bytes(&range).map(Block::Held);
        let mut stored = Vec::new();
        for chunk in self.slices(range) {
            let path = self.store.chunk_path(chunk.file);
            let length = std::fs::metadata(&path).map(|file| file.len());
            if length
                .as_ref()
                .ok()
                .is_none_or(|len| *len < chunk.offset + chunk.len)
            {
                return Err(StoreError::Damaged(format!(
                    "{}: it is not all there ({length:?})",
                    path.display()
                )));
            }
            stored.push((path, chunk.offset, chunk.len));
        }
        let stored = stored.into_iter().flat_map(|(path, offset, len)| {
            (0..len.div_ceil(BLOCK)).map(move |n| Block::Stored {
                path: path.clone(),
                offset: offset + n * BLOCK,
                len: BLOCK.min(len - n * BLOCK),
            })
        });
        Ok(held.into_iter().chain(stored))
    }

    /// The bytes of `range`, if they are at hand.
    pub(super) fn inline_bytes(&self, range: &Range<u64>) -> Option<Bytes> {
        if !self.entry.chunks.is_empty() {
            return None;
        }
        let start = usize::try_from(range.start).ok()?;
        let end = usize::try_from(range.end).ok()?;
        (start <= end && end <= self.inline.len()).then(|| self.inline.slice(start..end))
    }

    /// The stretches of chunk files that make up `range`.
    pub(super) fn slices(&self, range: Range<u64>) -> Vec<Chunk> {
        let mut slices = Vec::new();
        let mut start = 0;
        for chunk in &self.entry.chunks {
            let end = start + chunk.len;
            let (from, to) = (range.start.max(start), range.end.min(end));
            if from < to {
                let whole = (from, to) == (start, end);
                slices.push(Chunk {
                    file: chunk.file,
                    offset: chunk.offset + (from - start),
                    len: to - from,
                    md5: chunk.md5.clone().filter(|_| whole),
                });
            }
            start = end;
        }
        slices
    }
}

impl Block {
    pub(in crate::objects) fn read(self) -> io::Result<Bytes> {
        match self {
            Self::Held(bytes) => Ok(bytes),
            Self::Stored { path, offset, len } => {
                let mut file = File::open(path)?;
                file.seek(SeekFrom::Start(offset))?;
                let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
                file.read_exact(&mut bytes)?;
                Ok(bytes.into())
            }
        }
    }
}

fn missing(error: StoreError) -> StoreError {
    match error {
        StoreError::Io(error) if error.kind() == io::ErrorKind::NotFound => StoreError::NoSuchKey,
        error => error,
    }
}
