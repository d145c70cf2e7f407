//! Bags as other tools and other versions write them.

use bagit::{Code, Report, Severity};
use md5::{Digest, Md5};

use crate::support::{Scratch, codes, validate};

/// A bag of that version in a folder, with one file, and one manifest that lists that path with the file's digest.
fn bag(version: &str, listed: &str, file: &str) -> Report {
    let scratch = Scratch::new();
    let declaration = format!("BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n");
    scratch.file("bagit.txt", declaration.as_bytes());
    let line = format!("{} {listed}\n", hex::encode(Md5::digest(b"text")));
    scratch.file("manifest-md5.txt", line.as_bytes());
    scratch.file(file, b"text");
    validate(scratch.path())
}

#[test]
fn a_percent_sign_means_what_the_version_and_the_files_say() {
    use Severity::{Error, Warning};
    let odd = vec![(Warning, Code::PathEncoding, "manifest-md5.txt")];
    for (version, listed, file, expected) in [
        ("1.0", "data/100%25", "data/100%", vec![]),
        ("1.0", "data/a%0d%0Ab", "data/a\r\nb", vec![]),
        ("1.0", "data/100%", "data/100%", odd.clone()),
        ("1.0", "data/a%25", "data/a%25", odd.clone()),
        ("1.0", "data/%7Ea", "data/%7Ea", odd),
        ("0.97", "data/100%25", "data/100%", vec![]),
        ("0.97", "data/a%25", "data/a%25", vec![]),
        ("0.96", "data/%7Ea", "data/%7Ea", vec![]),
        (
            "0.97",
            "data/a ",
            "data/a",
            vec![(Warning, Code::LineMalformed, "manifest-md5.txt")],
        ),
        (
            "1.0",
            "data/%7Ea",
            "data/~a",
            vec![
                (Error, Code::FileMissing, "data/%7Ea"),
                (Error, Code::FileNotListed, "data/~a"),
            ],
        ),
    ] {
        let report = bag(version, listed, file);
        assert_eq!(codes(&report), expected, "{version} {listed} {file}");
    }
}

#[test]
fn before_1_0_one_manifest_is_enough_for_a_file() {
    for (version, valid) in [("0.97", true), ("1.0", false)] {
        let scratch = Scratch::new();
        let declaration = format!("BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n");
        scratch.file("bagit.txt", declaration.as_bytes());
        let md5 = format!("{} data/a\n", hex::encode(Md5::digest(b"x")));
        let sha256 = format!("{} data/b\n", hex::encode(sha2::Sha256::digest(b"x")));
        scratch.file("manifest-md5.txt", md5.as_bytes());
        scratch.file("manifest-sha256.txt", sha256.as_bytes());
        scratch.file("data/a", b"x");
        scratch.file("data/b", b"x");
        let report = validate(scratch.path());
        assert_eq!(report.is_valid(), valid, "{:#?}", report.problems);
    }
}

#[test]
fn an_oxum_in_package_info_counts_before_0_96() {
    for (version, name, lies) in [
        ("0.95", "package-info.txt", true),
        ("0.95", "bag-info.txt", true),
        ("0.97", "package-info.txt", false),
    ] {
        let scratch = Scratch::new();
        let declaration = format!("BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n");
        scratch.file("bagit.txt", declaration.as_bytes());
        scratch.file("manifest-md5.txt", b"");
        scratch.file(name, b"Payload-Oxum: 5.1\n");
        std::fs::create_dir(scratch.path().join("data")).unwrap();
        let report = validate(scratch.path());
        let expected = if lies {
            vec![(Severity::Error, Code::OxumMismatch, name)]
        } else {
            vec![]
        };
        assert_eq!(codes(&report), expected, "{version} {name}");
    }
}

#[test]
fn names_are_read_in_the_declared_encoding() {
    for (encoding, name) in [
        ("UTF-8", "data/n\u{e9}".as_bytes().to_vec()),
        ("ISO-8859-1", b"data/n\xe9".to_vec()),
        (
            "UTF-16",
            "data/n\u{e9}"
                .encode_utf16()
                .flat_map(u16::to_be_bytes)
                .collect(),
        ),
    ] {
        let scratch = Scratch::new();
        let declaration = format!("BagIt-Version: 1.0\nTag-File-Character-Encoding: {encoding}\n");
        scratch.file("bagit.txt", declaration.as_bytes());
        let digest = format!("{} ", hex::encode(Md5::digest(b"text")));
        let mut manifest: Vec<u8> = if encoding == "UTF-16" {
            digest.encode_utf16().flat_map(u16::to_be_bytes).collect()
        } else {
            digest.into_bytes()
        };
        manifest.extend(name);
        scratch.file("manifest-md5.txt", &manifest);
        scratch.file("data/n\u{e9}", b"text");
        assert_eq!(codes(&validate(scratch.path())), [], "{encoding}");
    }
}

#[test]
fn a_tag_manifest_lists_each_payload_manifest_and_no_tag_manifest() {
    for (version, severity) in [("0.97", Severity::Warning), ("1.0", Severity::Error)] {
        let scratch = Scratch::new();
        let declaration = format!("BagIt-Version: {version}\nTag-File-Character-Encoding: UTF-8\n");
        scratch.file("bagit.txt", declaration.as_bytes());
        scratch.file("manifest-md5.txt", b"");
        std::fs::create_dir(scratch.path().join("data")).unwrap();
        let lines = format!(
            "{} bagit.txt\n",
            hex::encode(Md5::digest(declaration.as_bytes()))
        );
        scratch.file("tagmanifest-md5.txt", lines.as_bytes());
        let other = format!(
            "{} manifest-md5.txt\n{} bagit.txt\n{} tagmanifest-md5.txt\n",
            hex::encode(sha2::Sha256::digest(b"")),
            hex::encode(sha2::Sha256::digest(declaration.as_bytes())),
            hex::encode(sha2::Sha256::digest(lines.as_bytes())),
        );
        scratch.file("tagmanifest-sha256.txt", other.as_bytes());
        let report = validate(scratch.path());
        assert_eq!(
            codes(&report),
            [
                (severity, Code::TagManifestIncomplete, "tagmanifest-md5.txt"),
                (severity, Code::PathNotTag, "tagmanifest-sha256.txt"),
            ]
        );
        assert_eq!(report.digests_verified, 4);
    }
}
