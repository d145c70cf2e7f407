//! The Library of Congress's conformance suite: what it says of each bag is what we say, as a folder and as a tar.
//!
//! The suite's class "warning", and the bags that are invalid on Windows only, are valid with warnings here.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
};

use bagit::{
    Code,
    Severity::{self, Error, Warning},
};
use flate2::read::GzDecoder;

use crate::support::{Scratch, codes, validate};

struct Case {
    name: String,
    valid: bool,
    with_warnings: bool,
}

fn suite() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/bagit");
    // A worktree is one folder deeper than a clone.
    let deeper = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/data/bagit");
    let found = [folder, deeper].into_iter().find(|folder| folder.is_dir());
    if found.is_none() {
        eprintln!("skipped: the conformance suite is not at ../shared/data/bagit");
    }
    found
}

fn cases(suite: &Path) -> Vec<Case> {
    let table = fs::read_to_string(suite.join("expected.tsv")).unwrap();
    table
        .lines()
        .skip(1)
        .map(|line| {
            let fields: Vec<&str> = line.split('\t').collect();
            let [version, class, bag, expected, ..] = fields[..] else {
                panic!("not a row of the table: {line}");
            };
            Case {
                name: format!("{version}/{class}/{bag}"),
                valid: expected.starts_with("valid"),
                with_warnings: class == "warning" || expected.ends_with('?'),
            }
        })
        .collect()
}

fn unpacked(suite: &Path, scratch: &Scratch) -> PathBuf {
    let archive = File::open(suite.join("conformance-suite.tar.gz")).unwrap();
    tar::Archive::new(GzDecoder::new(archive))
        .unpack(scratch.path())
        .unwrap();
    scratch.path().join("bagit-conformance")
}

fn packed(folder: &Path, scratch: &Scratch) -> PathBuf {
    let path = scratch.path().join("bag.tar");
    let mut builder = tar::Builder::new(File::create(&path).unwrap());
    builder.append_dir_all("bag", folder).unwrap();
    builder.into_inner().unwrap();
    path
}

