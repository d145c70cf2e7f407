//! A part that is a stretch of another object.

use std::ops::Range;
use std::sync::Arc;

use super::checksum::Hashes;
use super::chunk::NewChunks;
use super::multipart::check_number;
use super::{Content, Expected, Intake, Part, Reading, SourceCondition, Store, StoreError, Target};

impl Store {
    /// Adds a part from another object. The bytes are shared; they are read only where their
    /// MD5, which is the part's `ETag`, is not known: where `range` is not just one part of
    /// the source.
    pub(in crate::objects) fn copy_part(
        self: &Arc<Self>,
        id: &str,
        target: &Target,
        number: u32,
        from: &Target,
        condition: &SourceCondition,
        range: Option<Range<u64>>,
    ) -> Result<Part, StoreError> {
        check_number(number)?;
        let algorithm = self.upload(id, target)?.algorithm;
        let source = self.open_object(from)?;
        condition.check(&source.entry)?;
        let range = range.unwrap_or(0..source.entry.size);
        if range.end > source.entry.size || range.start > range.end {
            return Err(StoreError::InvalidRange);
        }
        let content = if let Some(bytes) = source.inline_bytes(&range) {
            let mut intake = Intake::part(self, algorithm);
            intake.push(&[bytes])?;
            intake.finish(&Expected::default())?
        } else {
            self.share_range(&source, range, Hashes::new(algorithm), algorithm.is_none())?
        };
        self.put_part(id, target, number, content)
    }

    fn share_range(
        self: &Arc<Self>,
        source: &Reading,
        range: Range<u64>,
        mut hashes: Hashes,
        md5_alone: bool,
    ) -> Result<Content, StoreError> {
        let slices = source.slices(range.clone());
        let known = match &slices[..] {
            [slice] if md5_alone => slice.md5.clone(),
            _ => None,
        };
        if known.is_none() {
            for block in source.blocks(range.clone())? {
                hashes.update(&block.read()?);
            }
        }
        let (md5, checksums) = hashes.finish();
        let mut chunks = NewChunks::new(self);
        for slice in &slices {
            chunks.share(slice)?;
        }
        self.chunks.sync()?;
        Ok(Content {
            size: range.end - range.start,
            md5: known.unwrap_or_else(|| hex::encode(md5)),
            checksums,
            inline: Vec::new(),
            chunks,
        })
    }
}
