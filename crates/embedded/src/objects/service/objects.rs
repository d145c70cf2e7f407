//! Objects: put, get, head, copy, delete.

use s3s::dto::{
    CopyObjectInput, CopyObjectOutput, CopyObjectResult, DeleteObjectInput, DeleteObjectOutput,
    DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, Error, GetObjectInput, GetObjectOutput,
    HeadObjectInput, HeadObjectOutput, MetadataDirective, PutObjectInput, PutObjectOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result};

use super::receive::Incoming;
use super::translate::{
    check_metadata, condition, etag, millis, set_checksums, size, source, tag, target, timestamp,
};
use super::{Service, error, send};
use crate::objects::store::{Condition, Entry, Headers, Intake, Replacement, SourceCondition};

/// The most objects that S3 deletes in one request.
const MAX_DELETED: usize = 1_000;

/// The headers of one of S3's inputs, as the store keeps them.
macro_rules! headers {
    ($input:expr) => {
        $crate::objects::store::Headers {
            content_type: $input.content_type.take(),
            content_disposition: $input.content_disposition.take(),
            content_encoding: $input.content_encoding.take(),
            content_language: $input.content_language.take(),
            cache_control: $input.cache_control.take(),
            metadata: $input
                .metadata
                .take()
                .unwrap_or_default()
                .into_iter()
                .collect(),
        }
    };
}
pub(super) use headers;

/// Fills in what `GetObjectOutput` and `HeadObjectOutput` have in common.
macro_rules! describe {
    ($output:expr, $entry:expr) => {{
        let (output, entry): (_, &Entry) = (&mut $output, $entry);
        let Headers {
            content_type,
            content_disposition,
            content_encoding,
            content_language,
            cache_control,
            metadata,
        } = entry.headers.clone();
        output.accept_ranges = Some("bytes".to_owned());
        output.e_tag = Some(etag(&entry.etag));
        output.last_modified = timestamp(entry.modified_millis);
        output.content_type = content_type;
        output.content_disposition = content_disposition;
        output.content_encoding = content_encoding;
        output.content_language = content_language;
        output.cache_control = cache_control;
        output.metadata = Some(metadata.into_iter().collect());
    }};
}

impl Service {
    pub(super) async fn put_object(
        &self,
        request: S3Request<PutObjectInput>,
    ) -> S3Result<PutObjectOutput> {
        let mut input = request.input;
        check_metadata(input.metadata.as_ref())?;
        let incoming = Incoming::new(
            input.body.take(),
            &request.headers,
            &request.uri,
            input.content_length,
            input.checksum_algorithm.as_ref(),
            request.trailing_headers,
        )?;
        let headers = headers!(input);
        let condition = condition(input.if_match, input.if_none_match);
        let target = target(input.bucket, input.key);
        self.store
            .check_bucket(&target.bucket)
            .map_err(error::of_store)?;
        let intake = Intake::object(&self.store, incoming.algorithms.iter().copied());
        let taken = incoming.take(intake).await?;
        let entry = self
            .blocking(move |store| store.put(&target, headers, taken.finish()?, &condition))
            .await?;
        let mut output = PutObjectOutput {
            e_tag: Some(etag(&entry.etag)),
            ..PutObjectOutput::default()
        };
        set_checksums!(output, entry.checksums);
        Ok(output)
    }

    pub(super) async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<GetObjectOutput> {
        let input = request.input;
        if input.part_number.is_some() || input.version_id.is_some() {
            return Err(S3Error::new(S3ErrorCode::NotImplemented));
        }
        let target = target(input.bucket, input.key);
        let reading = self
            .blocking(move |store| store.open_object(&target))
            .await?;
        let entry = reading.entry.clone();
        let conditions = SourceCondition {
            if_match: tag(input.if_match),
            if_none_match: tag(input.if_none_match),
            modified_since_millis: millis(input.if_modified_since),
            unmodified_since_millis: millis(input.if_unmodified_since),
        };
        check_read(&entry, conditions)?;
        let full = 0..entry.size;
        let (range, content_range) = match &input.range {
            None => (full, None),
            Some(range) => {
                let range = range.check(entry.size)?;
                let (first, last) = (range.start, range.end - 1);
                (range, Some(format!("bytes {first}-{last}/{}", entry.size)))
            }
        };
        let length = size(range.end - range.start);
        let body = self.blocking(move |_| send::body(reading, range)).await?;
        let mut output = GetObjectOutput {
            body: Some(body),
            content_length: length,
            ..GetObjectOutput::default()
        };
        describe!(output, &*entry);
        if input.checksum_mode.is_some() && content_range.is_none() {
            set_checksums!(output, entry.checksums);
        }
        output.content_range = content_range;
        Ok(output)
    }

