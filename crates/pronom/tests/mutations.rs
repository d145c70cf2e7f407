//! The fuzz targets on a stable compiler: what was found before, then mutations of good input for a while.
//!
//! The crate `fuzzing` says how long, with which seed, and where an input goes that breaks something.

#[path = "common/build.rs"]
mod build;
#[path = "common/targets.rs"]
mod targets;

use std::{fs, path::Path};

use fuzzing::{Target, files_below};

const WORDS: [&[u8]; 8] = [
    b"{0-",
    b"*",
    b"[",
    b"'",
    b"\"",
    b"<",
    b"\xFF\xFF\xFF\xFF",
    b"PK\x01\x02",
];

fn run(target: &str, seeds: &[Vec<u8>], look: fn(&[u8])) {
    let regressions = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
    Target::new(target, &regressions, seeds)
        .with_words(&WORDS)
        .run(look);
}

fn good_files() -> Vec<Vec<u8>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let mut seeds: Vec<Vec<u8>> = files_below(&samples)
        .iter()
        .map(|path| fs::read(path).expect("readable"))
        .collect();
    seeds.extend([
        Vec::new(),
        b"%PDF-1.4\n%%EOF".to_vec(),
        b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(),
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec(),
        build::zip(b"mimetype", b"application/vnd.oasis.opendocument.text"),
        build::zip_with_flags(
            b"[Content_Types].xml",
            b"ContentType=\"application/vnd.ms-word",
            1,
        ),
        build::ole2("WordDocument", &[0; 5_000]),
    ]);
    seeds
}

#[test]
fn any_bytes_are_a_file() {
    run("file", &good_files(), targets::file);
}

#[test]
fn any_bytes_are_a_binary_signature_file_or_refused() {
    run("binary_xml", &[targets::BINARY.into()], targets::binary_xml);
}

#[test]
fn any_bytes_are_a_container_signature_file_or_refused() {
    run(
        "container_xml",
        &[targets::CONTAINER.into()],
        targets::container_xml,
    );
}

#[test]
fn any_bytes_are_compiled_signatures_or_refused() {
    let small = pronom::Signatures::from_xml(targets::BINARY, Some(targets::CONTAINER));
    assert!(small.is_ok(), "{small:?}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (binary, container) = (folder.path().join("b.xml"), folder.path().join("c.xml"));
    fs::write(&binary, targets::BINARY).expect("writable");
    fs::write(&container, targets::CONTAINER).expect("writable");
    let compiled = pronom::compile(&binary, Some(&container)).expect("understood");
    run("compiled", &[compiled], targets::compiled);
}
