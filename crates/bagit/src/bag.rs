//! A bag to be written: what stands in its archive, in which order, and how long it is.
//!
//! Owns the layout. Does not own the payload's bytes: the caller streams them between the headers, and must stop if
//! they are not of the size and digests that were given here.
//!
//! Always: tag files come before the payload, so a reader knows what to verify before the first payload byte; the
//! length is exact before anything is read; the same selection gives the same bytes.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256, Sha512};

use crate::{
    Algorithm, BAGIT_TXT, BagInfo, Manifest, ManifestError, PathError, PayloadOxum,
    path::check_tag_path,
    tar_header::{ARCHIVE_END, directory_header, file_header, padding},
};

/// A payload file, known before it is read.
#[derive(Clone, Debug)]
pub struct PayloadFile {
    /// Its path, beginning `data/`; see [`crate::PayloadPaths`].
    pub path: String,
    /// Its length in bytes.
    pub size: u64,
    /// Its SHA-256 in hexadecimal.
    pub sha256: String,
    /// Its SHA-512 in hexadecimal.
    pub sha512: String,
}

/// Why a bag cannot be built.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The bag's folder is one step of a path.
    #[error("{0:?} cannot be a bag's folder")]
    Folder(String),
    /// A payload file cannot be listed.
    #[error(transparent)]
    Payload(#[from] ManifestError),
    /// A path is a file and a folder at once.
    #[error("{0:?} is both a file and a folder")]
    FileAndFolder(String),
    /// A tag file's path leaves the bag or stands in the payload.
    #[error("tag file {path:?}: {reason}")]
    Tag {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        reason: PathError,
    },
    /// A tag file with a name that RFC 8493 gives a meaning, or one given twice.
    #[error("tag file {0:?} is written by the bag itself, or given twice")]
    TagTaken(String),
    /// More than a 64-bit length can say.
    #[error("the bag is too large")]
    TooLarge,
}

/// Collects what a bag will hold.
#[derive(Debug)]
pub struct BagBuilder {
    folder: String,
    mtime: u64,
    info: BagInfo,
    sizes: BTreeMap<String, (u64, usize)>,
    sha256: Manifest,
    sha512: Manifest,
    tags: BTreeMap<String, Vec<u8>>,
    oxum: PayloadOxum,
}

impl BagBuilder {
    /// A bag in the folder of that name, every entry with that time (seconds since 1970). Take the time from the
    /// selection, not from the clock, and the same selection gives the same bytes.
    pub fn new(folder: &str, mtime: u64) -> Result<Self, BuildError> {
        let one_step = check_tag_path(folder).is_ok()
            && !folder.contains(['/', '\\'])
            && !folder.chars().any(char::is_control);
        if !one_step {
            return Err(BuildError::Folder(folder.to_owned()));
        }
        Ok(Self {
            folder: folder.to_owned(),
            mtime,
            info: BagInfo::new(),
            sizes: BTreeMap::new(),
            sha256: Manifest::payload(Algorithm::Sha256),
            sha512: Manifest::payload(Algorithm::Sha512),
            tags: BTreeMap::new(),
            oxum: PayloadOxum::default(),
        })
    }

    /// Sets `bag-info.txt`, to which the bag adds `Payload-Oxum`.
    #[must_use]
    pub fn info(mut self, info: BagInfo) -> Self {
        self.info = info;
        self
    }

    /// Adds a payload file, and answers with its number, counted from 0 in the order of these calls. The entries of
    /// the [`Bag`] name their content by it.
    pub fn add_payload(&mut self, file: &PayloadFile) -> Result<usize, BuildError> {
        self.sha256.insert(&file.path, &file.sha256)?;
        self.sha512.insert(&file.path, &file.sha512)?;
        let number = self.sizes.len();
        self.sizes.insert(file.path.clone(), (file.size, number));
        self.oxum.streams += 1;
        self.oxum.octets = self
            .oxum
            .octets
            .checked_add(file.size)
            .ok_or(BuildError::TooLarge)?;
        Ok(number)
    }

