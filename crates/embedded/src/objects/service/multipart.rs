//! Uploads in parts.

use std::ops::Range;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, ChecksumType,
    CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, CopyPartResult,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ListPartsInput, ListPartsOutput,
    Part as ListedPart, UploadPartCopyInput, UploadPartCopyOutput, UploadPartInput,
    UploadPartOutput,
};
use s3s::{S3Error, S3ErrorCode, S3Request, S3Result};

use super::Service;
use super::error::invalid;
use super::objects::headers;
use super::receive::Incoming;
use super::translate::{
    check_metadata, condition, count, etag, millis, page, set_checksums, size, source, tag, target,
    timestamp,
};
use crate::objects::store::{Algorithm, Checksums, Intake, NewUpload, PartRef, SourceCondition};

impl Service {
    pub(super) async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> S3Result<CreateMultipartUploadOutput> {
        let mut input = request.input;
        check_metadata(input.metadata.as_ref())?;
        let full = ChecksumType::FULL_OBJECT;
        if input
            .checksum_type
            .as_ref()
            .is_some_and(|kind| kind.as_str() == full)
        {
            return Err(S3Error::new(S3ErrorCode::NotImplemented));
        }
        let algorithm = input.checksum_algorithm.as_ref();
        let algorithm = algorithm.and_then(|name| Algorithm::named(name.as_str()));
        let headers = headers!(input);
        let (bucket, key) = (input.bucket, input.key);
        let upload = NewUpload::new(target(&*bucket, &*key), headers, algorithm);
        let id = self
            .blocking(move |store| store.create_upload(upload))
            .await?;
        Ok(CreateMultipartUploadOutput {
            bucket: Some(bucket),
            key: Some(key),
            upload_id: Some(id),
            checksum_algorithm: algorithm.map(named),
            ..CreateMultipartUploadOutput::default()
        })
    }

    pub(super) async fn upload_part(
        &self,
        request: S3Request<UploadPartInput>,
    ) -> S3Result<UploadPartOutput> {
        let mut input = request.input;
        let mut incoming = Incoming::new(
            input.body.take(),
            &request.headers,
            &request.uri,
            input.content_length,
            input.checksum_algorithm.as_ref(),
            request.trailing_headers,
        )?;
        let target = target(input.bucket, input.key);
        let (id, asked) = (input.upload_id.clone(), target.clone());
        let upload = self
            .blocking(move |store| store.upload(&id, &asked))
            .await?;
        incoming.algorithms.extend(upload.algorithm);
        let intake = Intake::part(&self.store, incoming.algorithms.iter().copied());
        let taken = incoming.take(intake).await?;
        let (id, number) = (input.upload_id, number(input.part_number)?);
        let part = self
            .blocking(move |store| store.put_part(&id, &target, number, taken.finish()?))
            .await?;
        let mut output = UploadPartOutput {
            e_tag: Some(etag(&part.etag)),
            ..UploadPartOutput::default()
        };
        set_checksums!(output, part.checksums);
        Ok(output)
    }

    pub(super) async fn upload_part_copy(
        &self,
        request: S3Request<UploadPartCopyInput>,
    ) -> S3Result<UploadPartCopyOutput> {
        let input = request.input;
        let conditions = SourceCondition {
            if_match: tag(input.copy_source_if_match),
            if_none_match: tag(input.copy_source_if_none_match),
            modified_since_millis: millis(input.copy_source_if_modified_since),
            unmodified_since_millis: millis(input.copy_source_if_unmodified_since),
        };
        let range = input.copy_source_range.as_deref().map(|range| {
            stretch(range).ok_or_else(|| invalid("a range to copy is written bytes=first-last"))
        });
        let range = range.transpose()?;
        let from = source(input.copy_source)?;
        let to = target(input.bucket, input.key);
        let (id, number) = (input.upload_id, number(input.part_number)?);
        let part = self
            .blocking(move |store| store.copy_part(&id, &to, number, &from, &conditions, range))
            .await?;
        let mut result = CopyPartResult {
            e_tag: Some(etag(&part.etag)),
            last_modified: timestamp(part.modified_millis),
            ..CopyPartResult::default()
        };
        set_checksums!(result, part.checksums);
        Ok(UploadPartCopyOutput {
            copy_part_result: Some(result),
            ..UploadPartCopyOutput::default()
        })
    }

