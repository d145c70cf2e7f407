//! Uploads in parts.
//!
//! Always: a part is replaced as a whole; completing checks every part against what the
//! client says it sent, then makes the object by links alone; an upload is complete, aborted
//! or neither, never half of each.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use s3s::crypto::{Checksum, Md5};
use serde::{Deserialize, Serialize};

use super::chunk::NewChunks;
use super::entry::Chunk;
use super::open::names;
use super::{
    Algorithm, Checksums, Condition, Content, Entry, FileId, Headers, Store, StoreError, Target,
    durable, entry, remove,
};

/// The least that every part but the last has.
const MIN_PART: u64 = 5 << 20;
const MAX_PARTS: u32 = 10_000;

/// An upload in parts, as it was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::objects) struct NewUpload {
    pub(in crate::objects) bucket: String,
    pub(in crate::objects) key: String,
    pub(in crate::objects) headers: Headers,
    pub(in crate::objects) algorithm: Option<Algorithm>,
    #[serde(default)]
    pub(super) began_millis: i64,
}

/// A part as the store keeps it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PartFile {
    size: u64,
    md5: String,
    modified_millis: i64,
    #[serde(default)]
    checksums: Checksums,
    pub(super) chunks: Vec<Chunk>,
}

/// A part that was uploaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::objects) struct Part {
    pub(in crate::objects) number: u32,
    pub(in crate::objects) size: u64,
    pub(in crate::objects) etag: String,
    pub(in crate::objects) modified_millis: i64,
    pub(in crate::objects) checksums: Checksums,
}

/// A part as the client names it to complete the upload.
#[derive(Debug, Clone)]
pub(in crate::objects) struct PartRef {
    pub(in crate::objects) number: u32,
    pub(in crate::objects) etag: String,
    pub(in crate::objects) checksums: Checksums,
}

impl NewUpload {
    pub(in crate::objects) fn new(
        target: Target,
        headers: Headers,
        algorithm: Option<Algorithm>,
    ) -> Self {
        Self {
            bucket: target.bucket,
            key: target.key,
            headers,
            algorithm,
            began_millis: 0,
        }
    }
}

impl Store {
    /// Begins an upload and names it.
    pub(in crate::objects) fn create_upload(
        &self,
        upload: NewUpload,
    ) -> Result<String, StoreError> {
        self.check_bucket(&upload.bucket)?;
        let upload = NewUpload {
            began_millis: self.now_millis(),
            ..upload
        };
        let temp = self.tmp_path();
        std::fs::create_dir(&temp)?;
        entry::write(&temp.join("upload"), &upload, &[])?;
        durable::sync_dir(&temp)?;
        let id = self.new_id();
        std::fs::rename(&temp, self.upload_dir(id))?;
        self.uploads.sync()?;
        Ok(id.to_string())
    }

    /// An upload to `target`, if there is one by this name.
    pub(in crate::objects) fn upload(
        &self,
        id: &str,
        target: &Target,
    ) -> Result<NewUpload, StoreError> {
        self.find_upload(id, target).map(|(_, upload)| upload)
    }

    fn find_upload(&self, id: &str, target: &Target) -> Result<(FileId, NewUpload), StoreError> {
        self.check_bucket(&target.bucket)?;
        let id: FileId = id.parse().map_err(|_| StoreError::NoSuchUpload)?;
        let upload = entry::read_line::<NewUpload>(&self.upload_dir(id).join("upload"));
        let upload = upload.map_err(missing)?;
        if upload.bucket != target.bucket || upload.key != target.key {
            return Err(StoreError::NoSuchUpload);
        }
        Ok((id, upload))
    }

    /// Adds a part, in place of one of the same number.
    pub(in crate::objects) fn put_part(
        &self,
        id: &str,
        target: &Target,
        number: u32,
        content: Content,
    ) -> Result<Part, StoreError> {
        check_number(number)?;
        let part = PartFile {
            size: content.size,
            md5: content.md5,
            modified_millis: self.now_millis(),
            checksums: content.checksums,
            chunks: content.chunks.chunks().to_vec(),
        };
        let temp = self.tmp_path();
        entry::write(&temp, &part, &[])?;
        let replaced = self.name_part(id, target, number, &temp);
        let replaced = replaced.inspect_err(|_| remove(&temp))?;
        content.chunks.keep();
        if let Some(replaced) = replaced {
            self.remove_part_chunks(&replaced);
        }
        Ok(part.describe(number))
    }

    fn name_part(
        &self,
        id: &str,
        target: &Target,
        number: u32,
        temp: &Path,
    ) -> Result<Option<PartFile>, StoreError> {
        let (id, _) = self.find_upload(id, target)?;
        let _held = self.upload_locks.lock(id);
        let dir = self.upload_dir(id);
        let path = dir.join(part_name(number));
        let replaced = entry::read_line(&path).ok();
        std::fs::rename(temp, &path).map_err(|error| missing(error.into()))?;
        durable::sync_dir(&dir)?;
        Ok(replaced)
    }

    /// The parts after number `after`, at most `max` of them, and whether there are more.
    pub(in crate::objects) fn list_parts(
        &self,
        id: &str,
        target: &Target,
        after: u32,
        max: usize,
    ) -> Result<(Vec<Part>, bool), StoreError> {
        let (id, _) = self.find_upload(id, target)?;
        let dir = self.upload_dir(id);
        let mut numbers: Vec<u32> = names(&dir)
            .map_err(|error| missing(error.into()))?
            .filter_map(|name| name.parse().ok())
            .filter(|number| *number > after)
            .collect();
        numbers.sort_unstable();
        let more = numbers.len() > max;
        numbers.truncate(max);
        let parts = numbers.into_iter().map(|number| {
            let part = entry::read_line::<PartFile>(&dir.join(part_name(number)));
            Ok(part.map_err(missing)?.describe(number))
        });
        Ok((parts.collect::<Result<_, StoreError>>()?, more))
    }

