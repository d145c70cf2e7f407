//! A valid bag that somebody meddled with: each change is found, and named with its file.

use std::fs;

use bagit::{Code, Severity};
use md5::{Digest, Md5};
use proptest::prelude::*;
use tar::EntryType;

use crate::support::{Scratch, codes, errors, tar_of, usual, validate, with_member};

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let at = bytes.windows(from.len()).position(|w| w == from).unwrap();
    let mut changed = bytes.to_vec();
    changed[at..at + to.len()].copy_from_slice(to);
    changed
}

#[test]
fn a_flipped_bit_in_the_payload_is_found_with_expected_and_found_digest() {
    let scratch = Scratch::new();
    let report = scratch.validate_tar(&replaced(&usual(), b"second", b"secone"));
    let file = "data/b/c.txt";
    assert_eq!(
        errors(&report),
        [(Code::DigestMismatch, file), (Code::DigestMismatch, file)]
    );
    let message = &report.problems[0].message;
    let (found, expected) = (
        hex::encode(sha2::Sha256::digest(b"secone")),
        hex::encode(sha2::Sha256::digest(b"second")),
    );
    assert!(
        message.contains(&found) && message.contains(&expected),
        "{message}"
    );
}

#[test]
fn a_changed_manifest_is_found_twice() {
    let scratch = Scratch::new();
    let digest = hex::encode(sha2::Sha256::digest(b"first"));
    let report = scratch.validate_tar(&replaced(
        &usual(),
        digest.as_bytes(),
        "0".repeat(64).as_bytes(),
    ));
    assert_eq!(
        errors(&report),
        [
            (Code::DigestMismatch, "data/a.txt"),
            (Code::DigestMismatch, "manifest-sha256.txt"),
            (Code::DigestMismatch, "manifest-sha256.txt"),
        ]
    );
}

#[test]
fn an_extra_file_is_found_and_counted() {
    let scratch = Scratch::new();
    let bytes = with_member(&usual(), EntryType::Regular, "BAG-1/data/extra", b"x");
    assert_eq!(
        errors(&scratch.validate_tar(&bytes)),
        [
            (Code::OxumMismatch, "bag-info.txt"),
            (Code::FileNotListed, "data/extra")
        ]
    );
    let unprotected = with_member(&usual(), EntryType::Regular, "BAG-1/notes.txt", b"x");
    assert_eq!(
        codes(&scratch.validate_tar(&unprotected)),
        [(Severity::Warning, Code::TagFileNotListed, "notes.txt")]
    );
}

#[test]
fn a_missing_file_is_found() {
    let scratch = Scratch::new();
    let folder = scratch.usual_folder();
    fs::remove_file(folder.join("data/a.txt")).unwrap();
    assert_eq!(
        errors(&validate(&folder)),
        [
            (Code::OxumMismatch, "bag-info.txt"),
            (Code::FileMissing, "data/a.txt")
        ]
    );
    fs::remove_dir_all(folder.join("data")).unwrap();
    let report = validate(&folder);
    assert!(errors(&report).contains(&(Code::PayloadFolderMissing, "")));
}

#[test]
fn a_lying_oxum_is_found_even_if_its_digest_is_right() {
    let scratch = Scratch::new();
    let folder = scratch.usual_folder();
    fs::write(folder.join("bag-info.txt"), "Payload-Oxum: 11.3\n").unwrap();
    for algorithm in ["sha256", "sha512"] {
        fs::remove_file(folder.join(format!("tagmanifest-{algorithm}.txt"))).unwrap();
    }
    let report = validate(&folder);
    assert_eq!(
        codes(&report),
        [(Severity::Error, Code::OxumMismatch, "bag-info.txt")]
    );
    assert_eq!(report.problems[0].line, Some(1));
}

#[test]
fn links_and_devices_in_a_tar_are_refused_by_name() {
    let scratch = Scratch::new();
    for kind in [
        EntryType::Symlink,
        EntryType::Link,
        EntryType::Fifo,
        EntryType::Char,
    ] {
        let bytes = with_member(&usual(), kind, "BAG-1/data/link", b"");
        assert_eq!(
            errors(&scratch.validate_tar(&bytes)),
            [(Code::NotRegular, "BAG-1/data/link")]
        );
    }
}