    /// Adds a tag file of the caller's own (RFC 8493 §2.2.4). It is listed in the tag manifests.
    pub fn add_tag_file(&mut self, path: &str, content: Vec<u8>) -> Result<(), BuildError> {
        check_tag_path(path).map_err(|reason| BuildError::Tag {
            path: path.to_owned(),
            reason,
        })?;
        if is_reserved(path) || self.tags.contains_key(path) {
            return Err(BuildError::TagTaken(path.to_owned()));
        }
        self.tags.insert(path.to_owned(), content);
        Ok(())
    }

    /// The finished bag.
    pub fn build(self) -> Result<Bag, BuildError> {
        refuse_file_and_folder(&self.sizes)?;
        refuse_file_and_folder(&self.tags)?;
        let mut texts = vec![
            ("bagit.txt".to_owned(), BAGIT_TXT.as_bytes().to_vec()),
            (
                "bag-info.txt".to_owned(),
                self.info.to_text(self.oxum).into_bytes(),
            ),
        ];
        for manifest in [self.sha256, self.sha512] {
            texts.push((manifest.file_name(), manifest.to_text().into_bytes()));
        }
        texts.extend(self.tags);
        let mut sha256 = Manifest::tag(Algorithm::Sha256);
        let mut sha512 = Manifest::tag(Algorithm::Sha512);
        for (path, content) in &texts {
            sha256.insert(path, &hex::encode(Sha256::digest(content)))?;
            sha512.insert(path, &hex::encode(Sha512::digest(content)))?;
        }
        for manifest in [sha256, sha512] {
            texts.push((manifest.file_name(), manifest.to_text().into_bytes()));
        }
        let tags = texts.into_iter().map(|(path, text)| Entry {
            path,
            size: text.len() as u64,
            content: Content::Text(text),
        });
        // The payload folder must be there even when it is empty (RFC 8493 §2.1.2).
        let data = Entry {
            path: "data".to_owned(),
            size: 0,
            content: Content::Folder,
        };
        let payload = self.sizes.into_iter().map(|(path, (size, number))| Entry {
            path,
            size,
            content: Content::Payload(number),
        });
        let mut bag = Bag {
            folder: self.folder,
            mtime: self.mtime,
            oxum: self.oxum,
            entries: tags.chain([data]).chain(payload).collect(),
            archive_len: 0,
        };
        bag.archive_len = bag.measure().ok_or(BuildError::TooLarge)?;
        Ok(bag)
    }
}

/// One entry of the archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The path in the bag, without the bag's folder.
    pub path: String,
    /// The content's length.
    pub size: u64,
    /// Where the content comes from.
    pub content: Content,
}

/// The content of an [`Entry`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A folder has none.
    Folder,
    /// A tag file's bytes.
    Text(Vec<u8>),
    /// The payload file with that number, as [`BagBuilder::add_payload`] gave it out; the caller has its bytes.
    Payload(usize),
}

/// A bag as a plan of its archive: for each of [`Bag::entries`] its [`Bag::header`], its content and
/// [`padding`] zero bytes, then [`ARCHIVE_END`].
#[derive(Clone, Debug)]
pub struct Bag {
    folder: String,
    mtime: u64,
    oxum: PayloadOxum,
    entries: Vec<Entry>,
    archive_len: u64,
}

impl Bag {
    /// The entries in the archive's order: tag files, the payload folder, payload files by path.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tar header blocks of an entry.
    pub fn header(&self, entry: &Entry) -> Vec<u8> {
        let path = format!("{}/{}", self.folder, entry.path);
        match entry.content {
            Content::Folder => directory_header(&path, self.mtime),
            Content::Text(_) | Content::Payload(_) => file_header(&path, entry.size, self.mtime),
        }
    }

    /// The exact length of the whole archive.
    pub fn archive_len(&self) -> u64 {
        self.archive_len
    }

    /// What the payload amounts to.
    pub fn oxum(&self) -> PayloadOxum {
        self.oxum
    }

    fn measure(&self) -> Option<u64> {
        let end = ARCHIVE_END.len() as u64;
        self.entries.iter().try_fold(end, |sum, entry| {
            let framing = self.header(entry).len() + padding(entry.size);
            sum.checked_add(framing as u64)?.checked_add(entry.size)
        })
    }
}

