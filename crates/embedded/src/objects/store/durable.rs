//! Getting names onto the disk, and one writer at a time for each key.
//!
//! Owns the fsync of directories, shared among those who wait for it at the same moment: a
//! thousand small objects written at once cost a few dozen fsyncs of the index, not a thousand.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A directory whose changes are made durable for many at once.
pub(super) struct DirSync {
    path: PathBuf,
    asked: AtomicU64,
    /// The last ask that an fsync has covered.
    covered: Mutex<u64>,
}

impl DirSync {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            asked: AtomicU64::new(0),
            covered: Mutex::new(0),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns when every change that the caller has made to the directory is durable.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let mut covered = self.covered.lock().unwrap_or_else(PoisonError::into_inner);
        if *covered >= mine {
            return Ok(());
        }
        // Whoever asks from here on may have changed the directory too late for this fsync.
        let asked = self.asked.load(Ordering::SeqCst);
        sync_dir(&self.path)?;
        *covered = asked;
        Ok(())
    }
}

/// Makes the names in a directory durable.
#[cfg(unix)]
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

/// Elsewhere a directory cannot be synced, and its journal must do.
#[cfg(not(unix))]
pub(super) fn sync_dir(_path: &Path) -> io::Result<()> {
    Ok(())
}

/// Locks by key, spread over a fixed number of mutexes.
pub(super) struct KeyLocks([Mutex<()>; 64]);

impl KeyLocks {
    pub(super) fn new() -> Self {
        Self([const { Mutex::new(()) }; 64])
    }

    /// Holds off other writers of `key`. Nobody takes a second one while holding one.
    pub(super) fn lock(&self, key: impl Hash) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        let index = usize::try_from(hasher.finish() % 64).unwrap_or(0);
        self.0[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
