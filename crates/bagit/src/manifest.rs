//! Manifests to be written: digests and paths, one file a line (RFC 8493 §2.1.3, §2.2.1).
//!
//! Always: entries stand in the order of their paths' bytes, so the same files give the same text.

use std::collections::BTreeMap;

use crate::{
    Algorithm,
    path::{PathError, check_payload_path, check_tag_path, encode_path},
};

/// Why an entry cannot stand in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ManifestError {
    /// The path leaves the bag, or is of the other kind of manifest.
    #[error("{path:?}: {reason}")]
    Path {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        reason: PathError,
    },
    /// A manifest lists a file exactly once.
    #[error("{0:?} is listed already")]
    Duplicate(String),
    /// Not hexadecimal, or of another algorithm's length.
    #[error("{path:?}: not a {algorithm} digest")]
    Digest {
        /// The file that the digest was given for.
        path: String,
        /// The manifest's algorithm.
        algorithm: Algorithm,
    },
    /// Tag manifests do not list each other (RFC 8493 §2.2.1).
    #[error("{0:?}: a tag manifest lists no tag manifest")]
    TagManifest(String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Payload,
    Tag,
}

/// A payload or tag manifest that is being filled.
#[derive(Clone, Debug)]
pub struct Manifest {
    kind: Kind,
    algorithm: Algorithm,
    entries: BTreeMap<String, Box<[u8]>>,
}

impl Manifest {
    /// An empty payload manifest.
    pub fn payload(algorithm: Algorithm) -> Self {
        Self::new(Kind::Payload, algorithm)
    }

    /// An empty tag manifest.
    pub fn tag(algorithm: Algorithm) -> Self {
        Self::new(Kind::Tag, algorithm)
    }

    fn new(kind: Kind, algorithm: Algorithm) -> Self {
        Self {
            kind,
            algorithm,
            entries: BTreeMap::new(),
        }
    }

    /// Its file name in the bag's root.
    pub fn file_name(&self) -> String {
        match self.kind {
            Kind::Payload => format!("manifest-{}.txt", self.algorithm),
            Kind::Tag => format!("tagmanifest-{}.txt", self.algorithm),
        }
    }

    /// How many files it lists.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it lists no file.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Lists a file by its plain path (not percent-encoded) and its digest in hexadecimal.
    pub fn insert(&mut self, path: &str, hex_digest: &str) -> Result<(), ManifestError> {
        match self.kind {
            Kind::Payload => check_payload_path(path),
            Kind::Tag => check_tag_path(path),
        }
        .map_err(|reason| ManifestError::Path {
            path: path.to_owned(),
            reason,
        })?;
        if self.kind == Kind::Tag && path.starts_with("tagmanifest-") {
            return Err(ManifestError::TagManifest(path.to_owned()));
        }
        let digest =
            self.algorithm
                .parse_digest(hex_digest)
                .ok_or_else(|| ManifestError::Digest {
                    path: path.to_owned(),
                    algorithm: self.algorithm,
                })?;
        if self.entries.contains_key(path) {
            return Err(ManifestError::Duplicate(path.to_owned()));
        }
        self.entries.insert(path.to_owned(), digest.into());
        Ok(())
    }

    /// The manifest's text in UTF-8, each line ended by LF.
    pub fn to_text(&self) -> String {
        let digits = self.algorithm.digest_len() * 2;
        let paths: usize = self.entries.keys().map(String::len).sum();
        let mut text = String::with_capacity(paths + self.entries.len() * (digits + 3));
        for (path, digest) in &self.entries {
            text.push_str(&hex::encode(digest));
            text.push_str("  ");
            text.push_str(&encode_path(path));
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    #[test]
    fn the_order_of_insertion_does_not_show() {
        let paths = ["data/b", "data/a/z", "data/ä", "data/B", "data/50%"];
        let digest = "0".repeat(32);
        let mut forward = Manifest::payload(Algorithm::Md5);
        let mut backward = Manifest::payload(Algorithm::Md5);
        for path in paths {
            forward.insert(path, &digest).unwrap();
        }
        for path in paths.iter().rev() {
            backward.insert(path, &digest.to_uppercase()).unwrap();
        }
        assert_eq!(forward.to_text(), backward.to_text());
        assert_eq!(
            forward.to_text().replace(&digest, ""),
            "  data/50%25\n  data/B\n  data/a/z\n  data/b\n  data/ä\n"
        );
    }

    #[test]
    fn each_entry_is_checked() {
        let digest = "0".repeat(64);
        let mut payload = Manifest::payload(Algorithm::Sha256);
        payload.insert("data/a", &digest).unwrap();
        assert_eq!(
            payload.insert("data/a", &digest),
            Err(ManifestError::Duplicate("data/a".into()))
        );
        assert!(matches!(
            payload.insert("data/b", "abc"),
            Err(ManifestError::Digest { .. })
        ));
        assert!(matches!(
            payload.insert("bagit.txt", &digest),
            Err(ManifestError::Path { .. })
        ));
        let mut tags = Manifest::tag(Algorithm::Sha256);
        tags.insert("bagit.txt", &digest).unwrap();
        assert!(matches!(
            tags.insert("data/a", &digest),
            Err(ManifestError::Path { .. })
        ));
        assert!(matches!(
            tags.insert("tagmanifest-md5.txt", &digest),
            Err(ManifestError::TagManifest(_))
        ));
        assert_eq!(tags.file_name(), "tagmanifest-sha256.txt");
    }
}
