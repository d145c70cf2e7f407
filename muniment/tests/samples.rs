//! The committed samples are what `examples/make_samples` makes.

#[path = "../examples/make_samples/containers.rs"]
mod containers;
#[path = "../examples/make_samples/files.rs"]
mod files;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use pronom::Signatures;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples")
}

#[test]
fn the_samples_are_those_that_the_example_makes_and_no_others() {
    let made: BTreeMap<String, Vec<u8>> = files::all()
        .into_iter()
        .map(|(name, bytes)| (name.to_owned(), bytes))
        .collect();
    let found: BTreeMap<String, Vec<u8>> = walkdir::WalkDir::new(folder())
        .into_iter()
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .filter_map(|entry| {
            let name = entry.path().strip_prefix(folder()).ok()?.to_str()?;
            Some((name.replace('\\', "/"), std::fs::read(entry.path()).ok()?))
        })
        .collect();
    let names: Vec<_> = found.keys().collect();
    assert_eq!(names, made.keys().collect::<Vec<_>>());
    assert!(
        found == made,
        "a sample's bytes differ: run the example again"
    );
}

#[test]
fn the_samples_are_of_the_formats_that_they_stand_for() {
    let formats: BTreeMap<&str, (Vec<String>, bool)> = files::all()
        .into_iter()
        .map(|(name, bytes)| {
            let found = Signatures::builtin().identify_bytes(name, &bytes);
            let puids = found.matches.into_iter().map(|one| one.puid);
            (name, (puids.collect(), found.extension_mismatch))
        })
        .collect();
    for (name, puids, mismatch) in [
        ("Accounts 1923.csv", &["x-fmt/18"][..], false),
        ("Deeds/Grant of the mill.pdf", &["fmt/18"], false),
        ("Deeds/Register of tenants.ods", &["fmt/295"], false),
        ("Deeds/Übergabeprotokoll.docx", &["fmt/412"], false),
        ("Letters/1951/unsigned note", &[], false),
        ("Letters/1951/seal.pdf", &["fmt/11"], true),
        ("Letters/enclosures.zip", &["x-fmt/263"], false),
        ("Letters/envelope.txt", &["x-fmt/111"], false),
        ("Plans/Ground floor.gif", &["fmt/4"], false),
        ("Plans/Seal of the town.png", &["fmt/11"], false),
    ] {
        let (found, differs) = &formats[name];
        assert_eq!(
            (found.as_slice(), *differs),
            (
                &puids.iter().map(ToString::to_string).collect::<Vec<_>>()[..],
                mismatch
            ),
            "{name}"
        );
    }
}
