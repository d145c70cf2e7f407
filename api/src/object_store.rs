//! The object store, as far as the API needs it: signing URLs, looking whether bytes are there, and
//! completing uploads. The API never reads or writes content.
//!
//! Always: no call is made inside a transaction; a signed upload fixes key, length and SHA-256.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use aws_sdk_s3::{
    Client,
    error::{DisplayErrorContext, ProvideErrorMetadata},
    presigning::PresigningConfig,
    types::{CompletedMultipartUpload, CompletedPart, ServerSideEncryption},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use contract::objects::Place;

use crate::Error;

/// The names of the buckets.
#[derive(Debug, Clone)]
pub struct Buckets(BTreeMap<&'static str, String>);

impl Buckets {
    /// Each place by the name of its bucket.
    pub fn named(name: impl Fn(Place) -> String) -> Self {
        Self(
            Place::ALL
                .into_iter()
                .map(|place| (place.name(), name(place)))
                .collect(),
        )
    }

    /// Names made of a prefix and the place.
    pub fn with_prefix(prefix: &str) -> Self {
        Self::named(|place| format!("{prefix}{}", place.name()))
    }

    /// The bucket of a place.
    pub fn name(&self, place: Place) -> &str {
        self.0
            .get(place.name())
            .map_or(place.name(), String::as_str)
    }
}

/// A signed request that somebody else may make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Where.
    pub url: String,
    /// Exactly these headers.
    pub headers: Vec<(String, String)>,
}

/// What is known of bytes that are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// How many bytes.
    pub size: u64,
    /// Which bytes.
    pub etag: String,
}

/// A part of a multipart upload that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// 1, 2, …
    pub number: i32,
    /// How many bytes.
    pub size: u64,
    /// Which bytes.
    pub etag: String,
}

/// A client of the object store.
#[derive(Debug, Clone)]
pub struct ObjectStore {
    client: Client,
    signer: Client,
    buckets: Buckets,
    kms_key: Option<String>,
}

impl ObjectStore {
    /// Over a client.
    pub fn new(client: Client, buckets: Buckets) -> Self {
        Self {
            signer: client.clone(),
            client,
            buckets,
            kms_key: None,
        }
    }

    /// URLs are signed by this client: clients reach the store at another address than we do.
    #[must_use]
    pub fn signing_with(mut self, signer: Client) -> Self {
        self.signer = signer;
        self
    }

    /// What is uploaded is encrypted by this KMS key.
    #[must_use]
    pub fn encrypting_with(mut self, kms_key: Option<String>) -> Self {
        self.kms_key = kms_key;
        self
    }

    fn encryption(&self) -> Option<ServerSideEncryption> {
        self.kms_key.as_ref().map(|_| ServerSideEncryption::AwsKms)
    }

    /// The bucket of a place.
    pub fn bucket(&self, place: Place) -> &str {
        self.buckets.name(place)
    }

    /// Makes the buckets that are not there: for the embedded store and for emulators.
    pub async fn create_buckets(&self) -> Result<(), Error> {
        for place in Place::ALL {
            let bucket = self.bucket(place);
            if self
                .client
                .head_bucket()
                .bucket(bucket)
                .send()
                .await
                .is_err()
            {
                self.client
                    .create_bucket()
                    .bucket(bucket)
                    .send()
                    .await
                    .map_err(|error| failed("create_bucket", &error))?;
            }
        }
        Ok(())
    }

    /// Whether the store answers.
    pub async fn ready(&self) -> Result<(), Error> {
        self.client
            .head_bucket()
            .bucket(self.bucket(Place::Incoming))
            .send()
            .await
            .map(drop)
            .map_err(|error| failed("head_bucket", &error))
    }

