//! The fuzz targets on a stable compiler: what was found before, then mutations of good bags for a while.

use std::{io::Write, path::Path};

use flate2::{Compression, write::GzEncoder};
use fuzzing::Target;
use tar::EntryType;

use crate::{
    support::{tar_of, usual, with_member},
    targets,
};

const WORDS: [&[u8]; 12] = [
    b"%0A",
    b"%25",
    b"../",
    b"data/",
    b"*",
    b"~",
    b"\xEF\xBB\xBF",
    b"\r",
    b"7777777\0",
    b"\x80\0\0\0\0\0\0\0\0\0\0\x01",
    b"30 path=",
    b"\0ustar  \0",
];

fn run(name: &str, seeds: &[Vec<u8>], look: fn(&[u8])) {
    let regressions = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    Target::new(name, &regressions, seeds)
        .with_words(&WORDS)
        .run(look);
}

#[test]
fn any_bytes_are_an_archive_or_refused() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&usual()).unwrap();
    let long = format!("data/{}", "folder/".repeat(40));
    let pax = with_member(
        &usual(),
        EntryType::XHeader,
        "BAG-1/x",
        b"22 path=BAG-1/data/\xC3\xA9\n20 size=99999999999\n",
    );
    let seeds = [
        usual(),
        gzip.finish().unwrap(),
        tar_of(&[(&format!("{long}é.txt"), b"x"), ("data/100%.txt", b"")]),
        with_member(
            &usual(),
            EntryType::GNULongName,
            "././@LongLink",
            b"BAG-1/data/long",
        ),
        with_member(&usual(), EntryType::Symlink, "BAG-1/data/link", b""),
        with_member(&usual(), EntryType::GNUSparse, "BAG-1/data/sparse", b"x"),
        pax,
    ];
    run("archive", &seeds, targets::archive);
}

#[test]
fn any_bytes_are_a_tag_file_or_refused() {
    let seeds: Vec<Vec<u8>> = [
        "\0Source-Organization: A\nPayload-Oxum: 1.1\nBag-Count: 1 of 2\n",
        "\u{1}http://169.254.169.254/latest - data/a\nfile:///etc/passwd 1 data/b\n",
        "\u{2}0cc175b9c0f1b6a831c399e269772661 *data/a\n0cc175b9c0f1b6a831c399e269772661  ../../etc/passwd\n",
        "\u{3}0cc175b9c0f1b6a831c399e269772661  bagit.txt\n",
        "\u{4}BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-16\n",
        "\u{5}ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  data/a\n",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    run("tag_file", &seeds, targets::tag_file);
}

#[test]
fn any_bytes_are_a_name_that_stays_in_the_bag() {
    let seeds: Vec<Vec<u8>> = [
        "../../etc/passwd",
        "C:\\Windows\\system32",
        "\\\\?\\share",
        "%HomeDrive%\\x",
        "CON.txt/LPT¹ /aux",
        "e\u{301}\u{202e}gpj.exe",
        "a\r\n%0Ab%25/./../~",
        "279164.1198",
    ]
    .map(|text| text.as_bytes().to_vec())
    .to_vec();
    run("path", &seeds, targets::path);
}
