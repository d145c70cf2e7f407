//! SHA-256 and SHA-512 of the same bytes.

use bytes::Bytes;
use sha2::{Digest, Sha256, Sha512};

use crate::lane::{Lane, LaneEnded};

/// What some bytes amount to. The digests are hexadecimal, in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digests {
    pub(crate) size: u64,
    pub(crate) sha256: String,
    pub(crate) sha512: String,
}

impl Digests {
    /// Of bytes that are at hand.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self {
            size: bytes.len() as u64,
            sha256: hex::encode(Sha256::digest(bytes)),
            sha512: hex::encode(Sha512::digest(bytes)),
        }
    }

    /// What differs from what was declared, if anything does.
    pub(crate) fn difference(
        &self,
        size: u64,
        sha256: &str,
        sha512: Option<&str>,
    ) -> Option<String> {
        if self.size != size {
            return Some(format!("{} bytes instead of {size}", self.size));
        }
        if !self.sha256.eq_ignore_ascii_case(sha256) {
            return Some(format!("SHA-256 {} instead of {sha256}", self.sha256));
        }
        let sha512 = sha512?;
        (!self.sha512.eq_ignore_ascii_case(sha512))
            .then(|| format!("SHA-512 {} instead of {sha512}", self.sha512))
    }
}

/// The digests of bytes that come by once, each on a thread of its own.
#[derive(Debug)]
pub(crate) struct Digesting {
    sha256: Lane<(u64, String)>,
    sha512: Lane<String>,
}

impl Digesting {
    pub(crate) fn start() -> Self {
        Self {
            sha256: Lane::start(|blocks| {
                let mut digest = Sha256::new();
                let mut size = 0;
                for block in blocks {
                    size += block.len() as u64;
                    digest.update(&block);
                }
                (size, hex::encode(digest.finalize()))
            }),
            sha512: Lane::start(|blocks| {
                let mut digest = Sha512::new();
                for block in blocks {
                    digest.update(&block);
                }
                hex::encode(digest.finalize())
            }),
        }
    }

    pub(crate) async fn feed(&self, block: &Bytes) -> Result<(), LaneEnded> {
        self.sha256.feed(block.clone()).await?;
        self.sha512.feed(block.clone()).await
    }

    pub(crate) async fn finish(self) -> Result<Digests, LaneEnded> {
        let (size, sha256) = self.sha256.finish().await?;
        let sha512 = self.sha512.finish().await?;
        Ok(Digests {
            size,
            sha256,
            sha512,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn bytes_in_pieces_amount_to_the_same_as_at_once() {
        let whole: Vec<u8> = (0..=255_u8).cycle().take(10_000).collect();
        let digesting = Digesting::start();
        for piece in whole.chunks(777) {
            assert_eq!(digesting.feed(&Bytes::copy_from_slice(piece)).await, Ok(()));
        }
        assert_eq!(digesting.finish().await, Ok(Digests::of(&whole)));
    }

    #[test]
    fn a_difference_is_named() {
        let of = Digests::of(b"abc");
        let (sha256, sha512) = (of.sha256.clone(), of.sha512.clone());
        for (size, sha256, sha512, difference) in [
            (3, sha256.as_str(), Some(sha512.as_str()), None),
            (3, &sha256.to_uppercase(), None, None),
            (4, &sha256, None, Some("3 bytes instead of 4")),
            (3, "00", None, Some("SHA-256 ba78")),
            (3, &sha256, Some("00"), Some("SHA-512 ddaf")),
        ] {
            let found = of.difference(size, sha256, sha512);
            assert!(
                match (&found, difference) {
                    (None, None) => true,
                    (Some(found), Some(start)) => found.starts_with(start),
                    _ => false,
                },
                "{found:?} for {difference:?}"
            );
        }
    }
}
