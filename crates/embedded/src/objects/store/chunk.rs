//! Taking in content.
//!
//! Owns the way of bytes from the wire to the disk: hashed as they pass, kept in memory while
//! they are few, in a chunk file from then on, verified at the end.
//!
//! Always: memory is bounded by [`INLINE`] and the caller's buffer, whatever the object's
//! size; what is dropped before it was kept leaves no file behind.

use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;

use super::checksum::Hashes;
use super::entry::Chunk;
use super::{Algorithm, Checksums, Expected, FileId, MAX_SIZE, Store, StoreError};

/// Objects up to this size live in their index entry: one file and one fsync fewer.
const INLINE: usize = 64 << 10;
/// So much is written before it is sent on to the disk, so that the last fsync is short.
const SYNC_EVERY: u64 = 64 << 20;

/// Content on its way in.
pub(in crate::objects) struct Intake {
    store: Arc<Store>,
    hashes: Hashes,
    size: u64,
    held: Vec<u8>,
    /// How much may be held before there is a file.
    hold: usize,
    file: Option<(NewChunks, File)>,
    unsynced: u64,
}

impl Intake {
    /// For an object.
    pub(in crate::objects) fn object(
        store: &Arc<Store>,
        algorithms: impl IntoIterator<Item = Algorithm>,
    ) -> Self {
        Self::new(store, algorithms, INLINE)
    }

    /// For a part, which always has a file that the object can share.
    pub(in crate::objects) fn part(
        store: &Arc<Store>,
        algorithms: impl IntoIterator<Item = Algorithm>,
    ) -> Self {
        Self::new(store, algorithms, 0)
    }

    fn new(
        store: &Arc<Store>,
        algorithms: impl IntoIterator<Item = Algorithm>,
        hold: usize,
    ) -> Self {
        Self {
            store: Arc::clone(store),
            hashes: Hashes::new(algorithms),
            size: 0,
            held: Vec::new(),
            hold,
            file: None,
            unsynced: 0,
        }
    }

    /// Takes in the next bytes.
    pub(in crate::objects) fn push(&mut self, buffers: &[Bytes]) -> Result<(), StoreError> {
        for bytes in buffers {
            self.size += bytes.len() as u64;
            if self.size > MAX_SIZE {
                return Err(StoreError::EntityTooLarge);
            }
            self.hashes.update(bytes);
            if self.file.is_none() && self.held.len() + bytes.len() <= self.hold {
                self.held.extend_from_slice(bytes);
            } else {
                self.write(bytes)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let mut entry = match self.file.take() {
            Some(entry) => entry,
            None => self.open()?,
        };
        entry.1.write_all(bytes)?;
        self.unsynced += bytes.len() as u64;
        if self.unsynced >= SYNC_EVERY {
            entry.1.sync_data()?;
            self.unsynced = 0;
        }
        self.file = Some(entry);
        Ok(())
    }

    fn open(&mut self) -> Result<(NewChunks, File), StoreError> {
        let mut chunks = NewChunks::new(&self.store);
        let id = chunks.reserve();
        let mut file = File::create_new(self.store.chunk_path(id))?;
        file.write_all(&std::mem::take(&mut self.held))?;
        Ok((chunks, file))
    }

    /// Verifies the whole and gets it onto the disk.
    pub(in crate::objects) fn finish(mut self, expected: &Expected) -> Result<Content, StoreError> {
        if expected.length.is_some_and(|length| length != self.size) {
            return Err(StoreError::Invalid(
                "the body is not as long as it was said to be",
            ));
        }
        if self.hold == 0 && self.file.is_none() {
            self.file = Some(self.open()?);
        }
        let (md5, checksums) = self.hashes.finish();
        if let Some(expected) = &expected.md5_base64
            && BASE64_STANDARD.decode(expected).ok().as_deref() != Some(&md5[..])
        {
            return Err(StoreError::BadDigest("Content-MD5"));
        }
        checksums.verify(&expected.checksums)?;
        let md5 = hex::encode(md5);
        let mut chunks = NewChunks::new(&self.store);
        if let Some((mut new, file)) = self.file {
            file.sync_all()?;
            self.store.chunks.sync()?;
            if let Some(id) = new.reserved() {
                new.push(Chunk {
                    file: id,
                    offset: 0,
                    len: self.size,
                    md5: Some(md5.clone()),
                });
            }
            chunks = new;
        }
        Ok(Content {
            size: self.size,
            md5,
            checksums,
            inline: self.held,
            chunks,
        })
    }
}

/// Content that is on the disk (or small enough to be held) and not yet an object.
pub(in crate::objects) struct Content {
    pub(super) size: u64,
    pub(in crate::objects) md5: String,
    pub(in crate::objects) checksums: Checksums,
    pub(super) inline: Vec<u8>,
    pub(super) chunks: NewChunks,
}

/// Chunk files that nobody names yet. Dropping them deletes them.
pub(super) struct NewChunks {
    store: Arc<Store>,
    files: Vec<FileId>,
    chunks: Vec<Chunk>,
}

impl NewChunks {
    pub(super) fn new(store: &Arc<Store>) -> Self {
        Self {
            store: Arc::clone(store),
            files: Vec::new(),
            chunks: Vec::new(),
        }
    }

    /// A new name, whose file goes if this is dropped.
    fn reserve(&mut self) -> FileId {
        let id = self.store.new_id();
        self.files.push(id);
        id
    }

    fn reserved(&self) -> Option<FileId> {
        self.files.last().copied()
    }

    pub(super) fn push(&mut self, chunk: Chunk) {
        self.chunks.push(chunk);
    }

    /// Shares a chunk of another object, without touching its bytes.
    pub(super) fn share(&mut self, chunk: &Chunk) -> Result<(), StoreError> {
        let from = self.store.chunk_path(chunk.file);
        let id = self.reserve();
        let to = self.store.chunk_path(id);
        match std::fs::hard_link(&from, &to) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(StoreError::Damaged(format!("{}: {error}", from.display())));
            }
            // A file system without links, or a file that has as many as it can.
            Err(_) => {
                std::fs::copy(&from, &to)?;
                File::open(&to)?.sync_all()?;
            }
        }
        self.chunks.push(Chunk {
            file: id,
            ..chunk.clone()
        });
        Ok(())
    }

    pub(super) fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// An entry names them now.
    pub(super) fn keep(mut self) {
        self.files.clear();
    }
}

impl Drop for NewChunks {
    fn drop(&mut self) {
        for id in &self.files {
            super::remove(&self.store.chunk_path(*id));
        }
    }
}