    /// Signs one PUT of exactly these bytes.
    pub async fn sign_put(
        &self,
        key: &str,
        size: u64,
        sha256: &str,
        valid_for: Duration,
    ) -> Result<Signed, Error> {
        let length = i64::try_from(size).map_err(|_| too_large())?;
        let digest =
            hex::decode(sha256).map_err(|_| Error::Internal("a digest that is no hex".into()))?;
        let request = self
            .signer
            .put_object()
            .bucket(self.bucket(Place::Incoming))
            .key(key)
            .content_length(length)
            .checksum_sha256(STANDARD.encode(digest))
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.kms_key.clone())
            .presigned(presigning(valid_for)?)
            .await
            .map_err(|error| failed("sign put_object", &error))?;
        Ok(signed(&request))
    }

    /// Signs one GET that a browser saves as a file of this name.
    pub async fn sign_get(
        &self,
        place: Place,
        key: &str,
        file_name: &str,
        valid_for: Duration,
    ) -> Result<Signed, Error> {
        let request = self
            .signer
            .get_object()
            .bucket(self.bucket(place))
            .key(key)
            .response_content_type("application/octet-stream")
            .response_content_disposition(attachment(file_name))
            .presigned(presigning(valid_for)?)
            .await
            .map_err(|error| failed("sign get_object", &error))?;
        Ok(signed(&request))
    }

    /// Looks whether bytes are there. By listing: S3 lets nobody HEAD an object who may not read it,
    /// and the API may not (`deploy/aws/README.md`).
    pub async fn head(&self, place: Place, key: &str) -> Result<Option<Stored>, Error> {
        let listed = self
            .client
            .list_objects_v2()
            .bucket(self.bucket(place))
            .prefix(key)
            .max_keys(1)
            .send();
        let listed = in_time(listed)
            .await?
            .map_err(|error| failed("list_objects_v2", &error))?;
        // Of all keys that begin with this one, this one comes first.
        let found = listed.contents().first();
        Ok(found
            .filter(|object| object.key() == Some(key))
            .map(|object| Stored {
                size: u64::try_from(object.size().unwrap_or_default()).unwrap_or_default(),
                etag: object.e_tag().unwrap_or_default().to_owned(),
            }))
    }

    /// Begins a multipart upload.
    pub async fn begin_multipart(&self, key: &str) -> Result<String, Error> {
        self.client
            .create_multipart_upload()
            .bucket(self.bucket(Place::Incoming))
            .key(key)
            .set_server_side_encryption(self.encryption())
            .set_ssekms_key_id(self.kms_key.clone())
            .send()
            .await
            .map_err(|error| failed("create_multipart_upload", &error))?
            .upload_id
            .ok_or_else(|| Error::Unavailable("the object store gave no upload id".into()))
    }

    /// Signs one part.
    pub async fn sign_part(
        &self,
        key: &str,
        upload: &str,
        number: i32,
        size: u64,
        valid_for: Duration,
    ) -> Result<Signed, Error> {
        let length = i64::try_from(size).map_err(|_| too_large())?;
        let request = self
            .signer
            .upload_part()
            .bucket(self.bucket(Place::Incoming))
            .key(key)
            .upload_id(upload)
            .part_number(number)
            .content_length(length)
            .presigned(presigning(valid_for)?)
            .await
            .map_err(|error| failed("sign upload_part", &error))?;
        Ok(signed(&request))
    }

    /// The parts that are there; `None` when the upload is not (completed, aborted, expired).
    pub async fn parts(&self, key: &str, upload: &str) -> Result<Option<Vec<Part>>, Error> {
        let mut parts = Vec::new();
        let mut marker = None;
        // 10,000 parts at most, 1,000 a page.
        for _ in 0..11 {
            let answer = self
                .client
                .list_parts()
                .bucket(self.bucket(Place::Incoming))
                .key(key)
                .upload_id(upload)
                .set_part_number_marker(marker.take())
                .send()
                .await;
            let page = match answer {
                Ok(page) => page,
                Err(error) if error.code() == Some("NoSuchUpload") => return Ok(None),
                Err(error) => return Err(failed("list_parts", &error)),
            };
            parts.extend(page.parts().iter().map(|part| Part {
                number: part.part_number().unwrap_or_default(),
                size: u64::try_from(part.size().unwrap_or_default()).unwrap_or_default(),
                etag: part.e_tag().unwrap_or_default().to_owned(),
            }));
            if page.is_truncated() != Some(true) {
                break;
            }
            marker = page.next_part_number_marker().map(str::to_owned);
        }
        Ok(Some(parts))
    }

    /// Completes a multipart upload from the parts that are there.
    pub async fn complete_multipart(
        &self,
        key: &str,
        upload: &str,
        parts: &[Part],
    ) -> Result<(), Error> {
        let parts = parts
            .iter()
            .map(|part| {
                CompletedPart::builder()
                    .part_number(part.number)
                    .e_tag(&part.etag)
                    .build()
            })
            .collect();
        let answer = self
            .client
            .complete_multipart_upload()
            .bucket(self.bucket(Place::Incoming))
            .key(key)
            .upload_id(upload)
            .multipart_upload(
                CompletedMultipartUpload::builder()
                    .set_parts(Some(parts))
                    .build(),
            )
            .send()
            .await;
        match answer {
            Ok(_) => Ok(()),
            // Somebody completed it at the same time: the object is there, and is looked at next.
            Err(error) if error.code() == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(failed("complete_multipart_upload", &error)),
        }
    }

    /// Gives a multipart upload up. What is gone already is no error.
    pub async fn abort(&self, key: &str, upload: &str) -> Result<(), Error> {
        let answer = self
            .client
            .abort_multipart_upload()
            .bucket(self.bucket(Place::Incoming))
            .key(key)
            .upload_id(upload)
            .send()
            .await;
        match answer {
            Err(error) if error.code() != Some("NoSuchUpload") => {
                Err(failed("abort_multipart_upload", &error))
            }
            _ => Ok(()),
        }
    }

    /// Removes bytes that nobody will ask for again. What is gone already is no error.
    pub async fn discard(
        &self,
        place: Place,
        key: &str,
        upload: Option<&str>,
    ) -> Result<(), Error> {
        if let Some(upload) = upload {
            in_time(self.abort(key, upload)).await??;
        }
        let deleted = self
            .client
            .delete_object()
            .bucket(self.bucket(place))
            .key(key)
            .send();
        in_time(deleted)
            .await?
            .map(drop)
            .map_err(|error| failed("delete_object", &error))
    }
}