fn is_reserved(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    matches!(path.as_str(), "bagit.txt" | "bag-info.txt" | "fetch.txt")
        || path.starts_with("manifest-")
        || path.starts_with("tagmanifest-")
}

fn refuse_file_and_folder<V>(files: &BTreeMap<String, V>) -> Result<(), BuildError> {
    for path in files.keys() {
        for (at, _) in path.match_indices('/') {
            if files.contains_key(&path[..at]) {
                return Err(BuildError::FileAndFolder(path[..at].to_owned()));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    fn file(path: &str, content: &[u8]) -> PayloadFile {
        PayloadFile {
            path: path.to_owned(),
            size: content.len() as u64,
            sha256: hex::encode(Sha256::digest(content)),
            sha512: hex::encode(Sha512::digest(content)),
        }
    }

    fn archive(bag: &Bag, contents: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for entry in bag.entries() {
            bytes.extend(bag.header(entry));
            match &entry.content {
                Content::Folder => {}
                Content::Text(text) => bytes.extend(text),
                Content::Payload(number) => bytes.extend(contents[*number]),
            }
            bytes.resize(bytes.len() + padding(entry.size), 0);
        }
        bytes.extend(ARCHIVE_END);
        bytes
    }

    #[test]
    fn the_length_is_known_before_a_byte_is_read() {
        let mut builder = BagBuilder::new("B-1", 0).unwrap();
        let contents: [&[u8]; 3] = [b"one", &[7; 512], b""];
        for (path, content) in ["data/ü", "data/b%", "data/a"].into_iter().zip(contents) {
            builder.add_payload(&file(path, content)).unwrap();
        }
        builder
            .add_tag_file("files.csv", b"a,b\n".to_vec())
            .unwrap();
        let bag = builder.build().unwrap();
        assert_eq!(archive(&bag, &contents).len() as u64, bag.archive_len());
        assert_eq!(bag.oxum().to_string(), "515.3");
        let paths: Vec<&str> = bag.entries().iter().map(|e| e.path.as_str()).collect();
        assert_eq!(
            paths,
            [
                "bagit.txt",
                "bag-info.txt",
                "manifest-sha256.txt",
                "manifest-sha512.txt",
                "files.csv",
                "tagmanifest-sha256.txt",
                "tagmanifest-sha512.txt",
                "data",
                "data/a",
                "data/b%",
                "data/ü",
            ]
        );
    }

    #[test]
    fn the_same_selection_in_another_order_gives_the_same_bytes() {
        let (a, b) = (file("data/a", b"1"), file("data/b", b"2"));
        let mut one = BagBuilder::new("B", 5).unwrap();
        one.add_payload(&a).unwrap();
        one.add_payload(&b).unwrap();
        let mut two = BagBuilder::new("B", 5).unwrap();
        two.add_payload(&b).unwrap();
        two.add_payload(&a).unwrap();
        let one = archive(&one.build().unwrap(), &[b"1", b"2"]);
        let two = archive(&two.build().unwrap(), &[b"2", b"1"]);
        assert!(one == two);
    }

    #[test]
    fn what_cannot_stand_in_a_bag_is_refused() {
        for folder in ["", "..", "a/b", "/a", "data", "a\n", "~"] {
            assert!(BagBuilder::new(folder, 0).is_err(), "{folder:?}");
        }
        let mut builder = BagBuilder::new("B", 0).unwrap();
        for path in [
            "bagit.txt",
            "Bag-Info.txt",
            "fetch.txt",
            "manifest-md5.txt",
            "data/a",
            "../a",
        ] {
            assert!(builder.add_tag_file(path, Vec::new()).is_err(), "{path}");
        }
        builder.add_payload(&file("data/a", b"")).unwrap();
        assert!(builder.add_payload(&file("data/a", b"")).is_err());
        builder.add_payload(&file("data/a/b", b"")).unwrap();
        assert_eq!(
            builder.build().unwrap_err(),
            BuildError::FileAndFolder("data/a".into())
        );
    }
}