    pub(super) async fn list_parts(
        &self,
        request: S3Request<ListPartsInput>,
    ) -> S3Result<ListPartsOutput> {
        let input = request.input;
        let max = page(input.max_parts)?;
        let after = u32::try_from(input.part_number_marker.unwrap_or(0));
        let after = after.map_err(|_| invalid("a part's number is negative"))?;
        let (id, asked) = (input.upload_id.clone(), target(&*input.bucket, &*input.key));
        let (upload, (parts, more)) = self
            .blocking(move |store| {
                let upload = store.upload(&id, &asked)?;
                Ok((upload, store.list_parts(&id, &asked, after, max)?))
            })
            .await?;
        let next = parts.last().filter(|_| more).map(|part| part.number);
        let parts = parts.into_iter().map(|part| {
            let mut listed = ListedPart {
                part_number: i32::try_from(part.number).ok(),
                size: size(part.size),
                e_tag: Some(etag(&part.etag)),
                last_modified: timestamp(part.modified_millis),
                ..ListedPart::default()
            };
            set_checksums!(listed, part.checksums);
            listed
        });
        Ok(ListPartsOutput {
            parts: Some(parts.collect()),
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            max_parts: count(max),
            part_number_marker: input.part_number_marker,
            is_truncated: Some(more),
            next_part_number_marker: next.and_then(|number| i32::try_from(number).ok()),
            checksum_algorithm: upload.algorithm.map(named),
            ..ListPartsOutput::default()
        })
    }

    pub(super) async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> S3Result<CompleteMultipartUploadOutput> {
        let input = request.input;
        let parts = input.multipart_upload.and_then(|upload| upload.parts);
        let parts = parts.unwrap_or_default().into_iter().map(part_ref);
        let parts = parts.collect::<S3Result<Vec<PartRef>>>()?;
        let condition = condition(input.if_match, input.if_none_match);
        let to = target(&*input.bucket, &*input.key);
        let id = input.upload_id;
        let entry = self
            .blocking(move |store| store.complete(&id, &to, &parts, &condition))
            .await?;
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(etag(&entry.etag)),
            ..CompleteMultipartUploadOutput::default()
        };
        set_checksums!(output, entry.checksums);
        Ok(output)
    }

    pub(super) async fn abort_multipart_upload(
        &self,
        request: S3Request<AbortMultipartUploadInput>,
    ) -> S3Result<AbortMultipartUploadOutput> {
        let input = request.input;
        let target = target(input.bucket, input.key);
        let id = input.upload_id;
        self.blocking(move |store| store.abort(&id, &target))
            .await?;
        Ok(AbortMultipartUploadOutput::default())
    }
}

fn named(algorithm: Algorithm) -> ChecksumAlgorithm {
    ChecksumAlgorithm::from_static(algorithm.name())
}

fn number(number: i32) -> S3Result<u32> {
    u32::try_from(number).map_err(|_| invalid("a part's number is negative"))
}

fn part_ref(part: CompletedPart) -> S3Result<PartRef> {
    let mut checksums = Checksums::default();
    let sums = [
        (Algorithm::Crc32, part.checksum_crc32),
        (Algorithm::Crc32c, part.checksum_crc32c),
        (Algorithm::Crc64Nvme, part.checksum_crc64nvme),
        (Algorithm::Sha1, part.checksum_sha1),
        (Algorithm::Sha256, part.checksum_sha256),
    ];
    for (algorithm, sum) in sums {
        if let Some(sum) = sum {
            checksums.insert(algorithm, sum);
        }
    }
    let etag = part
        .e_tag
        .ok_or_else(|| invalid("a part is named with its ETag"))?;
    let named = part
        .part_number
        .ok_or_else(|| invalid("a part has a number"))?;
    Ok(PartRef {
        number: number(named)?,
        etag: etag.into_value(),
        checksums,
    })
}

/// `bytes=first-last`, both included: the only form that S3 takes here.
fn stretch(range: &str) -> Option<Range<u64>> {
    let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
    let (first, last) = (first.parse().ok()?, last.parse::<u64>().ok()?);
    (first <= last).then_some(())?;
    Some(first..last.checked_add(1)?)
}
