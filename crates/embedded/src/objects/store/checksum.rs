//! Checksums of content.
//!
//! Owns which algorithms there are, computing them in one pass beside the MD5 that makes the
//! `ETag`, and comparing them with what the client said.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use serde::{Deserialize, Serialize};

use super::StoreError;

/// What S3 can compute over an object besides MD5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::objects) enum Algorithm {
    Crc32,
    Crc32c,
    Crc64Nvme,
    Sha1,
    Sha256,
}

impl Algorithm {
    pub(in crate::objects) const ALL: [Self; 5] = [
        Self::Crc32,
        Self::Crc32c,
        Self::Crc64Nvme,
        Self::Sha1,
        Self::Sha256,
    ];

    /// As S3 writes it in `x-amz-checksum-algorithm`.
    pub(in crate::objects) fn name(self) -> &'static str {
        match self {
            Self::Crc32 => "CRC32",
            Self::Crc32c => "CRC32C",
            Self::Crc64Nvme => "CRC64NVME",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
        }
    }

    /// The header, or the parameter of a signed address, that carries it.
    pub(in crate::objects) fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    pub(in crate::objects) fn named(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.name() == name)
    }
}

/// Checksums in base64, by algorithm.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(in crate::objects) struct Checksums(BTreeMap<Algorithm, String>);

impl Checksums {
    pub(in crate::objects) fn get(&self, algorithm: Algorithm) -> Option<&str> {
        self.0.get(&algorithm).map(String::as_str)
    }

    pub(in crate::objects) fn insert(&mut self, algorithm: Algorithm, base64: String) {
        self.0.insert(algorithm, base64);
    }

    pub(in crate::objects) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(in crate::objects) fn algorithms(&self) -> impl Iterator<Item = Algorithm> + '_ {
        self.0.keys().copied()
    }

    /// Every checksum of `expected` must be among these, and equal.
    pub(super) fn verify(&self, expected: &Self) -> Result<(), StoreError> {
        for (algorithm, value) in &expected.0 {
            if self.0.get(algorithm) != Some(value) {
                return Err(StoreError::BadDigest(algorithm.name()));
            }
        }
        Ok(())
    }

    /// The checksum of an object in parts: that of the parts' checksums, and their number.
    /// `None` unless every part has one.
    pub(super) fn composite(algorithm: Algorithm, parts: &[&Self]) -> Option<String> {
        let mut joined = Vec::with_capacity(parts.len() * 32);
        for part in parts {
            joined.extend(BASE64_STANDARD.decode(part.get(algorithm)?).ok()?);
        }
        let mut hashes = Hashes::new([algorithm]);
        hashes.update(&joined);
        let (_, sums) = hashes.finish();
        Some(format!("{}-{}", sums.get(algorithm)?, parts.len()))
    }
}

/// What the client said about the content that it sends.
#[derive(Debug, Clone, Default)]
pub(in crate::objects) struct Expected {
    pub(in crate::objects) checksums: Checksums,
    pub(in crate::objects) md5_base64: Option<String>,
    pub(in crate::objects) length: Option<u64>,
}

/// Several hashes over one pass.
pub(super) struct Hashes {
    md5: Md5,
    others: ChecksumHasher,
}

impl Hashes {
    pub(super) fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let wanted: BTreeSet<Algorithm> = algorithms.into_iter().collect();
        let mut others = ChecksumHasher::default();
        for algorithm in wanted {
            match algorithm {
                Algorithm::Crc32 => others.crc32 = Some(Crc32::new()),
                Algorithm::Crc32c => others.crc32c = Some(Crc32c::new()),
                Algorithm::Crc64Nvme => others.crc64nvme = Some(Crc64Nvme::new()),
                Algorithm::Sha1 => others.sha1 = Some(Sha1::new()),
                Algorithm::Sha256 => others.sha256 = Some(Sha256::new()),
            }
        }
        Self {
            md5: Md5::new(),
            others,
        }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.others.update(bytes);
    }

    pub(super) fn finish(self) -> ([u8; 16], Checksums) {
        let found = self.others.finalize();
        let pairs = [
            (Algorithm::Crc32, found.checksum_crc32),
            (Algorithm::Crc32c, found.checksum_crc32c),
            (Algorithm::Crc64Nvme, found.checksum_crc64nvme),
            (Algorithm::Sha1, found.checksum_sha1),
            (Algorithm::Sha256, found.checksum_sha256),
        ];
        let pairs = pairs
            .into_iter()
            .filter_map(|(algorithm, sum)| Some((algorithm, sum?)));
        (self.md5.finalize(), Checksums(pairs.collect()))
    }
}
