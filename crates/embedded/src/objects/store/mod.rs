//! Objects in files.
//!
//! ```text
//! <dir>/format                 the layout's version; held locked while the store is open
//! <dir>/buckets/<bucket>/<n>   one index entry an object: a line of JSON, then a small object's bytes
//! <dir>/chunks/<id>            the bytes of larger objects and of parts; never changed once written
//! <dir>/uploads/<id>/          multipart uploads: `upload` and one file a part
//! <dir>/tmp/                   what is being written; emptied on opening
//! ```
//!
//! Owns durability and atomicity. Everything here blocks; `service` calls it from threads
//! that may. Does not own checksums of the wire or conditions' HTTP form.
//!
//! Always: a file is complete and on the disk before an entry names it; an entry appears by
//! one rename; a chunk belongs to exactly one entry or part, and sharing (copy, completing an
//! upload) is a hard link under a new name, so deleting one's own never takes another's.

mod checksum;
mod chunk;
mod commit;
mod copy;
mod durable;
mod entry;
mod error;
mod list;
mod multipart;
mod name;
mod open;
mod part_copy;
mod pins;
mod read;
mod sweep;

pub(super) use checksum::{Algorithm, Checksums, Expected};
pub(super) use chunk::{Content, Intake};
pub(super) use commit::{Condition, Tag};
pub(super) use copy::{Replacement, SourceCondition};
pub(super) use entry::{Entry, Headers};
pub(super) use error::StoreError;
pub(super) use list::{Listed, Query};
pub(super) use multipart::{NewUpload, Part, PartRef};
pub(super) use name::decode;
pub use open::OpenError;
pub(super) use read::{Block, Reading};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use runtime::clock::Clock;
use runtime::ids::Ids;
use serde::{Deserialize, Serialize};

use durable::{DirSync, KeyLocks};
use pins::Pins;

/// The most that S3 takes or copies in one request.
pub(super) const MAX_SIZE: u64 = 5 << 30;
/// The most buckets there may be.
const MAX_BUCKETS: usize = 1_000;

/// An open store. One process at a time has it.
pub struct Store {
    root: PathBuf,
    chunks: DirSync,
    uploads: DirSync,
    buckets: RwLock<BTreeMap<String, Arc<Bucket>>>,
    locks: KeyLocks,
    upload_locks: KeyLocks,
    pins: Pins,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    leftovers: Mutex<Vec<FileId>>,
    /// Dropping it unlocks the folder.
    _lock: std::fs::File,
}

struct Bucket {
    path: PathBuf,
    sync: DirSync,
}

/// Where an object is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) bucket: String,
    pub(super) key: String,
}

/// The name of a file that is written once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct FileId(u128);

impl std::fmt::Display for FileId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl From<FileId> for String {
    fn from(id: FileId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for FileId {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl std::str::FromStr for FileId {
    type Err = &'static str;

    /// Only the one form that `Display` writes, so that it may stand in a path.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let plain = text.len() == 32
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !plain {
            return Err("not a file id");
        }
        let number = u128::from_str_radix(text, 16);
        number.map(Self).map_err(|_| "not a file id")
    }
}

impl Store {
    /// Creates a bucket. One that is there already is left as it is.
    pub(super) fn create_bucket(&self, name: &str) -> Result<(), StoreError> {
        let mut buckets = self.buckets.write().unwrap_or_else(PoisonError::into_inner);
        if buckets.contains_key(name) {
            return Ok(());
        }
        if buckets.len() >= MAX_BUCKETS {
            return Err(StoreError::TooManyBuckets);
        }
        let parent = self.root.join("buckets");
        let path = parent.join(name);
        std::fs::create_dir_all(&path)?;
        durable::sync_dir(&parent)?;
        buckets.insert(name.to_owned(), Arc::new(Bucket::new(path)));
        Ok(())
    }

    /// The names of the buckets, sorted.
    pub(super) fn bucket_names(&self) -> Vec<String> {
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        buckets.keys().cloned().collect()
    }

    fn bucket(&self, name: &str) -> Result<Arc<Bucket>, StoreError> {
        let buckets = self.buckets.read().unwrap_or_else(PoisonError::into_inner);
        buckets.get(name).cloned().ok_or(StoreError::NoSuchBucket)
    }

    /// Fails if there is no such bucket.
    pub(super) fn check_bucket(&self, name: &str) -> Result<(), StoreError> {
        self.bucket(name).map(|_| ())
    }

    fn new_id(&self) -> FileId {
        FileId(self.ids.uuid7().as_u128())
    }

    fn now_millis(&self) -> i64 {
        self.clock.now().timestamp_millis()
    }

    fn chunk_path(&self, id: FileId) -> PathBuf {
        self.chunks.path().join(id.to_string())
    }

    fn tmp_path(&self) -> PathBuf {
        self.root.join("tmp").join(self.new_id().to_string())
    }
}

impl Bucket {
    fn new(path: PathBuf) -> Self {
        Self {
            sync: DirSync::new(path.clone()),
            path,
        }
    }

    fn entry_path(&self, key: &str) -> PathBuf {
        self.path.join(name::of_key(key))
    }
}

/// Deletes a file that may be gone already. Failing to is no error to anybody but the
/// operator: the file is swept on the next start.
fn remove(path: &Path) {
    if let Err(error) = std::fs::remove_file(path)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        tracing::warn!(path = %path.display(), %error, "a file could not be deleted");
    }
}

#[cfg(test)]
mod tests;
