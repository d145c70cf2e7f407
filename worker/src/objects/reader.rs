//! Reading an object from its beginning to its end, by ranges.
//!
//! Always: what is given out is one content, in order and without gaps; when a range breaks off,
//! the next request begins at the byte where it did.

use aws_sdk_s3::primitives::ByteStream;
use bytes::{Bytes, BytesMut};

use super::{ObjectError, Objects};
use crate::client::ObjectLocation;

/// An object that is being read.
pub(crate) struct ObjectReader {
    objects: Objects,
    at: ObjectLocation,
    total: Option<u64>,
    position: u64,
    range: Option<Range>,
    /// Ranges that broke off since the last byte.
    failures: u32,
    /// What came but was not asked for yet.
    left: Bytes,
}

struct Range {
    end: u64,
    body: ByteStream,
}

impl ObjectReader {
    pub(super) fn new(objects: Objects, at: ObjectLocation) -> Self {
        Self {
            objects,
            at,
            total: None,
            position: 0,
            range: None,
            failures: 0,
            left: Bytes::new(),
        }
    }

    /// The `ETag` of what is read; known after the first byte, or the end.
    pub(crate) fn etag(&self) -> Option<&str> {
        self.at.etag.as_deref()
    }

    /// Where the object is, with its `ETag` as soon as that is known.
    pub(crate) fn location(&self) -> &ObjectLocation {
        &self.at
    }

    /// How long the object is; known after the first byte, or the end.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// The next `count` bytes; fewer only at the end; `None` after it.
    pub(crate) async fn block(&mut self, count: usize) -> Result<Option<Bytes>, ObjectError> {
        if self.left.is_empty() {
            match self.next().await? {
                Some(bytes) => self.left = bytes,
                None => return Ok(None),
            }
        }
        if self.left.len() >= count {
            return Ok(Some(self.left.split_to(count)));
        }
        let unread = self.total.unwrap_or_default().saturating_sub(self.position);
        let unread = usize::try_from(unread).unwrap_or(usize::MAX);
        let mut block = BytesMut::with_capacity(count.min(unread.saturating_add(self.left.len())));
        while block.len() < count {
            if self.left.is_empty() {
                match self.next().await? {
                    Some(bytes) => self.left = bytes,
                    None => break,
                }
            }
            let taken = self.left.len().min(count - block.len());
            block.extend_from_slice(&self.left.split_to(taken));
        }
        Ok(Some(block.freeze()))
    }

    /// The bytes that come next, as many as the store sends at once.
    async fn next(&mut self) -> Result<Option<Bytes>, ObjectError> {
        loop {
            if self.total.is_some_and(|total| self.position >= total) {
                return Ok(None);
            }
            match self.step().await {
                Ok(Some(bytes)) => {
                    self.failures = 0;
                    return Ok(Some(bytes));
                }
                Ok(None) => self.range = None,
                Err(error) => self.pause(error).await?,
            }
        }
    }

    /// Some bytes, or `None` at the end of a range.
    async fn step(&mut self) -> Result<Option<Bytes>, ObjectError> {
        if self.range.is_none() {
            self.range = self.open().await?;
        }
        let Some(range) = &mut self.range else {
            return Ok(None);
        };
        let stall = self.objects.read.stall;
        let chunk = tokio::time::timeout(stall, range.body.next())
            .await
            .map_err(|_| ObjectError::Unavailable("the body stands still".to_owned()))?;
        match chunk {
            Some(Ok(bytes)) if bytes.is_empty() => Ok(None),
            Some(Ok(bytes)) => {
                self.position += bytes.len() as u64;
                if self.position > range.end {
                    return Err(ObjectError::Changed);
                }
                Ok(Some(bytes))
            }
            Some(Err(error)) => Err(ObjectError::Unavailable(error.to_string())),
            None if self.position < range.end => {
                Err(ObjectError::unexpected("a part of the range"))
            }
            None => Ok(None),
        }
    }

    /// The range that comes next; `None` if the object turns out to be empty.
    async fn open(&mut self) -> Result<Option<Range>, ObjectError> {
        let count = self.objects.read.range;
        let etag = self.at.etag.as_deref();
        match self
            .objects
            .open(&self.at, etag, self.position, count)
            .await
        {
            Ok(opened) => {
                if self.total.is_some_and(|total| total != opened.total) {
                    return Err(ObjectError::Changed);
                }
                self.total = Some(opened.total);
                self.at.etag = Some(opened.etag);
                Ok(Some(Range {
                    end: opened.total.min(self.position.saturating_add(count)),
                    body: opened.body,
                }))
            }
            // No range of an empty object can be asked for.
            Err(ObjectError::OutOfRange) if self.position == 0 => {
                let head = self.objects.head(&self.at).await?;
                let head = head.ok_or(ObjectError::Missing)?;
                if head.size > 0 || etag.is_some_and(|etag| etag != head.etag) {
                    return Err(ObjectError::Changed);
                }
                self.total = Some(0);
                self.at.etag = Some(head.etag);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn pause(&mut self, error: ObjectError) -> Result<(), ObjectError> {
        self.range = None;
        self.failures += 1;
        let policy = &self.objects.read.retry;
        if !error.is_passing() || self.failures >= policy.attempts.get() {
            return Err(error);
        }
        tracing::debug!(key = self.at.key, at = self.position, %error, "reading on");
        let delay = policy.delay(self.failures, &mut rand::rng());
        tokio::time::sleep(delay).await;
        Ok(())
    }
}
