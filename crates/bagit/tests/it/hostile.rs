//! Bytes that were made to hurt: a clear answer, never a panic, never memory without end.

use std::io::Write;

use bagit::{Code, Error, Limits, validate, validate_within};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;
use tar::EntryType;

use crate::support::{Scratch, codes, errors, usual, validate as report_on, with_member};

fn limit_of(bytes: &[u8], limits: &Limits) -> Option<&'static str> {
    let scratch = Scratch::new();
    match validate_within(&scratch.file("bag.tar", bytes), limits, &mut |_| {}) {
        Err(Error::Limit { what, .. }) => Some(what),
        Err(other) => panic!("{other}"),
        Ok(_) => None,
    }
}

#[test]
fn each_limit_is_a_clear_error() {
    let usual = usual();
    assert_eq!(limit_of(&usual, &Limits::default()), None);
    let with = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        limits
    };
    assert_eq!(limit_of(&usual, &with(|l| l.entries = 8)), Some("files"));
    assert_eq!(limit_of(&usual, &with(|l| l.entries = 9)), None);
    assert_eq!(
        limit_of(&usual, &with(|l| l.tag_bytes = 500)),
        Some("bytes of tag files")
    );
    assert_eq!(
        limit_of(&usual, &with(|l| l.unpacked_bytes = 600)),
        Some("unpacked bytes")
    );
}

#[test]
fn a_manifest_of_too_many_lines_is_a_clear_error() {
    let scratch = Scratch::new();
    let folder = scratch.usual_folder();
    std::fs::write(folder.join("manifest-md5.txt"), "\n".repeat(100)).unwrap();
    let limits = Limits {
        entries: 50,
        ..Limits::default()
    };
    let error = validate_within(&folder, &limits, &mut |_| {}).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the bag has more than 50 lines in a tag file, which is as much as is looked at"
    );
}

#[test]
fn problems_beyond_the_limit_are_counted() {
    let scratch = Scratch::new();
    let folder = scratch.usual_folder();
    std::fs::write(folder.join("manifest-md5.txt"), "bad\n".repeat(5_000)).unwrap();
    let limits = Limits {
        problems: 100,
        ..Limits::default()
    };
    let report = validate_within(&folder, &limits, &mut |_| {}).unwrap();
    assert_eq!(report.problems.len(), 100);
    assert!(report.errors >= 5_000);
    assert_eq!(report.omitted(), report.errors + report.warnings - 100);
}

#[test]
fn a_bomb_of_zeros_is_stopped_by_the_limit() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    let whole = usual();
    gzip.write_all(&whole).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        gzip.write_all(&zeros).unwrap();
    }
    let limits = Limits {
        unpacked_bytes: 8 << 20,
        ..Limits::default()
    };
    assert_eq!(
        limit_of(&gzip.finish().unwrap(), &limits),
        Some("unpacked bytes")
    );
}

#[test]
fn a_corrupt_gzip_stream_says_so() {
    let scratch = Scratch::new();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&usual()).unwrap();
    let whole = gzip.finish().unwrap();
    let mut wrong_sum = whole.clone();
    let last = wrong_sum.len() - 8;
    wrong_sum[last] ^= 1;
    let report = report_on(&scratch.file("a", &wrong_sum));
    assert_eq!(errors(&report), [(Code::ArchiveDamaged, "")]);
    let report = report_on(&scratch.file("b", &whole[..whole.len() / 2]));
    assert!(errors(&report).contains(&(Code::ArchiveDamaged, "")));
}

#[test]
fn what_is_no_bag_at_all_is_an_error() {
    let scratch = Scratch::new();
    for (name, bytes) in [
        ("empty", &b""[..]),
        ("text", b"hello"),
        ("zip", &[b'P'; 600]),
    ] {
        let path = scratch.file(name, bytes);
        assert!(
            matches!(validate(&path, &mut |_| {}), Err(Error::NotABag(_))),
            "{name}"
        );
    }
    let absent = validate(&scratch.path().join("absent"), &mut |_| {});
    assert!(matches!(absent, Err(Error::Unreadable { .. })));
    std::fs::create_dir(scratch.path().join("folder")).unwrap();
    let report = report_on(&scratch.path().join("folder"));
    assert_eq!(
        errors(&report),
        [
            (Code::BagitTxtMissing, ""),
            (Code::ManifestMissing, ""),
            (Code::PayloadFolderMissing, ""),
        ]
    );
}

#[test]
fn a_name_that_is_not_unicode_is_named() {
    let scratch = Scratch::new();
    let mut bytes = with_member(&usual(), EntryType::Regular, "BAG-1/data/xxx", b"x");
    let at = bytes.windows(3).rposition(|w| w == b"xxx").unwrap();
    bytes[at] = 0xff;
    let block = at / 512 * 512;
    let mut header = tar::Header::from_byte_slice(&bytes[block..block + 512]).clone();
    header.set_cksum();
    bytes[block..block + 512].copy_from_slice(header.as_bytes());
    let report = scratch.validate_tar(&bytes);
    assert!(errors(&report).contains(&(Code::NameNotUnicode, "BAG-1/data/\u{fffd}xx")));
}

#[test]
fn a_name_cannot_steer_the_terminal() {
    let scratch = Scratch::new();
    let bytes = with_member(&usual(), EntryType::Regular, "BAG-1/data/\x1b[2J\r\n", b"x");
    for problem in &scratch.validate_tar(&bytes).problems {
        assert!(!problem.to_string().contains(char::is_control), "{problem}");
    }
}

#[test]
fn a_bag_in_a_payload_is_payload() {
    let scratch = Scratch::new();
    let inner = b"BagIt-Version: 9.9\n";
    let bytes = crate::support::tar_of(&[
        ("data/inner/bagit.txt", inner),
        ("data/manifest-md5.txt", b"nonsense"),
    ]);
    assert_eq!(codes(&scratch.validate_tar(&bytes)), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn arbitrary_bytes_as_tag_files_never_panic(
        name in "(bagit|bag-info|fetch|(tag)?manifest-(md5|sha256))\\.txt",
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        encoding in "(UTF-8|UTF-16|ISO-8859-1)",
    ) {
        let scratch = Scratch::new();
        let folder = scratch.usual_folder();
        let declaration = format!("BagIt-Version: 1.0\nTag-File-Character-Encoding: {encoding}\n");
        std::fs::write(folder.join("bagit.txt"), declaration).unwrap();
        std::fs::write(folder.join(name), bytes).unwrap();
        report_on(&folder);
    }

    #[test]
    fn arbitrary_bytes_as_archives_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..2_000),
        magic: bool,
    ) {
        let scratch = Scratch::new();
        let mut archive = if magic { vec![0x1f, 0x8b, 8, 0] } else { bagit::file_header("a", 9_999, 0) };
        archive.extend(bytes);
        if let Ok(report) = validate(&scratch.file("x", &archive), &mut |_| {}) {
            prop_assert!(!report.is_valid());
        }
    }

    #[test]
    fn a_changed_archive_never_panics(changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = usual();
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let scratch = Scratch::new();
        let _ = validate(&scratch.file("x", &bytes), &mut |_| {});
    }
}
