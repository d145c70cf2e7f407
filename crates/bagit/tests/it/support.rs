//! Bags in one line, and verdicts as codes.

use std::{
    fs,
    path::{Path, PathBuf},
};

use bagit::{
    ARCHIVE_END, Bag, BagBuilder, BagInfo, Code, Content, Limits, PayloadFile, Report, Severity,
    padding, validate_within,
};
use sha2::{Digest, Sha256, Sha512};
use tempfile::TempDir;

/// A bag of these payload files, with a tag file of its own, as a tar.
pub(crate) fn tar_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = BagBuilder::new("BAG-1", 1_700_000_000).unwrap();
    let mut info = BagInfo::new();
    info.add("Source-Organization", "Example").unwrap();
    for (path, content) in files {
        builder
            .add_payload(&PayloadFile {
                path: (*path).to_owned(),
                size: content.len() as u64,
                sha256: hex::encode(Sha256::digest(content)),
                sha512: hex::encode(Sha512::digest(content)),
            })
            .unwrap();
    }
    builder
        .add_tag_file("file-metadata.csv", b"name\r\n".to_vec())
        .unwrap();
    let bag = builder.info(info).build().unwrap();
    let contents: Vec<&[u8]> = files.iter().map(|(_, content)| *content).collect();
    write(&bag, &contents)
}

pub(crate) fn write(bag: &Bag, contents: &[&[u8]]) -> Vec<u8> {
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
    assert_eq!(bytes.len() as u64, bag.archive_len());
    bytes
}

/// The usual bag: two files in two folders.
pub(crate) fn usual() -> Vec<u8> {
    tar_of(&[("data/a.txt", b"first"), ("data/b/c.txt", b"second")])
}

/// A scratch folder that is gone when the test ends.
pub(crate) struct Scratch(TempDir);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// The usual bag, unpacked.
    pub(crate) fn usual_folder(&self) -> PathBuf {
        tar::Archive::new(usual().as_slice())
            .unpack(self.path())
            .unwrap();
        self.path().join("BAG-1")
    }

    pub(crate) fn validate_tar(&self, bytes: &[u8]) -> Report {
        validate(&self.file("bag.tar", bytes))
    }
}

pub(crate) fn validate(path: &Path) -> Report {
    validate_within(path, &Limits::default(), &mut |_| {}).unwrap()
}

/// The problems as severity, code and file.
pub(crate) fn codes(report: &Report) -> Vec<(Severity, Code, &str)> {
    report
        .problems
        .iter()
        .map(|p| (p.severity, p.code, p.file.as_deref().unwrap_or_default()))
        .collect()
}

/// The errors alone, as code and file.
pub(crate) fn errors(report: &Report) -> Vec<(Code, &str)> {
    codes(report)
        .into_iter()
        .filter(|(severity, ..)| *severity == Severity::Error)
        .map(|(_, code, file)| (code, file))
        .collect()
}

/// A member of any type for the archive in `bytes`, put before its end.
pub(crate) fn with_member(
    bytes: &[u8],
    kind: tar::EntryType,
    path: &str,
    content: &[u8],
) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_size(content.len() as u64);
    header.set_cksum();
    let mut with = bytes[..bytes.len() - ARCHIVE_END.len()].to_vec();
    with.extend(header.as_bytes());
    with.extend(content);
    with.resize(with.len() + padding(content.len() as u64), 0);
    with.extend(ARCHIVE_END);
    with
}
