//! What a file's bytes amount to.
//!
//! Always: memory does not grow with the file; a file that was written to while it was read is
//! read again, and given up after [`TRIES`].

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::failure::io_reason;

const TRIES: u32 = 3;
const CHUNK: usize = 256 * 1024;

/// A file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hashed {
    /// Its length.
    pub(crate) size: u64,
    /// SHA-256 in hexadecimal.
    pub(crate) sha256: String,
    /// When it was last changed.
    pub(crate) modified: Option<SystemTime>,
}

/// Why a file could not be hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HashError {
    /// It cannot be read.
    #[error("{0}")]
    Unreadable(String),
    /// It does not stand still.
    #[error("it was written to each of the {TRIES} times that it was read")]
    Changing,
}

/// Reads a file to its end. `progress` is told of the bytes of the first reading.
pub(crate) fn hash(file: &Path, progress: impl Fn(u64)) -> Result<Hashed, HashError> {
    for attempt in 0..TRIES {
        let told = |bytes| {
            if attempt == 0 {
                progress(bytes);
            }
        };
        let result = once(file, told).map_err(|error| HashError::Unreadable(io_reason(&error)))?;
        if let Some(hashed) = result {
            return Ok(hashed);
        }
    }
    Err(HashError::Changing)
}

fn once(file: &Path, progress: impl Fn(u64)) -> std::io::Result<Option<Hashed>> {
    let mut file = File::open(file)?;
    let before = file.metadata()?;
    let mut hasher = Sha256::new();
    let mut size = 0;
    let room = usize::try_from(before.len().saturating_add(1)).unwrap_or(CHUNK);
    let mut buffer = vec![0; room.min(CHUNK)];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..read]);
        size += read as u64;
        progress(read as u64);
        // A file that is written to for ever would be read for ever.
        if size > before.len() {
            return Ok(None);
        }
    }
    let after = file.metadata()?;
    let modified = before.modified().ok();
    let still = size == before.len() && modified == after.modified().ok();
    Ok(still.then(|| Hashed {
        size,
        sha256: hex::encode(hasher.finalize()),
        modified,
    }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::cell::Cell;
    use std::io::Write;

    use super::*;

    #[test]
    fn the_known_digest_of_a_known_text_comes_out() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("abc");
        std::fs::write(&file, "abc").unwrap();
        let told = Cell::new(0);
        let hashed = hash(&file, |bytes| told.set(told.get() + bytes)).unwrap();
        assert_eq!(
            hashed.sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!((hashed.size, told.get()), (3, 3));
    }

    #[test]
    fn an_empty_file_has_a_digest_too() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("empty");
        std::fs::write(&file, "").unwrap();
        let hashed = hash(&file, |_| {}).unwrap();
        assert!(hashed.sha256.starts_with("e3b0c44298fc1c149afb"));
    }

    #[test]
    fn a_file_that_is_written_to_while_it_is_read_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log");
        std::fs::write(&file, "one").unwrap();
        let hashed = hash(&file, |_| append(&file)).unwrap();
        assert_eq!(hashed.size, 6);
    }

    #[test]
    fn a_file_that_is_not_there_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let absent = hash(&folder.path().join("absent"), |_| {});
        assert_eq!(absent, Err(HashError::Unreadable("not found".to_owned())));
    }

    fn append(file: &Path) {
        let mut log = std::fs::OpenOptions::new().append(true).open(file).unwrap();
        log.write_all(b"two").unwrap();
    }
}
