//! Making content an object, and taking objects away.
//!
//! Always: whoever looks sees the old object or the new one; of several writers that all
//! demand that there be no object yet, one wins; what an entry named is deleted only when the
//! entry's replacement or removal is durable.

use std::io;
use std::path::Path;

use super::chunk::NewChunks;
use super::{Content, Entry, Headers, Store, StoreError, Target, entry, remove};

/// What must hold of the object that is there, for it to be replaced or deleted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::objects) struct Condition {
    /// There is an object, with this `ETag`.
    pub(in crate::objects) if_match: Option<Tag>,
    /// There is no object with this `ETag`.
    pub(in crate::objects) if_none_match: Option<Tag>,
}

/// One `ETag` or any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::objects) enum Tag {
    Any,
    Is(String),
}

impl Tag {
    pub(in crate::objects) fn covers(&self, etag: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Is(tag) => tag == etag,
        }
    }
}

impl Condition {
    fn is_none(&self) -> bool {
        self.if_match.is_none() && self.if_none_match.is_none()
    }

    fn check(&self, current: Option<&Entry>) -> Result<(), StoreError> {
        if let Some(tag) = &self.if_match {
            let current = current.ok_or(StoreError::NoSuchKey)?;
            if !tag.covers(&current.etag) {
                return Err(StoreError::PreconditionFailed);
            }
        }
        let excluded = self.if_none_match.as_ref().zip(current);
        if excluded.is_some_and(|(tag, current)| tag.covers(&current.etag)) {
            return Err(StoreError::PreconditionFailed);
        }
        Ok(())
    }
}

impl Store {
    /// Puts content where `target` says, in place of what is there.
    pub(in crate::objects) fn put(
        &self,
        target: &Target,
        headers: Headers,
        content: Content,
        condition: &Condition,
    ) -> Result<Entry, StoreError> {
        let entry = Entry {
            id: self.new_id(),
            key: target.key.clone(),
            size: content.size,
            etag: content.md5,
            modified_millis: self.now_millis(),
            checksums: content.checksums,
            headers,
            chunks: content.chunks.chunks().to_vec(),
        };
        self.commit(
            &target.bucket,
            entry,
            &content.inline,
            content.chunks,
            condition,
        )
    }

    pub(super) fn commit(
        &self,
        bucket: &str,
        entry: Entry,
        inline: &[u8],
        chunks: NewChunks,
        condition: &Condition,
    ) -> Result<Entry, StoreError> {
        let bucket = self.bucket(bucket)?;
        let path = bucket.entry_path(&entry.key);
        let temp = self.tmp_path();
        entry::write(&temp, &entry, inline)?;
        let replaced = {
            let _held = self.locks.lock(&path);
            current(&path, condition)
                .and_then(|current| Ok(std::fs::rename(&temp, &path).map(|()| current)?))
        };
        let replaced = replaced.inspect_err(|_| remove(&temp))?;
        chunks.keep();
        bucket.sync.sync()?;
        if let Some(replaced) = replaced {
            self.discard(&replaced);
        }
        Ok(entry)
    }

    /// Deletes an object. That there is none is no error, unless `condition` says so.
    pub(in crate::objects) fn delete(
        &self,
        target: &Target,
        condition: &Condition,
    ) -> Result<(), StoreError> {
        let bucket = self.bucket(&target.bucket)?;
        let removed = self.unlink(&bucket.entry_path(&target.key), condition)?;
        if let Some(removed) = removed {
            bucket.sync.sync()?;
            self.discard(&removed);
        }
        Ok(())
    }

    /// Deletes many objects with one fsync, and says of each how it went.
    pub(in crate::objects) fn delete_many(
        &self,
        bucket: &str,
        keys: &[String],
    ) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let bucket = self.bucket(bucket)?;
        let removed: Vec<_> = keys
            .iter()
            .map(|key| self.unlink(&bucket.entry_path(key), &Condition::default()))
            .collect();
        bucket.sync.sync()?;
        let finish = |removed: Option<Entry>| removed.iter().for_each(|entry| self.discard(entry));
        Ok(removed
            .into_iter()
            .map(|removed| removed.map(finish))
            .collect())
    }

    fn unlink(&self, path: &Path, condition: &Condition) -> Result<Option<Entry>, StoreError> {
        let _held = self.locks.lock(path);
        let current = current(path, condition)?;
        match std::fs::remove_file(path) {
            Ok(()) => Ok(current),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// The entry that is there, if `condition` holds of it. A damaged one may be replaced, but
/// not when anything depends on what it was.
fn current(path: &Path, condition: &Condition) -> Result<Option<Entry>, StoreError> {
    let current = match entry::read_line::<Entry>(path) {
        Ok(entry) => Some(entry),
        Err(StoreError::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
        Err(StoreError::Damaged(reason)) if condition.is_none() => {
            tracing::warn!(reason, "a damaged object is replaced");
            None
        }
        Err(error) => return Err(error),
    };
    condition.check(current.as_ref())?;
    Ok(current)
}