#[test]
fn every_bag_of_the_suite_is_judged_as_the_suite_has_it() {
    let Some(suite) = suite() else { return };
    let scratch = Scratch::new();
    let root = unpacked(&suite, &scratch);
    let cases = cases(&suite);
    assert_eq!(cases.len(), 60);
    let mut wrong = Vec::new();
    for case in cases {
        let folder = root.join(&case.name);
        let as_folder = validate(&folder);
        let as_tar = validate(&packed(&folder, &scratch));
        for report in [as_folder, as_tar] {
            let right =
                report.is_valid() == case.valid && (!case.with_warnings || report.warnings > 0);
            if !right {
                wrong.push(format!(
                    "{} {:?}: {:#?}",
                    case.name, report.source, report.problems
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_folder_and_its_tar_have_the_same_problems() {
    let Some(suite) = suite() else { return };
    let scratch = Scratch::new();
    let root = unpacked(&suite, &scratch);
    for case in cases(&suite) {
        let folder = root.join(&case.name);
        let (one, other) = (validate(&folder), validate(&packed(&folder, &scratch)));
        assert_eq!(one.problems, other.problems, "{}", case.name);
        assert_eq!(one.payload, other.payload, "{}", case.name);
        assert_eq!(
            one.digests_verified, other.digests_verified,
            "{}",
            case.name
        );
    }
}

const REASONS: &[(&str, Severity, Code, &str)] = &[
    (
        "v0.97/invalid/baginfo-missing-encoding",
        Error,
        Code::BagitTxtMalformed,
        "bagit.txt",
    ),
    (
        "v0.97/invalid/bom-in-bagit.txt",
        Error,
        Code::ByteOrderMark,
        "bagit.txt",
    ),
    (
        "v0.97/invalid/corrupt-data-file",
        Error,
        Code::DigestMismatch,
        "data/bare-filename",
    ),
    (
        "v0.97/invalid/corrupt-tag-file",
        Error,
        Code::DigestMismatch,
        "bag-info.txt",
    ),
    (
        "v0.97/invalid/extra-file-in-bag",
        Error,
        Code::FileNotListed,
        "data/bar",
    ),
    (
        "v0.97/invalid/invalid-version-number",
        Error,
        Code::BagitTxtMalformed,
        "bagit.txt",
    ),
    (
        "v0.97/invalid/missing-baginfo",
        Error,
        Code::FileMissing,
        "bag-info.txt",
    ),
    (
        "v0.97/invalid/missing-bagit.txt",
        Error,
        Code::BagitTxtMissing,
        "",
    ),
    (
        "v0.97/invalid/out-of-scope-file-paths-using-dot-notation",
        Error,
        Code::PathOutside,
        "manifest-md5.txt",
    ),
    (
        "v0.97/invalid/out-of-scope-file-paths-using-dot-notation-for-fetch",
        Error,
        Code::PathOutside,
        "fetch.txt",
    ),
    (
        "v0.97/invalid/same-filename-listed-twice-with-different-hashes",
        Error,
        Code::EntryConflicting,
        "manifest-sha256.txt",
    ),
    (
        "v0.97/linux-only/out-of-scope-file-paths-using-absolute-path",
        Error,
        Code::PathOutside,
        "manifest-md5.txt",
    ),
    (
        "v0.97/linux-only/out-of-scope-file-paths-using-shortcut-username-for-fetch",
        Error,
        Code::PathOutside,
        "fetch.txt",
    ),
    (
        "v0.97/warning/duplicate-file-with-different-case",
        Warning,
        Code::TwinCase,
        "manifest-sha512.txt",
    ),
    (
        "v0.97/warning/made-with-md5sum-tools",
        Warning,
        Code::LegacyChecksumTool,
        "manifest-md5.txt",
    ),
    (
        "v0.97/warning/relative-path",
        Warning,
        Code::PathNotNormal,
        "manifest-sha512.txt",
    ),
    (
        "v0.97/warning/same-filename-listed-twice-with-different-normalization",
        Warning,
        Code::TwinNormalization,
        "manifest-sha512.txt",
    ),
    (
        "v0.97/warning/same-filename-listed-twice-with-the-same-hash",
        Warning,
        Code::EntryDuplicate,
        "manifest-sha256.txt",
    ),
    (
        "v0.97/warning/special-system-files",
        Warning,
        Code::SystemFile,
        "data/.DS_Store",
    ),
    (
        "v0.97/windows-only/out-of-scope-file-paths-using-shortcut",
        Warning,
        Code::PathOutsideOnWindows,
        "manifest-md5.txt",
    ),
    (
        "v0.97/windows-only/out-of-scope-file-paths-using-unc-for-fetch",
        Warning,
        Code::PathOutsideOnWindows,
        "fetch.txt",
    ),
    (
        "v1.0/invalid/bagit-with-invalid-whitespace",
        Error,
        Code::BagitTxtMalformed,
        "bagit.txt",
    ),
    (
        "v1.0/invalid/notAllManifestsListAllFiles",
        Error,
        Code::FileNotListed,
        "data/missingFromManifest.txt",
    ),
    (
        "v1.0/invalid/same-filename-listed-twice-with-the-same-hash",
        Error,
        Code::EntryDuplicate,
        "manifest-sha256.txt",
    ),
];

#[test]
fn the_reasons_are_the_right_ones() {
    let Some(suite) = suite() else { return };
    let scratch = Scratch::new();
    let root = unpacked(&suite, &scratch);
    for &(bag, severity, code, file) in REASONS {
        let report = validate(&root.join(bag));
        assert!(
            codes(&report).contains(&(severity, code, file)),
            "{bag}: {:#?}",
            report.problems
        );
    }
}
