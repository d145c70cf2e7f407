//! Writing an object in parts.
//!
//! Always: nothing is to be seen at the target before [`Multipart::complete`] has succeeded.

use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;

use super::{ObjectError, Objects};
use crate::client::ObjectLocation;

/// An object that is being written.
#[derive(Debug, Clone)]
pub(crate) struct Multipart {
    pub(super) objects: Objects,
    pub(super) target: ObjectLocation,
    pub(super) upload: String,
}

/// A part that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    /// 1, 2, ….
    pub(crate) number: i32,
    pub(crate) etag: String,
}

impl Objects {
    /// Begins to write an object.
    pub(crate) async fn begin(
        &self,
        target: &ObjectLocation,
        content_type: &str,
    ) -> Result<Multipart, ObjectError> {
        let answer = self
            .client
            .create_multipart_upload()
            .bucket(&target.bucket)
            .key(&target.key)
            .content_type(content_type)
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.kms_key.clone())
            .send()
            .await
            .map_err(ObjectError::from)?;
        let upload = answer.upload_id.filter(|id| !id.is_empty());
        Ok(Multipart {
            objects: self.clone(),
            target: target.clone(),
            upload: upload.ok_or_else(|| ObjectError::unexpected("an upload without id"))?,
        })
    }

    /// Aborts what an earlier worker may have left unfinished at the target. The bag is whole
    /// without it, so a store that cannot list its uploads only keeps them longer.
    pub(crate) async fn abort_leftovers(&self, target: &ObjectLocation) {
        let listed = self
            .client
            .list_multipart_uploads()
            .bucket(&target.bucket)
            .prefix(&target.key)
            .send()
            .await
            .map_err(ObjectError::from);
        let uploads = match listed {
            Ok(answer) => answer.uploads.unwrap_or_default(),
            Err(error) => {
                tracing::debug!(%error, "unfinished uploads were not listed");
                return;
            }
        };
        for upload in uploads {
            if upload.key.as_deref() != Some(&target.key) {
                continue;
            }
            if let Some(id) = upload.upload_id {
                let left = Multipart {
                    objects: self.clone(),
                    target: target.clone(),
                    upload: id,
                };
                left.abort().await;
            }
        }
    }
}

impl Multipart {
    /// Writes a part.
    pub(crate) async fn put(&self, number: i32, bytes: Bytes) -> Result<Part, ObjectError> {
        let answer = self
            .objects
            .client
            .upload_part()
            .bucket(&self.target.bucket)
            .key(&self.target.key)
            .upload_id(&self.upload)
            .part_number(number)
            .body(ByteStream::from(bytes))
            .send()
            .await
            .map_err(ObjectError::from)?;
        let etag = answer.e_tag;
        Ok(Part {
            number,
            etag: etag.ok_or_else(|| ObjectError::unexpected("a part without ETag"))?,
        })
    }

    /// Makes the parts, in their order, the object. Answers its `ETag`.
    pub(crate) async fn complete(&self, mut parts: Vec<Part>) -> Result<String, ObjectError> {
        parts.sort_unstable_by_key(|part| part.number);
        let parts = parts.into_iter().map(|part| {
            CompletedPart::builder()
                .part_number(part.number)
                .e_tag(part.etag)
                .build()
        });
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(parts.collect()))
            .build();
        let answer = self
            .objects
            .client
            .complete_multipart_upload()
            .bucket(&self.target.bucket)
            .key(&self.target.key)
            .upload_id(&self.upload)
            .multipart_upload(parts)
            .send()
            .await
            .map_err(ObjectError::from)?;
        Ok(answer.e_tag.unwrap_or_default())
    }

    /// Deletes the parts that were written.
    pub(crate) async fn abort(&self) {
        let request = self
            .objects
            .client
            .abort_multipart_upload()
            .bucket(&self.target.bucket)
            .key(&self.target.key)
            .upload_id(&self.upload);
        match request.send().await.map_err(ObjectError::from) {
            Ok(_) | Err(ObjectError::Missing) => {}
            // The next attempt at this target, or the bucket's lifecycle, removes them.
            Err(error) => tracing::warn!(%error, "an unfinished upload was not aborted"),
        }
    }
}
