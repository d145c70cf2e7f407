//! Pairs of signature files in a data folder.

use super::{
    install::{STAGING, lock},
    *,
};

const FORMAT: &str = include_str!("../../tests/signatures/binary.xml");
const CONTAINER: &str = include_str!("../../tests/signatures/container.xml");

fn pair(version: &str, date: &str) -> NewPair {
    NewPair {
        binary: FORMAT.replace("VERSION", version).into_bytes(),
        container: CONTAINER.into(),
        container_date: Some(date.to_owned()),
    }
}

fn versions(data: &Path) -> (String, String) {
    let in_use = in_use(data, None).expect("something is in use");
    let signatures = in_use.signatures;
    (
        signatures.version().to_owned(),
        signatures.container_version().to_owned(),
    )
}

fn named(version: &str, containers: &str) -> (String, String) {
    (version.to_owned(), containers.to_owned())
}

#[test]
fn without_a_pair_of_its_own_a_data_folder_uses_the_built_in_signatures() {
    let data = tempfile::tempdir().expect("a folder");
    let found = in_use(data.path(), None).expect("always there");
    assert_eq!(found.source, Source::BuiltIn);
}

#[test]
fn a_newer_pair_is_in_use_once_it_is_installed_and_the_older_stays_beside_it() {
    let data = tempfile::tempdir().expect("a folder");
    for (version, date) in [("200", "20260119"), ("201", "20260119")] {
        let (done, _) = install(data.path(), &pair(version, date), false).expect("good");
        assert_eq!(done, Installed::New);
        assert_eq!(versions(data.path()), named(&format!("V{version}"), date));
    }
    let older = "signatures/V200-20260119/DROID_SignatureFile_V200.xml";
    assert!(data.path().join(older).is_file());
    let (again, _) = install(data.path(), &pair("201", "20260119"), false).expect("good");
    assert_eq!(again, Installed::AlreadyInUse);
}

#[test]
fn settings_win_over_the_data_folder() {
    let data = tempfile::tempdir().expect("a folder");
    install(data.path(), &pair("200", "20260119"), false).expect("good");
    let binary = data.path().join("own.xml");
    fs::write(&binary, FORMAT.replace("VERSION", "7")).expect("written");
    let files = SignatureFiles {
        binary: binary.clone(),
        container: None,
    };
    let found = in_use(data.path(), Some(&files)).expect("good");
    assert_eq!(found.signatures.version(), "V7");
    assert_eq!(found.source, Source::Settings(binary));
}

#[test]
fn an_older_pair_replaces_nothing_unless_it_is_forced() {
    let data = tempfile::tempdir().expect("a folder");
    // Older than the built-in one.
    let ancient = install(data.path(), &pair("12", "20260119"), false);
    assert!(matches!(ancient, Err(Error::Older { .. })), "{ancient:?}");
    install(data.path(), &pair("200", "20260119"), false).expect("good");
    for older in [pair("199", "20260119"), pair("200", "20260118")] {
        let refused = install(data.path(), &older, false);
        assert!(matches!(refused, Err(Error::Older { .. })), "{refused:?}");
        assert_eq!(versions(data.path()), named("V200", "20260119"));
    }
    install(data.path(), &pair("199", "20260119"), true).expect("forced");
    assert_eq!(versions(data.path()), named("V199", "20260119"));
}

#[test]
fn what_is_no_pair_of_signature_files_replaces_nothing() {
    let data = tempfile::tempdir().expect("a folder");
    install(data.path(), &pair("200", "20260119"), false).expect("good");
    let good = || pair("201", "20260120");
    let with = |binary: &[u8], container: &[u8]| NewPair {
        binary: binary.to_vec(),
        container: container.to_vec(),
        ..good()
    };
    let truncated = &good().binary[..300];
    let outside = FORMAT.replace("VERSION", "../../outside");
    let empty = r#"<FFSignatureFile Version="201"></FFSignatureFile>"#;
    for wrong in [
        with(
            b"<!DOCTYPE html><html><body>Not found</body></html>",
            CONTAINER.as_bytes(),
        ),
        with(&good().binary, b"<html/>"),
        with(truncated, CONTAINER.as_bytes()),
        with(&good().binary, &CONTAINER.as_bytes()[..250]),
        with(CONTAINER.as_bytes(), &good().binary),
        with(outside.as_bytes(), CONTAINER.as_bytes()),
        with(empty.as_bytes(), CONTAINER.as_bytes()),
        with(&[0xFF; 64], CONTAINER.as_bytes()),
        with(b"", b""),
    ] {
        assert!(install(data.path(), &wrong, true).is_err());
        assert_eq!(versions(data.path()), named("V200", "20260119"));
    }
    let kept = fs::read_dir(data.path().join(FOLDER)).expect("a folder");
    // The pair, `current` and the lock.
    assert_eq!(kept.count(), 3);
}

#[test]
fn a_process_killed_before_the_last_step_leaves_the_pair_that_was_in_use() {
    let data = tempfile::tempdir().expect("a folder");
    install(data.path(), &pair("200", "20260119"), false).expect("good");
    let folder = data.path().join(FOLDER);
    // Killed while it wrote, and in another run before `current` was renamed.
    fs::create_dir(folder.join(".new-abc")).expect("made");
    fs::write(folder.join(".new-abc/binary.xml"), "<FFSig").expect("written");
    fs::create_dir(folder.join("V201-20260119")).expect("made");
    fs::write(folder.join(".new-current"), "V2").expect("written");
    assert_eq!(versions(data.path()), named("V200", "20260119"));
    install(data.path(), &pair("201", "20260119"), false).expect("good");
    assert_eq!(versions(data.path()), named("V201", "20260119"));
    let leftovers = fs::read_dir(&folder).expect("a folder").filter(|entry| {
        let entry = entry.as_ref().expect("an entry");
        entry.file_name().to_string_lossy().starts_with(STAGING)
    });
    assert_eq!(leftovers.count(), 0);
}

#[test]
fn a_damaged_pair_is_an_error_that_names_it_and_an_update_repairs_it() {
    let data = tempfile::tempdir().expect("a folder");
    install(data.path(), &pair("200", "20260119"), false).expect("good");
    let file = data
        .path()
        .join("signatures/V200-20260119/DROID_SignatureFile_V200.xml");
    fs::write(&file, "<FFSignatureFile").expect("written");
    let error = in_use(data.path(), None).expect_err("damaged").to_string();
    assert!(error.contains("DROID_SignatureFile_V200.xml"), "{error}");
    for pointer in ["../V200-20260119", "", "V9-1"] {
        fs::write(data.path().join("signatures/current"), pointer).expect("written");
        assert!(in_use(data.path(), None).is_err(), "{pointer}");
    }
    install(data.path(), &pair("200", "20260119"), false).expect("good");
    assert_eq!(versions(data.path()), named("V200", "20260119"));
}

#[test]
fn two_updates_at_once_do_not_meet() {
    let data = tempfile::tempdir().expect("a folder");
    install(data.path(), &pair("200", "20260119"), false).expect("good");
    let _held = lock(&data.path().join(FOLDER)).expect("free");
    let refused = install(data.path(), &pair("201", "20260119"), false);
    assert!(refused.is_err_and(|error| error.to_string().contains("under way")));
}