    pub(super) async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<HeadObjectOutput> {
        let input = request.input;
        if input.part_number.is_some() || input.version_id.is_some() {
            return Err(S3Error::new(S3ErrorCode::NotImplemented));
        }
        let target = target(input.bucket, input.key);
        let entry = self.blocking(move |store| store.head(&target)).await?;
        let conditions = SourceCondition {
            if_match: tag(input.if_match),
            if_none_match: tag(input.if_none_match),
            modified_since_millis: millis(input.if_modified_since),
            unmodified_since_millis: millis(input.if_unmodified_since),
        };
        check_read(&entry, conditions)?;
        let mut output = HeadObjectOutput {
            content_length: size(entry.size),
            ..HeadObjectOutput::default()
        };
        describe!(output, &entry);
        if input.checksum_mode.is_some() {
            set_checksums!(output, entry.checksums);
        }
        Ok(output)
    }

    pub(super) async fn copy_object(
        &self,
        request: S3Request<CopyObjectInput>,
    ) -> S3Result<CopyObjectOutput> {
        let mut input = request.input;
        check_metadata(input.metadata.as_ref())?;
        let replace = input
            .metadata_directive
            .as_ref()
            .is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        let headers = if replace {
            Replacement::Replace(headers!(input))
        } else {
            Replacement::Keep
        };
        let conditions = SourceCondition {
            if_match: tag(input.copy_source_if_match),
            if_none_match: tag(input.copy_source_if_none_match),
            modified_since_millis: millis(input.copy_source_if_modified_since),
            unmodified_since_millis: millis(input.copy_source_if_unmodified_since),
        };
        let from = source(input.copy_source)?;
        let to = target(input.bucket, input.key);
        let entry = self
            .blocking(move |store| store.copy(&from, &to, &conditions, headers))
            .await?;
        let mut result = CopyObjectResult {
            e_tag: Some(etag(&entry.etag)),
            last_modified: timestamp(entry.modified_millis),
            ..CopyObjectResult::default()
        };
        set_checksums!(result, entry.checksums);
        Ok(CopyObjectOutput {
            copy_object_result: Some(result),
            ..CopyObjectOutput::default()
        })
    }

    pub(super) async fn delete_object(
        &self,
        request: S3Request<DeleteObjectInput>,
    ) -> S3Result<DeleteObjectOutput> {
        let input = request.input;
        let condition = Condition {
            if_match: tag(input.if_match),
            if_none_match: None,
        };
        let target = target(input.bucket, input.key);
        self.blocking(move |store| store.delete(&target, &condition))
            .await?;
        Ok(DeleteObjectOutput::default())
    }

    pub(super) async fn delete_objects(
        &self,
        request: S3Request<DeleteObjectsInput>,
    ) -> S3Result<DeleteObjectsOutput> {
        let input = request.input;
        let keys: Vec<String> = input
            .delete
            .objects
            .into_iter()
            .map(|object| object.key)
            .collect();
        if keys.len() > MAX_DELETED {
            return Err(S3Error::new(S3ErrorCode::MalformedXML));
        }
        let (bucket, asked) = (input.bucket, keys.clone());
        let results = self
            .blocking(move |store| store.delete_many(&bucket, &asked))
            .await?;
        let quiet = input.delete.quiet == Some(true);
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for (key, result) in keys.into_iter().zip(results) {
            match result {
                Ok(()) if quiet => {}
                Ok(()) => deleted.push(DeletedObject {
                    key: Some(key),
                    ..DeletedObject::default()
                }),
                Err(failed) => {
                    let failed = error::of_store(failed);
                    errors.push(Error {
                        key: Some(key),
                        code: Some(failed.code().as_str().to_owned()),
                        message: failed.message().map(str::to_owned),
                        version_id: None,
                    });
                }
            }
        }
        Ok(DeleteObjectsOutput {
            deleted: Some(deleted),
            errors: Some(errors),
            ..DeleteObjectsOutput::default()
        })
    }
}

/// The same conditions as a copy's, but one who has the object already hears 304.
fn check_read(entry: &Entry, conditions: SourceCondition) -> S3Result<()> {
    let had = SourceCondition {
        if_none_match: conditions.if_none_match.clone(),
        modified_since_millis: conditions.modified_since_millis,
        ..SourceCondition::default()
    };
    let demanded = SourceCondition {
        if_match: conditions.if_match,
        unmodified_since_millis: conditions.unmodified_since_millis,
        ..SourceCondition::default()
    };
    demanded.check(entry).map_err(error::of_store)?;
    had.check(entry)
        .map_err(|_| S3Error::new(S3ErrorCode::NotModified))
}
