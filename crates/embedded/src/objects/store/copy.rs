//! Copying on the server.
//!
//! Always: a copy shares the bytes of its source and reads none of them, whatever its size;
//! it keeps the source's `ETag` and checksums. (S3 gives the copy of an object that was
//! uploaded in parts another `ETag`; nobody may rely on either.)

use std::sync::Arc;

use super::chunk::NewChunks;
use super::commit::Tag;
use super::{Condition, Entry, Headers, MAX_SIZE, Store, StoreError, Target};

/// What must hold of the source.
#[derive(Debug, Clone, Default)]
pub(in crate::objects) struct SourceCondition {
    pub(in crate::objects) if_match: Option<Tag>,
    pub(in crate::objects) if_none_match: Option<Tag>,
    pub(in crate::objects) modified_since_millis: Option<i64>,
    pub(in crate::objects) unmodified_since_millis: Option<i64>,
}

impl SourceCondition {
    pub(in crate::objects) fn check(&self, entry: &Entry) -> Result<(), StoreError> {
        let covers = |tag: &Option<Tag>| tag.as_ref().map(|tag| tag.covers(&entry.etag));
        let modified = entry.modified_millis / 1_000;
        let matched = covers(&self.if_match);
        // As S3 has it: a matching `ETag` outweighs the time.
        let unmodified = matched == Some(true)
            || self
                .unmodified_since_millis
                .is_none_or(|at| modified <= at / 1_000);
        let changed = self
            .modified_since_millis
            .is_none_or(|at| modified > at / 1_000);
        let holds = matched != Some(false)
            && covers(&self.if_none_match) != Some(true)
            && unmodified
            && changed;
        if holds {
            Ok(())
        } else {
            Err(StoreError::PreconditionFailed)
        }
    }
}

/// What becomes of the source's headers and metadata.
#[derive(Debug, Clone)]
pub(in crate::objects) enum Replacement {
    Keep,
    Replace(Headers),
}

impl Store {
    /// Copies an object.
    pub(in crate::objects) fn copy(
        self: &Arc<Self>,
        from: &Target,
        to: &Target,
        condition: &SourceCondition,
        headers: Replacement,
    ) -> Result<Entry, StoreError> {
        self.check_bucket(&to.bucket)?;
        let source = self.open_object(from)?;
        condition.check(&source.entry)?;
        if source.entry.size > MAX_SIZE {
            return Err(StoreError::Invalid(
                "an object above 5 GiB is copied in parts",
            ));
        }
        let headers = match headers {
            Replacement::Replace(headers) => headers,
            Replacement::Keep if from == to => {
                return Err(StoreError::Invalid(
                    "a copy onto itself must change something",
                ));
            }
            Replacement::Keep => source.entry.headers.clone(),
        };
        let mut chunks = NewChunks::new(self);
        for chunk in &source.entry.chunks {
            chunks.share(chunk)?;
        }
        if !chunks.chunks().is_empty() {
            self.chunks.sync()?;
        }
        let entry = Entry {
            id: self.new_id(),
            key: to.key.clone(),
            modified_millis: self.now_millis(),
            headers,
            chunks: chunks.chunks().to_vec(),
            ..Entry::clone(&source.entry)
        };
        let inline = source.inline_bytes(&(0..entry.size)).unwrap_or_default();
        self.commit(&to.bucket, entry, &inline, chunks, &Condition::default())
    }
}
