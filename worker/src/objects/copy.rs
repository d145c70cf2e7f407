//! Copying an object within the store, of exactly the content that is meant.

use futures::{StreamExt, TryStreamExt, stream};

use super::{Head, Multipart, ObjectError, Objects, Part};
use crate::client::ObjectLocation;

/// How objects are copied.
#[derive(Debug, Clone)]
pub struct CopySettings {
    /// The largest object that is copied by one request. S3 allows 5 GiB.
    pub single: u64,
    /// How much of a larger one goes with one request.
    pub part: u64,
    /// How many parts are copied at once.
    pub parallel: usize,
}

impl Default for CopySettings {
    fn default() -> Self {
        Self {
            single: 5 * 1024 * 1024 * 1024,
            part: 512 * 1024 * 1024,
            parallel: 4,
        }
    }
}

/// S3 takes at most so many parts.
const MOST_PARTS: u64 = 10_000;

impl Objects {
    /// Copies `source`, which must still have the `ETag` given, to `target`. Answers the copy's `ETag`.
    pub(crate) async fn copy(
        &self,
        source: &ObjectLocation,
        etag: &str,
        target: &ObjectLocation,
        size: u64,
        settings: &CopySettings,
    ) -> Result<String, ObjectError> {
        if size > settings.single {
            return self.copy_parts(source, etag, target, size, settings).await;
        }
        let answer = self
            .client
            .copy_object()
            .bucket(&target.bucket)
            .key(&target.key)
            .copy_source(copy_source(source))
            .copy_source_if_match(etag)
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.kms_key.clone())
            .send()
            .await
            .map_err(ObjectError::from)?;
        let etag = answer.copy_object_result.and_then(|result| result.e_tag);
        etag.ok_or_else(|| ObjectError::unexpected("a copy without ETag"))
    }

    async fn copy_parts(
        &self,
        source: &ObjectLocation,
        etag: &str,
        target: &ObjectLocation,
        size: u64,
        settings: &CopySettings,
    ) -> Result<String, ObjectError> {
        match self.head(source).await? {
            None => return Err(ObjectError::Missing),
            Some(Head { size: found, .. }) if found != size => return Err(ObjectError::Changed),
            Some(_) => {}
        }
        self.abort_leftovers(target).await;
        let upload = self.begin(target, "application/octet-stream").await?;
        let part = settings.part.max(size.div_ceil(MOST_PARTS)).max(1);
        let ranges = (0..size.div_ceil(part)).map(|nth| {
            let from = nth * part;
            (nth, from, (from + part).min(size) - 1)
        });
        let copied: Result<Vec<Part>, ObjectError> = stream::iter(ranges)
            .map(|(nth, from, last)| upload.put_copy(nth, source, etag, from, last))
            .buffer_unordered(settings.parallel.max(1))
            .try_collect()
            .await;
        let done = match copied {
            Ok(parts) => upload.complete(parts).await,
            Err(error) => Err(error),
        };
        if done.is_err() {
            upload.abort().await;
        }
        done
    }
}

impl Multipart {
    async fn put_copy(
        &self,
        nth: u64,
        source: &ObjectLocation,
        etag: &str,
        from: u64,
        last: u64,
    ) -> Result<Part, ObjectError> {
        let number = i32::try_from(nth + 1).map_err(|_| ObjectError::OutOfRange)?;
        let answer = self
            .objects
            .client
            .upload_part_copy()
            .bucket(&self.target.bucket)
            .key(&self.target.key)
            .upload_id(&self.upload)
            .part_number(number)
            .copy_source(copy_source(source))
            .copy_source_range(format!("bytes={from}-{last}"))
            .copy_source_if_match(etag)
            .send()
            .await
            .map_err(ObjectError::from)?;
        let etag = answer.copy_part_result.and_then(|result| result.e_tag);
        Ok(Part {
            number,
            etag: etag.ok_or_else(|| ObjectError::unexpected("a part without ETag"))?,
        })
    }
}

/// Our keys are made of ids (`contract::objects`), which need no escaping in a header.
fn copy_source(source: &ObjectLocation) -> String {
    format!("{}/{}", source.bucket, source.key)
}
