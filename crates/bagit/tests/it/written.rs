//! What is written here is valid here, whatever the names and contents.

use std::io::Write;

use bagit::{Names, PayloadPaths, Source, Version};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

use crate::support::{Scratch, codes, tar_of, usual, validate};

#[test]
fn a_written_bag_is_valid_as_tar_as_gzipped_tar_and_as_folder() {
    let scratch = Scratch::new();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&usual()).unwrap();
    let paths = [
        (scratch.file("one", &usual()), Source::Tar),
        (scratch.file("two", &gzip.finish().unwrap()), Source::TarGz),
        (scratch.usual_folder(), Source::Folder),
    ];
    for (path, source) in paths {
        let report = validate(&path);
        assert_eq!(codes(&report), []);
        assert!(report.is_valid());
        assert_eq!(
            (report.source, report.version),
            (source, Some(Version::V1_0))
        );
        assert_eq!(report.payload.to_string(), "11.2");
        assert_eq!(report.tag_files, 7);
        // Two payload files in two manifests, five tag files in two tag manifests.
        assert_eq!(report.digests_verified, 14);
    }
}

#[test]
fn a_bag_without_records_is_valid() {
    let scratch = Scratch::new();
    let bytes = tar_of(&[]);
    assert_eq!(codes(&scratch.validate_tar(&bytes)), []);
    tar::Archive::new(bytes.as_slice())
        .unpack(scratch.path())
        .unwrap();
    assert_eq!(codes(&validate(&scratch.path().join("BAG-1"))), []);
}

#[test]
fn names_that_need_encoding_are_valid_as_tar_and_as_folder() {
    let scratch = Scratch::new();
    let long = format!("data/{}", "long folder/".repeat(20));
    let bytes = tar_of(&[
        ("data/100%.txt", b"1"),
        ("data/%0A", b"2"),
        ("data/line\r\nend", b"3"),
        ("data/Büro/naïve 日本.txt", b"4"),
        ("data/=cmd()~ 'x'", b"5"),
        (&format!("{long}x"), b"6"),
    ]);
    assert_eq!(codes(&scratch.validate_tar(&bytes)), []);
}

#[test]
fn progress_ends_at_the_whole() {
    let scratch = Scratch::new();
    let tar = scratch.file("bag.tar", &usual());
    for path in [tar, scratch.usual_folder()] {
        let mut steps = Vec::new();
        bagit::validate(&path, &mut |step| steps.push(step)).unwrap();
        assert!(steps.is_sorted_by_key(|step| (step.files, step.bytes)));
        let last = steps.last().unwrap();
        assert_eq!((last.files, last.bytes), (9, last.total_bytes));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_written_bag_always_validates(
        files in proptest::collection::vec(("(?s)([a-cA-C%./\r\n\u{e9}\u{301}e ]{0,12}|.{0,12})", proptest::collection::vec(any::<u8>(), 0..700)), 0..12),
        faithful: bool,
    ) {
        let names = if faithful { Names::Faithful } else { Names::Portable };
        let mut paths = PayloadPaths::new(names);
        let files: Vec<(String, Vec<u8>)> = files
            .into_iter()
            .map(|(name, content)| (paths.assign(&name), content))
            .collect();
        let refs: Vec<(&str, &[u8])> = files.iter().map(|(p, c)| (p.as_str(), c.as_slice())).collect();
        let scratch = Scratch::new();
        let report = scratch.validate_tar(&tar_of(&refs));
        let strange: Vec<_> = codes(&report).into_iter().filter(|(_, code, _)| *code != bagit::Code::SystemFile).collect();
        prop_assert_eq!(strange, vec![]);
        prop_assert_eq!(report.payload.streams, files.len() as u64);
    }
}
