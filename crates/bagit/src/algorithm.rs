//! The checksum algorithms that a manifest may be named for (RFC 8493 §2.4).

use std::fmt;

/// A checksum algorithm, by its normalised name in manifest file names.
///
/// `md5` and `sha1` are read for the sake of old bags and never written by [`crate::BagBuilder`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// RFC 1321; broken, read only.
    Md5,
    /// FIPS 180-4; broken, read only.
    Sha1,
    /// FIPS 180-4, 224 bits.
    Sha224,
    /// FIPS 180-4, 256 bits.
    Sha256,
    /// FIPS 180-4, 384 bits.
    Sha384,
    /// FIPS 180-4, 512 bits; what RFC 8493 recommends.
    Sha512,
}

impl Algorithm {
    /// Every algorithm, weakest first.
    pub const ALL: [Self; 6] = [
        Self::Md5,
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
    ];

    /// The name as it stands in `manifest-<name>.txt`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Sha1 => "sha1",
            Self::Sha224 => "sha224",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The algorithm of a manifest's file name, whatever its case; some tools write `SHA-256`.
    pub fn from_name(name: &str) -> Option<Self> {
        let normal: String = name
            .chars()
            .filter(char::is_ascii_alphanumeric)
            .map(|c| c.to_ascii_lowercase())
            .collect();
        Self::ALL.into_iter().find(|known| known.name() == normal)
    }

    /// The length of a digest in bytes; in a manifest it has twice as many hexadecimal digits.
    pub fn digest_len(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// The digest that `text` spells in hexadecimal, upper or lower case, if its length is this algorithm's.
    pub fn parse_digest(self, text: &str) -> Option<Vec<u8>> {
        hex::decode(text)
            .ok()
            .filter(|digest| digest.len() == self.digest_len())
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_found_by_its_own_name() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name()), Some(algorithm));
        }
        assert_eq!(Algorithm::from_name("SHA-512"), Some(Algorithm::Sha512));
        assert_eq!(Algorithm::from_name("crc32"), None);
    }

    #[test]
    fn a_digest_of_another_length_or_alphabet_is_refused() {
        assert!(Algorithm::Md5.parse_digest(&"aF".repeat(16)).is_some());
        assert!(Algorithm::Md5.parse_digest(&"a".repeat(31)).is_none());
        assert!(Algorithm::Md5.parse_digest(&"a".repeat(34)).is_none());
        assert!(Algorithm::Md5.parse_digest(&"g".repeat(32)).is_none());
    }
}
