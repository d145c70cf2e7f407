//! A client of an object store that speaks S3.
//!
//! Owns how the client is built, the same for `api` and `worker`, for AWS and for the
//! embedded server. Does not own buckets, keys or what is stored.
//!
//! Always: integrity is ours to ask for (SHA-256, signed by the API), so the client adds no
//! checksum of its own; a transfer that stands still is given up.

use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{
    Builder, RequestChecksumCalculation, ResponseChecksumValidation, StalledStreamProtectionConfig,
};

use crate::aws::Access;

/// How long a body may stand still. An embedded server on a slow disk pauses to fsync.
const STALL: Duration = Duration::from_secs(30);

/// Where the object store is.
#[derive(Debug, Clone, Default)]
pub struct S3Settings {
    /// How to reach it and as whom.
    pub access: Access,
    /// Whether the bucket stands in the path and not in the host name. Servers other than
    /// AWS mostly want it so.
    pub path_style: bool,
    /// What is written is encrypted by this KMS key; `None`: as the bucket has it.
    pub kms_key: Option<String>,
}

/// Builds a client. It connects on its first request.
pub async fn client(settings: &S3Settings) -> Client {
    let shared = settings.access.load().await;
    let config = Builder::from(&shared)
        .force_path_style(settings.path_style)
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .stalled_stream_protection(
            StalledStreamProtectionConfig::enabled()
                .grace_period(STALL)
                .build(),
        )
        .build();
    Client::from_conf(config)
}
