//! Several digests of one file in one reading.

use std::io::{self, Read};

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha224, Sha256, Sha384, Sha512};

use crate::Algorithm;

/// How much is read at once.
pub(super) const CHUNK: usize = 256 << 10;

/// A set of algorithms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Algorithms(u8);

impl Algorithms {
    /// What is computed where nobody has said yet what will be needed.
    pub(super) const LIKELY: [Algorithm; 4] = [
        Algorithm::Md5,
        Algorithm::Sha1,
        Algorithm::Sha256,
        Algorithm::Sha512,
    ];

    pub(super) fn insert(&mut self, algorithm: Algorithm) {
        self.0 |= bit(algorithm);
    }

    pub(super) fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & bit(algorithm) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(super) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(super) fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL
            .into_iter()
            .filter(move |&algorithm| self.contains(algorithm))
    }
}

impl FromIterator<Algorithm> for Algorithms {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(algorithms: I) -> Self {
        let mut set = Self::default();
        for algorithm in algorithms {
            set.insert(algorithm);
        }
        set
    }
}

fn bit(algorithm: Algorithm) -> u8 {
    1 << (algorithm as u8)
}

/// The digests of one file, in one allocation: a bag may have a million files.
#[derive(Clone, Debug, Default)]
pub(super) struct Digests {
    of: Algorithms,
    bytes: Box<[u8]>,
}

impl Digests {
    pub(super) fn algorithms(&self) -> Algorithms {
        self.of
    }

    pub(super) fn get(&self, wanted: Algorithm) -> Option<&[u8]> {
        if !self.of.contains(wanted) {
            return None;
        }
        let start: usize = self
            .of
            .iter()
            .take_while(|&algorithm| algorithm != wanted)
            .map(Algorithm::digest_len)
            .sum();
        self.bytes.get(start..start + wanted.digest_len())
    }

    /// These digests and those that only `other` has.
    pub(super) fn merged(&self, other: &Self) -> Self {
        let of = self.of.union(other.of);
        let bytes = of
            .iter()
            .filter_map(|algorithm| self.get(algorithm).or_else(|| other.get(algorithm)))
            .flatten()
            .copied()
            .collect();
        Self { of, bytes }
    }
}

enum Hasher {
    Md5(Md5),
    Sha1(Sha1),
    Sha224(Sha224),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

/// Computes the digests of a set of algorithms side by side.
pub(super) struct Hashers {
    of: Algorithms,
    each: Vec<Hasher>,
}

impl Hashers {
    pub(super) fn new(of: Algorithms) -> Self {
        let each = of
            .iter()
            .map(|algorithm| match algorithm {
                Algorithm::Md5 => Hasher::Md5(Md5::new()),
                Algorithm::Sha1 => Hasher::Sha1(Sha1::new()),
                Algorithm::Sha224 => Hasher::Sha224(Sha224::new()),
                Algorithm::Sha256 => Hasher::Sha256(Sha256::new()),
                Algorithm::Sha384 => Hasher::Sha384(Sha384::new()),
                Algorithm::Sha512 => Hasher::Sha512(Sha512::new()),
            })
            .collect();
        Self { of, each }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        for hasher in &mut self.each {
            match hasher {
                Hasher::Md5(h) => h.update(bytes),
                Hasher::Sha1(h) => h.update(bytes),
                Hasher::Sha224(h) => h.update(bytes),
                Hasher::Sha256(h) => h.update(bytes),
                Hasher::Sha384(h) => h.update(bytes),
                Hasher::Sha512(h) => h.update(bytes),
            }
        }
    }

    pub(super) fn finish(self) -> Digests {
        let mut bytes = Vec::new();
        for hasher in self.each {
            match hasher {
                Hasher::Md5(h) => bytes.extend_from_slice(&h.finalize()),
                Hasher::Sha1(h) => bytes.extend_from_slice(&h.finalize()),
                Hasher::Sha224(h) => bytes.extend_from_slice(&h.finalize()),
                Hasher::Sha256(h) => bytes.extend_from_slice(&h.finalize()),
                Hasher::Sha384(h) => bytes.extend_from_slice(&h.finalize()),
                Hasher::Sha512(h) => bytes.extend_from_slice(&h.finalize()),
            }
        }
        Digests {
            of: self.of,
            bytes: bytes.into(),
        }
    }
}

/// Reads to the end, telling of each piece read.
pub(super) fn hash_all(
    source: &mut dyn Read,
    of: Algorithms,
    buffer: &mut [u8],
    on_bytes: &mut dyn FnMut(&[u8]),
) -> io::Result<(u64, Digests)> {
    let mut hashers = Hashers::new(of);
    let mut size = 0;
    loop {
        match source.read(buffer) {
            Ok(0) => return Ok((size, hashers.finish())),
            Ok(count) => {
                let piece = buffer.get(..count).unwrap_or_default();
                hashers.update(piece);
                size += count as u64;
                on_bytes(piece);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    /// The digests of `abc`, from the standards.
    const ABC: [(Algorithm, &str); 6] = [
        (Algorithm::Md5, "900150983cd24fb0d6963f7d28e17f72"),
        (Algorithm::Sha1, "a9993e364706816aba3e25717850c26c9cd0d89d"),
        (
            Algorithm::Sha224,
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
        ),
        (
            Algorithm::Sha256,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        ),
        (
            Algorithm::Sha384,
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
        ),
        (
            Algorithm::Sha512,
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        ),
    ];

    #[test]
    fn one_reading_gives_every_digest() {
        let all = Algorithm::ALL.into_iter().collect();
        let mut seen = Vec::new();
        let (size, digests) = hash_all(&mut &b"abc"[..], all, &mut [0; 2], &mut |piece| {
            seen.extend_from_slice(piece);
        })
        .unwrap();
        assert_eq!((size, seen.as_slice()), (3, &b"abc"[..]));
        for (algorithm, expected) in ABC {
            assert_eq!(hex::encode(digests.get(algorithm).unwrap()), expected);
        }
    }

    #[test]
    fn digests_of_two_readings_are_merged() {
        let digest = |of: &[Algorithm]| {
            let of = of.iter().copied().collect();
            hash_all(&mut &b"abc"[..], of, &mut [0; 8], &mut |_| {})
                .unwrap()
                .1
        };
        let one = digest(&[Algorithm::Sha512, Algorithm::Md5]);
        assert!(one.get(Algorithm::Sha256).is_none());
        let both = one.merged(&digest(&[Algorithm::Sha256, Algorithm::Md5]));
        for (algorithm, expected) in [ABC[0], ABC[3], ABC[5]] {
            assert_eq!(hex::encode(both.get(algorithm).unwrap()), expected);
        }
    }
}
