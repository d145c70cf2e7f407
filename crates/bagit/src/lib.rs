//! `BagIt` packages (RFC 8493): the text of one to be written, and a verdict on one that exists.
//!
//! Owns the format: names, manifests, `bagit.txt`, `bag-info.txt`, `fetch.txt`, and the tar framing of a bag.
//! Does not own where bytes come from or go to (no network, no async), and never fetches what `fetch.txt` names.
//!
//! Writing is pure. [`PayloadPaths`] turns a depositor's names into payload paths, [`BagBuilder`] collects paths,
//! sizes and digests, and the [`Bag`] that it builds lists every entry of the archive in order, with the archive's
//! exact length, before a byte of payload is read. Writing always makes `BagIt` 1.0 with UTF-8 tag files.
//!
//! [`validate`] judges a folder, a tar or a gzipped tar of any tool, and says what is wrong file by file.
//!
//! Always: the same selection gives the same bytes; nothing written or read leaves the bag.

mod algorithm;
mod bag;
mod bag_info;
mod manifest;
mod names;
mod oxum;
mod path;
mod tar_header;
mod validate;

pub use algorithm::Algorithm;
pub use bag::{Bag, BagBuilder, BuildError, Content, Entry, PayloadFile};
pub use bag_info::{BagInfo, BagInfoError};
pub use manifest::{Manifest, ManifestError};
pub use names::{Names, PayloadPaths};
pub use oxum::PayloadOxum;
pub use path::{PathError, check_payload_path, check_tag_path, decode_path, encode_path};
pub use tar_header::{ARCHIVE_END, directory_header, file_header, padding};
pub use validate::{
    Code, Error, Limits, Problem, Progress, Report, Severity, Source, Version, open_tag_file,
    validate, validate_within,
};

/// The `bagit.txt` of every bag written here (RFC 8493 §2.1.1): exactly these two lines.
pub const BAGIT_TXT: &str = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n";
