//! An index entry: all that is known of an object, in one line of JSON, followed by the
//! bytes themselves if they are few.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Checksums, FileId, StoreError};

/// Room for 10,000 chunks and 2 KiB of metadata, with plenty to spare.
const MAX_LINE: u64 = 8 << 20;

/// All that is known of an object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::objects) struct Entry {
    /// Changes with every write, so that a reader holds on to the one it began with.
    pub(super) id: FileId,
    pub(in crate::objects) key: String,
    pub(in crate::objects) size: u64,
    /// Without the quotes.
    pub(in crate::objects) etag: String,
    pub(in crate::objects) modified_millis: i64,
    #[serde(default, skip_serializing_if = "Checksums::is_empty")]
    pub(in crate::objects) checksums: Checksums,
    #[serde(default)]
    pub(in crate::objects) headers: Headers,
    /// In order. Empty if the bytes follow in the same file.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) chunks: Vec<Chunk>,
}

/// What a client may attach to an object.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::objects) struct Headers {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::objects) content_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::objects) content_disposition: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::objects) content_encoding: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::objects) content_language: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::objects) cache_control: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(in crate::objects) metadata: BTreeMap<String, String>,
}

/// A stretch of a chunk file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Chunk {
    pub(super) file: FileId,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(super) offset: u64,
    pub(super) len: u64,
    /// Of these bytes, in hexadecimal, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) md5: Option<String>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Writes a line of JSON and what follows it to a new file, down to the disk.
pub(super) fn write(path: &Path, line: &impl Serialize, rest: &[u8]) -> Result<(), StoreError> {
    let mut bytes = serde_json::to_vec(line).map_err(|e| StoreError::Damaged(e.to_string()))?;
    bytes.push(b'\n');
    bytes.extend_from_slice(rest);
    let mut file = File::create_new(path)?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    written.inspect_err(|_| super::remove(path))?;
    Ok(())
}

/// Reads only the line.
pub(super) fn read_line<T: DeserializeOwned>(path: &Path) -> Result<T, StoreError> {
    let mut line = Vec::new();
    let file = BufReader::with_capacity(4 << 10, File::open(path)?);
    file.take(MAX_LINE).read_until(b'\n', &mut line)?;
    parse(path, &line)
}

/// Reads an entry and, if they are in it, the object's bytes.
pub(super) fn read(path: &Path) -> Result<(Entry, Bytes), StoreError> {
    let all = Bytes::from(std::fs::read(path)?);
    let line = all
        .iter()
        .position(|byte| *byte == b'\n')
        .unwrap_or(all.len());
    let entry: Entry = parse(path, &all[..line])?;
    let rest = all.slice((line + 1).min(all.len())..);
    if entry.chunks.is_empty() && rest.len() as u64 != entry.size {
        return Err(damaged(path, "its bytes are not all there"));
    }
    Ok((entry, rest))
}

fn parse<T: DeserializeOwned>(path: &Path, line: &[u8]) -> Result<T, StoreError> {
    serde_json::from_slice(line).map_err(|error| damaged(path, error))
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> StoreError {
    StoreError::Damaged(format!("{}: {reason}", path.display()))
}
