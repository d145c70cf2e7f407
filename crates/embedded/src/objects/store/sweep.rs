//! Clearing away what a crash left behind.
//!
//! Always: only chunk files that were there when the store was opened are looked at, so work
//! that is going on is safe; while there is an entry that cannot be read, nothing is deleted.

use std::collections::HashSet;
use std::io;
use std::sync::PoisonError;

use super::entry::Chunk;
use super::multipart::PartFile;
use super::open::names;
use super::{Entry, FileId, Store, StoreError, entry, remove};

/// Uploads that nobody completed in this time are taken back, as a bucket's lifecycle rule would.
const UPLOAD_MILLIS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// What a sweep did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::objects) struct Sweep {
    /// Chunk files that no entry names.
    pub(in crate::objects) chunks: usize,
    /// Uploads that were too old.
    pub(in crate::objects) uploads: usize,
}

impl Store {
    /// Deletes old uploads and the chunk files that belong to nothing.
    pub(in crate::objects) fn sweep(&self) -> Result<Sweep, StoreError> {
        let leftovers = {
            let mut found = self
                .leftovers
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *found)
        };
        let uploads = self.abort_old_uploads()?;
        let mut orphans: HashSet<FileId> = leftovers.into_iter().collect();
        if orphans.is_empty() {
            return Ok(Sweep { chunks: 0, uploads });
        }
        // Uploads before objects: completing one moves names in this direction.
        for upload in names(self.uploads.path())? {
            self.spare_parts(&upload, &mut orphans)?;
        }
        for bucket in self.bucket_names() {
            let bucket = self.bucket(&bucket)?;
            for name in names(&bucket.path)? {
                let entry = entry::read_line::<Entry>(&bucket.path.join(name));
                spare(entry.map(|entry| entry.chunks), &mut orphans)?;
            }
        }
        orphans.retain(|id| !self.pins.hold(*id));
        for id in &orphans {
            remove(&self.chunk_path(*id));
        }
        Ok(Sweep {
            chunks: orphans.len(),
            uploads,
        })
    }

    fn spare_parts(&self, upload: &str, orphans: &mut HashSet<FileId>) -> Result<(), StoreError> {
        let dir = self.uploads.path().join(upload);
        let parts = match names(&dir) {
            Ok(parts) => parts,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        for part in parts.filter(|name| name != "upload") {
            let part = entry::read_line::<PartFile>(&dir.join(part));
            spare(part.map(|part| part.chunks), orphans)?;
        }
        Ok(())
    }

    fn abort_old_uploads(&self) -> Result<usize, StoreError> {
        let oldest = self.now_millis() - UPLOAD_MILLIS;
        let mut aborted = 0;
        for name in names(self.uploads.path())? {
            if let Ok(id) = name.parse::<FileId>()
                && self.upload_began(id).is_some_and(|began| began < oldest)
            {
                self.abort_any(id)?;
                aborted += 1;
            }
        }
        Ok(aborted)
    }
}

fn spare(
    named: Result<Vec<Chunk>, StoreError>,
    orphans: &mut HashSet<FileId>,
) -> Result<(), StoreError> {
    match named {
        Ok(chunks) => {
            for chunk in chunks {
                orphans.remove(&chunk.file);
            }
            Ok(())
        }
        // Deleted meanwhile.
        Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
