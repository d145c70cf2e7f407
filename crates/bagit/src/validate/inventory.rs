//! What is in a bag, whichever way it came.

use std::collections::BTreeMap;

use super::{Limits, digests::Digests, error::Error};
use crate::Source;

/// The bag's files by path, and the texts that say what should be there.
#[derive(Debug)]
pub(super) struct Inventory {
    pub(super) source: Source,
    /// The bag's folder inside an archive.
    pub(super) folder: String,
    pub(super) files: BTreeMap<String, Found>,
    pub(super) texts: BTreeMap<String, Vec<u8>>,
    pub(super) has_payload_folder: bool,
}

/// A file that is there.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) size: u64,
    pub(super) digests: Digests,
    /// Whether it could not be read; that is a problem already, and its digests are not missed.
    pub(super) unreadable: bool,
}

impl Inventory {
    pub(super) fn new(source: Source) -> Self {
        Self {
            source,
            folder: String::new(),
            files: BTreeMap::new(),
            texts: BTreeMap::new(),
            has_payload_folder: false,
        }
    }

    /// The payload files, in the order of their paths.
    pub(super) fn payload(&self) -> impl Iterator<Item = (&str, &Found)> {
        // "0" is the character after "/".
        self.files
            .range("data/".to_owned().."data0".to_owned())
            .map(|(path, found)| (path.as_str(), found))
    }

    /// The tag files, in the order of their paths.
    pub(super) fn tags(&self) -> impl Iterator<Item = (&str, &Found)> {
        self.files
            .iter()
            .filter(|(path, _)| !path.starts_with("data/"))
            .map(|(path, found)| (path.as_str(), found))
    }
}

/// Whether an operating system leaves files of that name in folders by itself.
pub(super) fn is_system_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    [".DS_Store", "Thumbs.db", "desktop.ini"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(name))
}

/// Refuses to go on where a bag has more files than are looked at.
pub(super) fn check_file_count(count: usize, limits: &Limits) -> Result<(), Error> {
    if count > limits.entries {
        return Err(Error::Limit {
            what: "files",
            limit: limits.entries as u64,
        });
    }
    Ok(())
}

/// Takes from what is left for texts, which are held in memory.
pub(super) fn take_text_bytes(left: &mut u64, size: u64, limits: &Limits) -> Result<(), Error> {
    *left = left.checked_sub(size).ok_or(Error::Limit {
        what: "bytes of tag files",
        limit: limits.tag_bytes,
    })?;
    Ok(())
}
