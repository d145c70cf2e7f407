//! How a path of the file system is spelt in a record.
//!
//! Owns the spelling of names that are not UTF-8. Does not own which names the API takes.
//!
//! A name that is UTF-8 is kept as it is. In one that is not, each byte that is no UTF-8 is
//! written `%XX` and a `%` is written `%25`, and the record's metadata keep the bytes of the
//! whole path in hexadecimal (`pathBytes`), so that nothing is lost.
//!
//! Always: a spelling that another file beside it has by birth is refused, so two files never
//! become one record.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Component, Path};

/// A path as a record has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Spelling {
    /// With `/` between the parts.
    pub(crate) path: String,
    /// The bytes of the path in hexadecimal, where they are no UTF-8.
    pub(crate) raw: Option<String>,
    /// Whether a file beside it has that name by birth.
    pub(crate) clashes: bool,
}

/// Spells `relative`, a path below `root`.
pub(crate) fn spell(root: &Path, relative: &Path) -> Spelling {
    let mut path = String::new();
    let mut real = root.to_owned();
    let mut all_utf8 = true;
    let mut clashes = false;
    for component in relative.components() {
        let Component::Normal(name) = component else {
            continue;
        };
        if !path.is_empty() {
            path.push('/');
        }
        if let Some(name) = name.to_str() {
            path.push_str(name);
        } else {
            let spelt = escaped(name);
            clashes |= real.join(&spelt).symlink_metadata().is_ok();
            path.push_str(&spelt);
            all_utf8 = false;
        }
        real.push(name);
    }
    let raw = (!all_utf8).then(|| raw_bytes(relative));
    Spelling { path, raw, clashes }
}

fn escaped(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(&chunk.valid().replace('%', "%25"));
        for byte in chunk.invalid() {
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

fn raw_bytes(relative: &Path) -> String {
    let parts: Vec<&[u8]> = relative
        .components()
        .map(|part| part.as_os_str().as_encoded_bytes())
        .collect();
    hex::encode(parts.join(&b'/'))
}

#[cfg(all(test, unix))]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    fn spelt(bytes: &[u8]) -> Spelling {
        spell(Path::new("/nowhere"), Path::new(OsStr::from_bytes(bytes)))
    }

    #[test]
    fn a_name_that_is_utf8_is_kept_as_it_is() {
        for name in ["été/Größe 100%.txt", "a%FF.txt", "con\nfusing"] {
            let spelling = spelt(name.as_bytes());
            assert_eq!((spelling.path.as_str(), spelling.raw), (name, None));
        }
    }

    #[test]
    fn bytes_that_are_no_utf8_are_spelt_out_and_kept() {
        let bytes = b"100%/caf\xe9 100%.txt";
        let spelling = spelt(bytes);
        assert_eq!(spelling.path, "100%/caf%E9 100%25.txt");
        assert_eq!(hex::decode(spelling.raw.unwrap()).unwrap(), bytes);
        assert!(!spelling.clashes);
    }

    #[test]
    fn a_spelling_that_another_file_has_by_birth_clashes() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("caf%E9"), "").unwrap();
        let twin = spell(folder.path(), Path::new(OsStr::from_bytes(b"caf\xe9")));
        assert!(twin.clashes);
    }
}
