//! Opening the folder.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, RwLock};

use runtime::clock::Clock;
use runtime::ids::Ids;

use super::durable::{DirSync, KeyLocks};
use super::pins::Pins;
use super::{Bucket, FileId, Store};

const FORMAT: &str = "muniment objects 1\n";

/// The most leftovers that one start looks for; the next one finds the rest.
const MAX_LEFTOVERS: usize = 1_000_000;

/// Why a folder cannot be used as a store.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("the object folder is in use by another process")]
    InUse,
    /// It was written by something else, or by a newer version.
    #[error("the object folder has a format that this version does not know")]
    Format,
    /// It cannot be read or written.
    #[error("the object folder cannot be used: {0}")]
    Io(#[from] io::Error),
}

impl Store {
    /// Opens the store in `dir`, creating it if there is none, and clears away what was being
    /// written when it was last closed.
    pub fn open(
        dir: &Path,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
    ) -> Result<Arc<Self>, OpenError> {
        std::fs::create_dir_all(dir)?;
        let lock = lock(dir)?;
        for name in ["buckets", "chunks", "uploads"] {
            std::fs::create_dir_all(dir.join(name))?;
        }
        empty(&dir.join("tmp"))?;
        super::durable::sync_dir(dir)?;
        let mut store = Self {
            root: dir.to_owned(),
            chunks: DirSync::new(dir.join("chunks")),
            uploads: DirSync::new(dir.join("uploads")),
            buckets: RwLock::default(),
            locks: KeyLocks::new(),
            upload_locks: KeyLocks::new(),
            pins: Pins::default(),
            clock,
            ids,
            leftovers: Mutex::default(),
            _lock: lock,
        };
        store.buckets = RwLock::new(
            names(&dir.join("buckets"))?
                .map(|name| {
                    let path = dir.join("buckets").join(&name);
                    (name, Arc::new(Bucket::new(path)))
                })
                .collect(),
        );
        store.leftovers = Mutex::new(
            names(store.chunks.path())?
                .filter_map(|name| name.parse::<FileId>().ok())
                .take(MAX_LEFTOVERS)
                .collect(),
        );
        Ok(Arc::new(store))
    }
}

/// Locks the folder for this process and checks what it holds.
fn lock(dir: &Path) -> Result<File, OpenError> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(dir.join("format"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::InUse),
        Err(TryLockError::Error(error)) => return Err(error.into()),
    }
    let mut format = String::new();
    let read = (&mut file).take(1_024).read_to_string(&mut format);
    if read.is_err() || !(format.is_empty() || format == FORMAT) {
        return Err(OpenError::Format);
    }
    if format.is_empty() {
        file.write_all(FORMAT.as_bytes())?;
        file.sync_all()?;
    }
    Ok(file)
}

fn empty(dir: &Path) -> io::Result<()> {
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir(dir)
}

/// The names in a directory that are text; ours all are.
pub(super) fn names(dir: &Path) -> io::Result<impl Iterator<Item = String> + use<>> {
    let entries = std::fs::read_dir(dir)?;
    Ok(entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok()))
}
