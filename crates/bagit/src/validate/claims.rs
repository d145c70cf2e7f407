//! What a bag says about itself, read from its tag files.

use std::collections::BTreeMap;

use super::{
    Limits,
    declaration::{self, Declaration},
    digests::Algorithms,
    error::Error,
    fetch::{self, Remote},
    info::{ClaimedOxum, read_oxum},
    listing::{Kind, Listing},
    problems::{At, Problems},
    text::Encoding,
};
use crate::{Algorithm, Code, Version};

#[derive(Debug)]
pub(super) struct Claims {
    pub(super) declaration: Declaration,
    pub(super) payload: Vec<Listing>,
    pub(super) tags: Vec<Listing>,
    pub(super) oxum: Option<ClaimedOxum>,
    pub(super) remotes: BTreeMap<String, Remote>,
}

/// Whether the file in a bag's root is one whose text is read here.
pub(super) fn is_read_as_text(name: &str) -> bool {
    matches!(
        name,
        declaration::NAME | fetch::NAME | "bag-info.txt" | "package-info.txt"
    ) || manifest_name(name).is_some()
}

/// What a manifest's name says: for which files it is, and by which algorithm.
pub(super) fn manifest_name(name: &str) -> Option<(Kind, &str)> {
    let stem = name.strip_suffix(".txt")?;
    if let Some(algorithm) = stem.strip_prefix("manifest-") {
        return Some((Kind::Payload, algorithm));
    }
    let algorithm = stem.strip_prefix("tagmanifest-")?;
    Some((Kind::Tag, algorithm))
}

impl Claims {
    /// Reads the texts of the bag's root, by name. Each text is dropped as soon as it is understood.
    pub(super) fn read(
        mut texts: BTreeMap<String, Vec<u8>>,
        limits: &Limits,
        problems: &mut Problems,
    ) -> Result<Self, Error> {
        let bytes = texts.remove(declaration::NAME);
        let declaration = Declaration::read(bytes.as_deref(), problems);
        let mut claims = Self {
            declaration,
            payload: Vec::new(),
            tags: Vec::new(),
            oxum: None,
            remotes: BTreeMap::new(),
        };
        let info_name = declaration.info_name(texts.contains_key("bag-info.txt"));
        let mut has_manifest = false;
        for (name, bytes) in texts {
            let manifest = manifest_name(&name);
            let is_info = name == info_name;
            if manifest.is_none() && !is_info && name != fetch::NAME {
                continue;
            }
            let text = decode(&name, bytes, declaration, problems);
            if is_info {
                claims.oxum = read_oxum(&name, &text, declaration, limits, problems)?;
            } else if let Some((kind, algorithm)) = manifest {
                has_manifest |= kind == Kind::Payload;
                let Some(algorithm) = Algorithm::from_name(algorithm) else {
                    let message = format!(
                        "digests by {algorithm:?} cannot be computed here, so what it claims is not verified"
                    );
                    problems.error(Code::AlgorithmUnsupported, At::File(&name), message);
                    continue;
                };
                let subject = (name.as_str(), kind, algorithm);
                let listing = Listing::read(subject, &text, declaration, limits, problems)?;
                match kind {
                    Kind::Payload => claims.payload.push(listing),
                    Kind::Tag => claims.tags.push(listing),
                }
            } else {
                claims.remotes = fetch::read(&text, limits, problems)?;
            }
        }
        if !has_manifest {
            let message = "there is no payload manifest";
            problems.error(Code::ManifestMissing, At::Bag, message);
        }
        Ok(claims)
    }

    /// The algorithms by which the file at that path must be verified.
    pub(super) fn needed_for(&self, path: &str) -> Algorithms {
        let listings = if path.starts_with("data/") {
            &self.payload
        } else {
            &self.tags
        };
        listings.iter().map(|listing| listing.algorithm).collect()
    }
}

impl Declaration {
    /// Before 0.96 the metadata were in `package-info.txt`.
    fn info_name(self, has_bag_info: bool) -> &'static str {
        let renamed = Version {
            major: 0,
            minor: 96,
        };
        match self.version {
            Some(version) if version < renamed && !has_bag_info => "package-info.txt",
            _ => "bag-info.txt",
        }
    }
}

fn decode(name: &str, bytes: Vec<u8>, declaration: Declaration, problems: &mut Problems) -> String {
    let decoded = declaration.encoding.decode(bytes);
    if !decoded.clean {
        let message = "has bytes that are not of the encoding that bagit.txt declares";
        problems.error(Code::EncodingInvalid, At::File(name), message);
    }
    if decoded.mark && declaration.encoding == Encoding::Utf8 {
        let message = "begins with a byte-order mark, which UTF-8 does not need";
        problems.add(
            declaration.severity(),
            Code::ByteOrderMark,
            At::File(name),
            message,
        );
    }
    decoded.text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn manifests_are_known_by_their_names() {
        for (name, expected) in [
            ("manifest-md5.txt", Some((Kind::Payload, "md5"))),
            ("tagmanifest-sha512.txt", Some((Kind::Tag, "sha512"))),
            ("manifest-.txt", Some((Kind::Payload, ""))),
            ("manifest-md5.TXT", None),
            ("manifest.txt", None),
            ("my-manifest-md5.txt", None),
        ] {
            assert_eq!(manifest_name(name), expected, "{name}");
        }
    }
}