    /// Makes an object of the parts, in the order in which they are named.
    pub(in crate::objects) fn complete(
        self: &Arc<Self>,
        id: &str,
        target: &Target,
        parts: &[PartRef],
        condition: &Condition,
    ) -> Result<Entry, StoreError> {
        if parts.is_empty() {
            return Err(StoreError::Invalid("an object has at least one part"));
        }
        if !parts.is_sorted_by(|a, b| a.number < b.number) {
            return Err(StoreError::InvalidPartOrder);
        }
        let (id, _) = self.find_upload(id, target)?;
        let _held = self.upload_locks.lock(id);
        // Again, now that nobody else can complete or abort it.
        let (_, upload) = self.find_upload(&id.to_string(), target)?;
        let found = self.check_parts(id, parts)?;
        let mut chunks = NewChunks::new(self);
        for chunk in found.iter().flat_map(|part| &part.chunks) {
            chunks.share(chunk)?;
        }
        self.chunks.sync()?;
        let entry = Entry {
            id: self.new_id(),
            key: upload.key,
            size: found.iter().map(|part| part.size).sum(),
            etag: etag(&found)?,
            modified_millis: self.now_millis(),
            checksums: composite(upload.algorithm, &found),
            headers: upload.headers,
            chunks: chunks.chunks().to_vec(),
        };
        let entry = self.commit(&target.bucket, entry, &[], chunks, condition)?;
        self.remove_upload(id)?;
        Ok(entry)
    }

    fn check_parts(&self, id: FileId, parts: &[PartRef]) -> Result<Vec<PartFile>, StoreError> {
        let dir = self.upload_dir(id);
        let mut found = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let file = match entry::read_line::<PartFile>(&dir.join(part_name(part.number))) {
                Ok(file) => file,
                Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                    return Err(StoreError::InvalidPart);
                }
                Err(error) => return Err(error),
            };
            if file.md5 != part.etag || file.checksums.verify(&part.checksums).is_err() {
                return Err(StoreError::InvalidPart);
            }
            if index + 1 < parts.len() && file.size < MIN_PART {
                return Err(StoreError::EntityTooSmall);
            }
            found.push(file);
        }
        Ok(found)
    }

    /// Takes an upload back, with all its parts.
    pub(in crate::objects) fn abort(&self, id: &str, target: &Target) -> Result<(), StoreError> {
        let (id, _) = self.find_upload(id, target)?;
        self.abort_any(id)
    }

    pub(super) fn abort_any(&self, id: FileId) -> Result<(), StoreError> {
        let _held = self.upload_locks.lock(id);
        self.remove_upload(id)
    }

    pub(super) fn upload_began(&self, id: FileId) -> Option<i64> {
        let upload = entry::read_line::<NewUpload>(&self.upload_dir(id).join("upload"));
        upload.ok().map(|upload| upload.began_millis)
    }

    /// The upload disappears at once; its files may follow slowly.
    fn remove_upload(&self, id: FileId) -> Result<(), StoreError> {
        let gone = self.tmp_path();
        std::fs::rename(self.upload_dir(id), &gone).map_err(|error| missing(error.into()))?;
        self.uploads.sync()?;
        for name in names(&gone)?.filter(|name| name != "upload") {
            if let Ok(part) = entry::read_line::<PartFile>(&gone.join(name)) {
                self.remove_part_chunks(&part);
            }
        }
        if let Err(error) = std::fs::remove_dir_all(&gone) {
            tracing::warn!(%error, "an upload's folder could not be deleted");
        }
        Ok(())
    }

    fn remove_part_chunks(&self, part: &PartFile) {
        for chunk in &part.chunks {
            remove(&self.chunk_path(chunk.file));
        }
    }

    fn upload_dir(&self, id: FileId) -> PathBuf {
        self.uploads.path().join(id.to_string())
    }
}

impl PartFile {
    fn describe(&self, number: u32) -> Part {
        Part {
            number,
            size: self.size,
            etag: self.md5.clone(),
            modified_millis: self.modified_millis,
            checksums: self.checksums.clone(),
        }
    }
}

pub(super) fn check_number(number: u32) -> Result<(), StoreError> {
    if (1..=MAX_PARTS).contains(&number) {
        return Ok(());
    }
    Err(StoreError::Invalid("a part has a number from 1 to 10000"))
}

fn part_name(number: u32) -> String {
    format!("{number:05}")
}

/// S3's `ETag` of an object in parts: the MD5 of the parts' MD5s, and their number.
fn etag(parts: &[PartFile]) -> Result<String, StoreError> {
    let mut md5 = Md5::new();
    for part in parts {
        let bytes = hex::decode(&part.md5).map_err(|e| StoreError::Damaged(e.to_string()))?;
        md5.update(&bytes);
    }
    Ok(format!("{}-{}", hex::encode(md5.finalize()), parts.len()))
}

fn composite(algorithm: Option<Algorithm>, parts: &[PartFile]) -> Checksums {
    let mut sums = Checksums::default();
    let parts: Vec<&Checksums> = parts.iter().map(|part| &part.checksums).collect();
    if let Some(algorithm) = algorithm
        && let Some(sum) = Checksums::composite(algorithm, &parts)
    {
        sums.insert(algorithm, sum);
    }
    sums
}

fn missing(error: StoreError) -> StoreError {
    match error {
        StoreError::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            StoreError::NoSuchUpload
        }
        error => error,
    }
}
