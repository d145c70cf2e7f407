//! Buckets and what is in them.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use s3s::dto::{
    Bucket, CommonPrefix, CreateBucketInput, CreateBucketOutput, HeadBucketInput, HeadBucketOutput,
    ListBucketsInput, ListBucketsOutput, ListObjectsV2Input, ListObjectsV2Output, Object,
};
use s3s::{S3Request, S3Result};

use super::Service;
use super::error::invalid;
use super::translate::{count, etag, page, size, timestamp};
use crate::objects::store::{Listed, Query};

impl Service {
    pub(super) async fn create_bucket(
        &self,
        request: S3Request<CreateBucketInput>,
    ) -> S3Result<CreateBucketOutput> {
        let bucket = request.input.bucket;
        let location = format!("/{bucket}");
        self.blocking(move |store| store.create_bucket(&bucket))
            .await?;
        Ok(CreateBucketOutput {
            location: Some(location),
        })
    }

    pub(super) async fn head_bucket(
        &self,
        request: S3Request<HeadBucketInput>,
    ) -> S3Result<HeadBucketOutput> {
        let bucket = request.input.bucket;
        self.blocking(move |store| store.check_bucket(&bucket))
            .await?;
        Ok(HeadBucketOutput::default())
    }

    pub(super) async fn list_buckets(
        &self,
        _request: S3Request<ListBucketsInput>,
    ) -> S3Result<ListBucketsOutput> {
        let names = self.blocking(|store| Ok(store.bucket_names())).await?;
        let buckets = names.into_iter().map(|name| Bucket {
            name: Some(name),
            ..Bucket::default()
        });
        Ok(ListBucketsOutput {
            buckets: Some(buckets.collect()),
            ..ListBucketsOutput::default()
        })
    }

    pub(super) async fn list_objects_v2(
        &self,
        request: S3Request<ListObjectsV2Input>,
    ) -> S3Result<ListObjectsV2Output> {
        let input = request.input;
        let after = match &input.continuation_token {
            Some(token) => Some(read_token(token).ok_or_else(|| invalid("no such token"))?),
            None => input.start_after.clone(),
        };
        let query = Query {
            prefix: input.prefix.clone().unwrap_or_default(),
            delimiter: input.delimiter.clone(),
            after,
            max: page(input.max_keys)?,
        };
        let bucket = input.bucket.clone();
        let max = query.max;
        let listing = self
            .blocking(move |store| store.list(&bucket, &query))
            .await?;
        let total = listing.items.len();
        let (mut contents, mut prefixes) = (Vec::new(), Vec::new());
        for item in listing.items {
            match item {
                Listed::Object(entry) => contents.push(Object {
                    e_tag: Some(etag(&entry.etag)),
                    last_modified: timestamp(entry.modified_millis),
                    size: size(entry.size),
                    key: Some(entry.key),
                    ..Object::default()
                }),
                Listed::Prefix(prefix) => prefixes.push(CommonPrefix {
                    prefix: Some(prefix),
                }),
            }
        }
        Ok(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: input.prefix,
            delimiter: input.delimiter,
            start_after: input.start_after,
            continuation_token: input.continuation_token,
            max_keys: count(max),
            key_count: count(total),
            is_truncated: Some(listing.next.is_some()),
            next_continuation_token: listing.next.map(|next| BASE64_URL_SAFE_NO_PAD.encode(next)),
            contents: Some(contents),
            common_prefixes: Some(prefixes),
            ..ListObjectsV2Output::default()
        })
    }
}

fn read_token(token: &str) -> Option<String> {
    String::from_utf8(BASE64_URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}
