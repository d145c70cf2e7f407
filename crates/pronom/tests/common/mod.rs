//! The shared data, where it is at hand.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use pronom::Signatures;
use tempfile::TempDir;

/// The shared data folder, beside one of the folders that this crate lies in; `None`, with a printed reason,
/// where there is none.
pub(crate) fn shared() -> Option<PathBuf> {
    let folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    let mut beside = folders.map(|folder| folder.join("shared/data"));
    let found = beside.find(|folder| folder.join("identify/expected.tsv").is_file());
    if found.is_none() {
        skip("there is no folder shared/data beside the repository");
    }
    found
}

#[expect(clippy::print_stderr, reason = "a skipped test says why")]
pub(crate) fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// The newest official signatures.
pub(crate) fn newest(shared: &Path) -> Signatures {
    let folder = shared.join("pronom");
    Signatures::load(
        &folder.join("DROID_SignatureFile_V122.xml"),
        Some(&folder.join("container-signature-20260119.xml")),
    )
    .expect("the official files are understood")
}

/// An archive of the shared data, unpacked; `None`, with a printed reason, if there is no `tar` that can.
pub(crate) fn unpacked(archive: &Path) -> Option<TempDir> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let status = Command::new("tar")
        .arg("-xf")
        .arg(archive)
        .arg("-C")
        .arg(folder.path())
        .status();
    match status {
        Ok(status) if status.success() => Some(folder),
        other => {
            skip(&format!(
                "tar cannot unpack {}: {other:?}",
                archive.display()
            ));
            None
        }
    }
}