#[cfg(unix)]
#[test]
fn links_in_a_folder_are_refused_by_name() {
    let scratch = Scratch::new();
    let folder = scratch.usual_folder();
    fs::rename(folder.join("data/a.txt"), scratch.path().join("outside")).unwrap();
    std::os::unix::fs::symlink(scratch.path().join("outside"), folder.join("data/a.txt")).unwrap();
    let report = validate(&folder);
    assert_eq!(
        errors(&report),
        [
            (Code::OxumMismatch, "bag-info.txt"),
            (Code::FileMissing, "data/a.txt"),
            (Code::NotRegular, "data/a.txt"),
        ]
    );
}

#[test]
fn members_that_leave_the_archive_are_refused_by_name() {
    let scratch = Scratch::new();
    for path in ["../evil", "BAG-1/../../evil", "/etc/evil"] {
        let bytes = with_member(&usual(), EntryType::Regular, path, b"x");
        assert_eq!(
            errors(&scratch.validate_tar(&bytes)),
            [(Code::PathOutside, path)]
        );
    }
    let beside = with_member(&usual(), EntryType::Regular, "other/file", b"x");
    assert_eq!(
        errors(&scratch.validate_tar(&beside)),
        [(Code::ArchiveStray, "other/file")]
    );
    let apple = with_member(&usual(), EntryType::Regular, "._BAG-1", b"x");
    assert_eq!(
        codes(&scratch.validate_tar(&apple)),
        [(Severity::Warning, Code::SystemFile, "._BAG-1")]
    );
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    let scratch = Scratch::new();
    let bytes = with_member(&usual(), EntryType::Regular, "BAG-1/data/a.txt", b"other");
    assert_eq!(
        errors(&scratch.validate_tar(&bytes)),
        [(Code::ArchiveDuplicate, "BAG-1/data/a.txt")]
    );
}

#[test]
fn a_second_bag_beside_the_first_is_refused() {
    let scratch = Scratch::new();
    let bytes = with_member(&usual(), EntryType::Regular, "ZZ/bagit.txt", b"x");
    let report = scratch.validate_tar(&bytes);
    assert_eq!(report.folder, "BAG-1");
    assert_eq!(
        errors(&report),
        [
            (Code::ArchiveStray, ""),
            (Code::ArchiveStray, "ZZ/bagit.txt")
        ]
    );
}

#[test]
fn a_tar_that_is_cut_off_says_so() {
    let scratch = Scratch::new();
    let bytes = usual();
    let report = scratch.validate_tar(&bytes[..bytes.len() - 1_024 - 512 - 100]);
    let found = errors(&report);
    assert!(found.contains(&(Code::ArchiveDamaged, "")), "{found:?}");
    assert!(
        found.contains(&(Code::FileMissing, "data/b/c.txt")),
        "{found:?}"
    );
}

/// An old bag in which everything that the manifests are about comes first.
fn payload_first(manifest: &str, digest: &str) -> Vec<u8> {
    let mut bytes = bagit::ARCHIVE_END.to_vec();
    let lines = format!("{digest}  data/a\n");
    for (path, content) in [
        ("data/a", &b"first"[..]),
        (manifest, lines.as_bytes()),
        (
            "bagit.txt",
            b"BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n",
        ),
    ] {
        bytes = with_member(&bytes, EntryType::Regular, path, content);
    }
    bytes
}

#[test]
fn the_order_of_an_archive_does_not_matter() {
    let scratch = Scratch::new();
    for (manifest, digest) in [
        ("manifest-md5.txt", hex::encode(Md5::digest(b"first"))),
        (
            "manifest-sha224.txt",
            hex::encode(sha2::Sha224::digest(b"first")),
        ),
        (
            "manifest-sha384.txt",
            hex::encode(sha2::Sha384::digest(b"first")),
        ),
    ] {
        let report = scratch.validate_tar(&payload_first(manifest, &digest));
        assert_eq!(
            (codes(&report), report.digests_verified),
            (vec![], 1),
            "{manifest}"
        );
        let wrong = "0".repeat(digest.len());
        let report = scratch.validate_tar(&payload_first(manifest, &wrong));
        assert_eq!(
            errors(&report),
            [(Code::DigestMismatch, "data/a")],
            "{manifest}"
        );
    }
}