/// How long the store may take to say whether something is there, or to remove it, its repetitions included.
const ANSWER: Duration = Duration::from_secs(30);

/// What the store answers, if it does so in time.
async fn in_time<T>(answer: impl Future<Output = T>) -> Result<T, Error> {
    let answer = tokio::time::timeout(ANSWER, answer).await;
    answer.map_err(|_| Error::Unavailable("the object store does not answer".into()))
}

/// The instant at which a signature made now ends.
pub fn expiry(
    now: chrono::DateTime<chrono::Utc>,
    valid_for: Duration,
) -> chrono::DateTime<chrono::Utc> {
    now + chrono::TimeDelta::from_std(valid_for).unwrap_or(chrono::TimeDelta::days(7))
}

fn presigning(valid_for: Duration) -> Result<PresigningConfig, Error> {
    PresigningConfig::builder()
        .start_time(SystemTime::now())
        .expires_in(valid_for)
        .build()
        .map_err(|error| Error::Internal(error.to_string()))
}

fn signed(request: &aws_sdk_s3::presigning::PresignedRequest) -> Signed {
    Signed {
        url: request.uri().to_owned(),
        headers: request
            .headers()
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
    }
}

fn too_large() -> Error {
    Error::TooLarge("no object can be that large".into())
}

fn failed<E>(what: &str, error: &E) -> Error
where
    E: std::error::Error,
{
    Error::Unavailable(format!("{what}: {}", DisplayErrorContext(error)))
}

/// `Content-Disposition` as RFC 6266 has it: an ASCII fallback, and the true name by RFC 8187.
fn attachment(file_name: &str) -> String {
    let plain: String = file_name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ' ') {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut encoded = String::new();
    for byte in file_name.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_') {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&hex::encode_upper([byte]));
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        assert_eq!(
            attachment("a\"b\r\nSet-Cookie: é.txt"),
            "attachment; filename=\"a_b__Set-Cookie_ _.txt\"; filename*=UTF-8''a%22b%0D%0ASet-Cookie%3A%20%C3%A9.txt"
        );
    }
}
