//! Records: the things that are kept, over time.
//!
//! Owns what a depositor may declare of a record and how its path is kept. Does not own its versions.
//!
//! Always: a path is unique in its transfer, and never becomes part of an object's key.

pub mod graphql;
pub mod service;
pub mod store;

use bagit::{Names, PayloadPaths};
use serde::Serialize;
use unicode_normalization::UnicodeNormalization;

use crate::{
    Error, text,
    versions::{self, NewFile},
};

pub use entity::record::Model as Record;

/// The longest path, in bytes: it stands in an index, where PostgreSQL takes 2,704 bytes at most.
pub const PATH_BYTES: usize = 2_048;

/// A record to be, with its first version.
#[derive(Debug, Clone, Serialize)]
pub struct New {
    /// Where it stood in the depositor's folder.
    pub path: String,
    /// For people; by default the file's name.
    pub title: Option<String>,
    /// For people.
    pub description: String,
    /// A JSON object.
    pub metadata: serde_json::Value,
    /// Its first version.
    pub file: NewFile,
}

/// Checks a declaration and brings it to its kept form.
pub fn check_new(path: &str, mut new: New) -> Result<New, Error> {
    check_path(&format!("{path}.path"), &new.path)?;
    new.file = versions::check_file(&format!("{path}.file"), new.file)?;
    if let Some(title) = &new.title {
        text::check(&format!("{path}.title"), title, text::TITLE)?;
    }
    text::check(&format!("{path}.description"), &new.description, text::LONG)?;
    text::check_metadata(&format!("{path}.metadata"), &new.metadata)?;
    Ok(new)
}

fn check_path(at: &str, path: &str) -> Result<(), Error> {
    text::check(at, path, text::FILE_NAME)?;
    if path.len() > PATH_BYTES {
        return Err(Error::TooLarge(format!(
            "{at} has at most {PATH_BYTES} bytes"
        )));
    }
    Ok(())
}

/// The last step of a path, as a title or file name when none is given.
pub fn last_step(path: &str) -> &str {
    path.rsplit('/')
        .find(|step| !step.is_empty())
        .unwrap_or(path)
}

/// A title made of a path: no control characters, at most 500 characters.
pub fn default_title(path: &str) -> String {
    let title: String = last_step(path)
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(500)
        .collect();
    if title.trim().is_empty() {
        "Untitled".to_owned()
    } else {
        title
    }
}

/// The path as it is safe in a package, without the `data/` before it (RFC 8493, section 5.1).
pub fn payload_path(path: &str) -> String {
    let path = PayloadPaths::new(Names::Faithful).assign(path);
    path.strip_prefix("data/").unwrap_or(&path).to_owned()
}

/// What twins have in common: paths that differ only in case or normalisation.
pub fn path_key(payload_path: &str) -> String {
    let folded: String = payload_path.nfc().flat_map(char::to_lowercase).collect();
    folded.nfc().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn new(path: &str) -> New {
        New {
            path: path.into(),
            title: None,
            description: String::new(),
            metadata: json!({}),
            file: NewFile {
                file_name: "x".into(),
                size: 0,
                sha256: "0".repeat(64),
                last_modified: None,
            },
        }
    }

    #[test]
    fn odd_paths_are_kept_as_they_are_and_are_safe_in_a_package() {
        for path in [
            "../../etc/passwd",
            "/absolute",
            "a/./b//c",
            "a\r\nb",
            "NUL/con",
            "\u{202e}gpj.exe",
        ] {
            assert_eq!(
                check_new("r", new(path))
                    .ok()
                    .map(|new| new.path)
                    .as_deref(),
                Some(path)
            );
            let payload = format!("data/{}", payload_path(path));
            assert_eq!(bagit::check_payload_path(&payload), Ok(()), "{payload}");
        }
    }

    #[test]
    fn impossible_paths_are_refused() {
        let long = "é".repeat(1_024);
        for path in ["", "a\0b", &"x".repeat(1_025), &format!("{long}x")] {
            assert!(check_new("r", new(path)).is_err(), "{path:.20}");
        }
        assert!(check_new("r", new(&long)).is_ok());
    }

    #[test]
    fn twins_share_a_key() {
        assert_eq!(path_key("A/É.txt"), path_key("a/e\u{301}.TXT"));
        assert_ne!(path_key("a/b"), path_key("a-b"));
    }

    #[test]
    fn a_title_is_made_of_the_path() {
        for (path, title) in [
            ("a/b.txt", "b.txt"),
            ("a/", "a"),
            ("\n", "Untitled"),
            ("x\ry", "x y"),
        ] {
            assert_eq!(default_title(path), title);
        }
    }

    proptest::proptest! {
        #[test]
        fn no_path_leaves_the_bag(path in "\\PC{1,40}|[./~a ]{1,12}") {
            let payload = format!("data/{}", payload_path(&path));
            proptest::prop_assert_eq!(bagit::check_payload_path(&payload), Ok(()));
        }
    }
}
