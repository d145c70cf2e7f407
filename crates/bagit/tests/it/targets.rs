//! What must hold of any bytes. The fuzz targets (`fuzz/`) and the mutation loop (`any_bytes`) call these.
//!
//! Always: nothing panics, nothing is written, and a bag that was damaged where it counts is not valid; what has
//! an inverse comes back from it.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::OnceLock,
};

use bagit::{
    Limits, Names, PayloadOxum, PayloadPaths, Report, check_payload_path, decode_path, encode_path,
};
use tempfile::TempDir;

/// Small enough that nothing made of a few bytes takes long.
fn limits() -> Limits {
    Limits {
        entries: 10_000,
        tag_bytes: 4 << 20,
        unpacked_bytes: 32 << 20,
        ..Limits::default()
    }
}

fn judged(path: &Path) -> Option<Report> {
    let report = bagit::validate_within(path, &limits(), &mut |_| {}).ok()?;
    for problem in &report.problems {
        let said = problem.to_string();
        assert!(!said.contains(char::is_control), "{said:?}");
    }
    assert_eq!(
        report.is_valid(),
        report.errors == 0,
        "valid is without errors"
    );
    Some(report)
}

/// One folder a process, so that a run does not make a hundred thousand.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    FOLDER
        .get_or_init(|| tempfile::tempdir().expect("a temporary folder"))
        .path()
}

/// As a tar or a gzipped tar.
pub(crate) fn archive(bytes: &[u8]) {
    let path = folder().join("archive");
    fs::write(&path, bytes).expect("writable");
    judged(&path);
    let left = fs::read_dir(folder()).expect("readable").count();
    assert!(left <= 2, "something was unpacked");
}

/// As one of the tag files of a bag, in one of the encodings: the first byte chooses.
pub(crate) fn tag_file(bytes: &[u8]) {
    const NAMES: [&str; 6] = [
        "bag-info.txt",
        "fetch.txt",
        "manifest-md5.txt",
        "tagmanifest-md5.txt",
        "bagit.txt",
        "manifest-sha256.txt",
    ];
    const ENCODINGS: [&str; 3] = ["UTF-8", "UTF-16", "ISO-8859-1"];
    let (&first, content) = bytes.split_first().unwrap_or((&0, &[]));
    let first = usize::from(first);
    let bag: PathBuf = folder().join("bag");
    fs::create_dir_all(bag.join("data")).expect("writable");
    let encoding = ENCODINGS[first / NAMES.len() % ENCODINGS.len()];
    let name = NAMES[first % NAMES.len()];
    for (file, text) in [
        (
            "bagit.txt",
            format!("BagIt-Version: 1.0\nTag-File-Character-Encoding: {encoding}\n").as_bytes(),
        ),
        ("data/a", b"a"),
        (
            "manifest-md5.txt",
            b"0cc175b9c0f1b6a831c399e269772661  data/a\n",
        ),
        (name, content),
    ] {
        fs::write(bag.join(file), text).expect("writable");
    }
    let report = judged(&bag).expect("a folder is looked at");
    assert!(
        report.payload.streams <= 1,
        "nothing but data/a was counted as payload"
    );
    fs::remove_file(bag.join(name)).expect("removable");
}

/// As a depositor's name, a path in a manifest, and a `Payload-Oxum`.
pub(crate) fn path(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    assert_eq!(decode_path(&encode_path(&text)), text);
    assert!(!encode_path(&text).contains(['\r', '\n']));
    for names in [Names::Portable, Names::Faithful] {
        let mut paths = PayloadPaths::new(names);
        let (first, second) = (paths.assign(&text), paths.assign(&text));
        assert_eq!(check_payload_path(&first), Ok(()));
        assert_eq!(check_payload_path(&second), Ok(()));
        assert_ne!(first.to_lowercase(), second.to_lowercase());
    }
    if let Ok(oxum) = text.parse::<PayloadOxum>() {
        assert_eq!(oxum.to_string().parse(), Ok(oxum));
    }
}