#[test]
fn what_cannot_be_verified_is_not_called_valid() {
    let scratch = Scratch::new();
    let report = scratch.validate_tar(&payload_first("manifest-blake2b.txt", "00"));
    assert_eq!(
        errors(&report),
        [(Code::AlgorithmUnsupported, "manifest-blake2b.txt")]
    );
    let report = scratch.validate_tar(&payload_first("notes.txt", "00"));
    assert_eq!(errors(&report), [(Code::ManifestMissing, "")]);
}

#[test]
fn a_file_to_be_fetched_makes_the_bag_incomplete() {
    let scratch = Scratch::new();
    let bytes = payload_first("manifest-md5.txt", &hex::encode(Md5::digest(b"first")));
    let lines =
        "http://169.254.169.254/latest - data/b\nhttp://h/a 6 data/a\nhttp://h/c - data/c\n";
    let mut bytes = with_member(&bytes, EntryType::Regular, "fetch.txt", lines.as_bytes());
    let manifest = format!(
        "{}  data/a\n{}  data/b\n",
        hex::encode(Md5::digest(b"first")),
        "0".repeat(32)
    );
    bytes = with_member(
        &bytes,
        EntryType::Regular,
        "manifest-MD5.txt",
        manifest.as_bytes(),
    );
    let report = scratch.validate_tar(&bytes);
    assert_eq!(
        codes(&report),
        [
            (Severity::Error, Code::FetchPending, "data/b"),
            (Severity::Warning, Code::FetchNotListed, "fetch.txt"),
            (Severity::Warning, Code::FetchSize, "fetch.txt"),
            (Severity::Warning, Code::FetchNotListed, "fetch.txt"),
        ]
    );
    assert!(
        report.problems[0]
            .message
            .contains("http://169.254.169.254/latest")
    );
}

#[test]
fn twins_and_system_files_are_warnings() {
    use Severity::Warning;
    let scratch = Scratch::new();
    let bytes = tar_of(&[
        ("data/A", b"1"),
        ("data/a", b"2"),
        ("data/\u{e9}", b"3"),
        ("data/e\u{301}", b"4"),
        ("data/x/thumbs.db", b"5"),
    ]);
    assert_eq!(
        codes(&scratch.validate_tar(&bytes)),
        [
            (Warning, Code::TwinCase, "data/a"),
            (Warning, Code::SystemFile, "data/x/thumbs.db"),
            (Warning, Code::TwinNormalization, "data/\u{e9}"),
        ]
    );
}

#[test]
fn a_twin_with_another_digest_is_no_substitute() {
    let scratch = Scratch::new();
    let digest = hex::encode(Md5::digest(b"first"));
    let listed = |digest: &str| {
        let bytes = payload_first("manifest-md5.txt", digest);
        replaced(&bytes, b"  data/a\n", b"  data/A\n")
    };
    let report = scratch.validate_tar(&listed(&digest));
    assert_eq!(
        codes(&report),
        [(Severity::Warning, Code::TwinCase, "manifest-md5.txt")]
    );
    let report = scratch.validate_tar(&listed(&"0".repeat(32)));
    assert_eq!(
        errors(&report),
        [
            (Code::FileMissing, "data/A"),
            (Code::FileNotListed, "data/a")
        ]
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Nothing protects the tag manifests themselves: there, a digit may change its case.
    #[test]
    fn no_flipped_bit_of_any_listed_content_goes_unseen(at: proptest::sample::Index, bit in 0_u8..8) {
        let mut bytes = usual();
        let mut contents = Vec::new();
        for entry in tar::Archive::new(bytes.as_slice()).entries().unwrap() {
            let entry = entry.unwrap();
            if entry.path_bytes().starts_with(b"BAG-1/tagmanifest-") {
                continue;
            }
            let start = usize::try_from(entry.raw_file_position()).unwrap();
            contents.extend(start..start + usize::try_from(entry.size()).unwrap());
        }
        bytes[contents[at.index(contents.len())]] ^= 1 << bit;
        let scratch = Scratch::new();
        prop_assert!(!scratch.validate_tar(&bytes).is_valid());
    }
}
