//! Who is reading what.
//!
//! Owns the promise that a reader gets the whole of the object that it began with: chunks of
//! an object that was replaced or deleted stay until its last reader is done.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Entry, FileId, Store, remove};

#[derive(Default)]
pub(super) struct Pins(Mutex<HashMap<FileId, Pinned>>);

struct Pinned {
    entry: Arc<Entry>,
    readers: usize,
    discarded: bool,
}

/// Keeps an object's chunks while it lives.
pub(super) struct Pin {
    store: Arc<Store>,
    id: FileId,
}

impl Pins {
    fn map(&self) -> MutexGuard<'_, HashMap<FileId, Pinned>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether somebody reads from this file.
    pub(super) fn hold(&self, file: FileId) -> bool {
        let map = self.map();
        let mut chunks = map.values().flat_map(|pinned| &pinned.entry.chunks);
        chunks.any(|chunk| chunk.file == file)
    }
}

impl Store {
    pub(super) fn pin(self: &Arc<Self>, entry: &Arc<Entry>) -> Pin {
        let mut map = self.pins.map();
        let pinned = map.entry(entry.id).or_insert_with(|| Pinned {
            entry: Arc::clone(entry),
            readers: 0,
            discarded: false,
        });
        pinned.readers += 1;
        Pin {
            store: Arc::clone(self),
            id: entry.id,
        }
    }

    /// Deletes the chunks of an entry that is gone, now or when its last reader is done.
    pub(super) fn discard(&self, entry: &Entry) {
        if let Some(pinned) = self.pins.map().get_mut(&entry.id) {
            pinned.discarded = true;
            return;
        }
        self.remove_chunks(entry);
    }

    fn remove_chunks(&self, entry: &Entry) {
        for chunk in &entry.chunks {
            remove(&self.chunk_path(chunk.file));
        }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut map = self.store.pins.map();
        let Some(pinned) = map.get_mut(&self.id) else {
            return;
        };
        pinned.readers -= 1;
        if pinned.readers > 0 {
            return;
        }
        let last = map.remove(&self.id);
        drop(map);
        if let Some(last) = last.filter(|last| last.discarded) {
            self.store.remove_chunks(&last.entry);
        }
    }
}
