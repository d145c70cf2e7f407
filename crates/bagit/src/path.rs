//! Paths in manifests: how they are written, and which of them a bag may hold.
//!
//! Always: `decode_path(encode_path(p)) == p`; a path that passes a check names something inside the bag on every
//! operating system.

/// Why a path cannot stand in a bag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// Nothing, or only `data/`.
    #[error("the path is empty")]
    Empty,
    /// A payload path begins with `data/` (RFC 8493 §2.1.3).
    #[error("a payload path begins with data/")]
    NotPayload,
    /// A tag path does not begin with `data/` (RFC 8493 §2.2.1).
    #[error("a tag file cannot stand in data/")]
    NotTag,
    /// From the root of a disk, a home folder or a network share.
    #[error("the path is absolute")]
    Absolute,
    /// A `..` between slashes or backslashes (RFC 8493 §5.1).
    #[error("the path leads out of its folder with ..")]
    Parent,
    /// A `.` or nothing between slashes.
    #[error("the path has an empty step")]
    EmptyStep,
    /// NUL ends a string for every operating system.
    #[error("the path holds a NUL")]
    Nul,
}

/// The path as it is written in a manifest or in `fetch.txt`: `%`, CR and LF percent-encoded, and only those
/// (RFC 8493 §2.1.3).
pub fn encode_path(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    for c in path.chars() {
        match c {
            '%' => encoded.push_str("%25"),
            '\n' => encoded.push_str("%0A"),
            '\r' => encoded.push_str("%0D"),
            other => encoded.push(other),
        }
    }
    encoded
}

/// The path that a manifest means: the inverse of [`encode_path`]. Other percent signs stand for themselves, because
/// older tools never encoded them.
pub fn decode_path(encoded: &str) -> String {
    let mut path = String::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some(at) = rest.find('%') {
        path.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 3).unwrap_or_default();
        let meant = if code == "25" {
            Some('%')
        } else if code.eq_ignore_ascii_case("0a") {
            Some('\n')
        } else if code.eq_ignore_ascii_case("0d") {
            Some('\r')
        } else {
            None
        };
        path.push(meant.unwrap_or('%'));
        rest = &rest[at + if meant.is_some() { 3 } else { 1 }..];
    }
    path.push_str(rest);
    path
}

/// Whether the (decoded) path may name a payload file: below `data/`, and nowhere else on any system.
pub fn check_payload_path(path: &str) -> Result<(), PathError> {
    check_inside(path)?;
    match path.strip_prefix("data/") {
        Some(_) => Ok(()),
        None => Err(PathError::NotPayload),
    }
}

/// Whether the (decoded) path may name a tag file: inside the bag, and not below `data/`.
pub fn check_tag_path(path: &str) -> Result<(), PathError> {
    check_inside(path)?;
    if path == "data" || path.starts_with("data/") {
        return Err(PathError::NotTag);
    }
    Ok(())
}

fn check_inside(path: &str) -> Result<(), PathError> {
    if path.is_empty() || path == "data/" {
        return Err(PathError::Empty);
    }
    if path.contains('\0') {
        return Err(PathError::Nul);
    }
    if is_absolute(path) {
        return Err(PathError::Absolute);
    }
    if path.split(['/', '\\']).any(|step| step == "..") {
        return Err(PathError::Parent);
    }
    if path.split('/').any(|step| step.is_empty() || step == ".") {
        return Err(PathError::EmptyStep);
    }
    Ok(())
}

fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '~']) || is_windows_absolute(path)
}

/// Whether Windows, and only Windows, reads the path as one outside the current folder: a drive, a share or
/// namespace (`\\?\`), or a variable such as `%HomeDrive%` (RFC 8493 §5.1).
pub(crate) fn is_windows_absolute(path: &str) -> bool {
    let bytes = path.as_bytes();
    let drive = bytes.len() >= 2 && bytes[0].is_ascii_alphabetic() && bytes[1] == b':';
    let variable = path
        .strip_prefix('%')
        .and_then(|rest| rest.split_once('%'))
        .is_some_and(|(name, after)| !name.is_empty() && after.starts_with(['\\', '/']));
    drive || variable || path.starts_with('\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_percent_and_line_ends_are_encoded() {
        for (path, encoded) in [
            ("data/plain.txt", "data/plain.txt"),
            ("data/100%.txt", "data/100%25.txt"),
            ("data/a\r\nb", "data/a%0D%0Ab"),
            ("data/é ñ~=cmd()", "data/é ñ~=cmd()"),
            ("data/%0A", "data/%250A"),
        ] {
            assert_eq!(encode_path(path), encoded);
            assert_eq!(decode_path(encoded), path);
        }
    }

    #[test]
    fn other_percent_signs_stand_for_themselves() {
        for (encoded, path) in [
            ("data/%7Etest", "data/%7Etest"),
            ("data/%test", "data/%test"),
            ("data/50%", "data/50%"),
            ("data/%0d%0a%é", "data/\r\n%é"),
            ("data/%2", "data/%2"),
        ] {
            assert_eq!(decode_path(encoded), path);
        }
    }

    #[test]
    fn a_payload_path_stays_below_data() {
        for (path, verdict) in [
            ("data/a", Ok(())),
            ("data/..a/b..", Ok(())),
            ("data/a\\b", Ok(())),
            ("", Err(PathError::Empty)),
            ("data/", Err(PathError::Empty)),
            ("data", Err(PathError::NotPayload)),
            ("bagit.txt", Err(PathError::NotPayload)),
            ("Data/a", Err(PathError::NotPayload)),
            ("/data/a", Err(PathError::Absolute)),
            ("~/a", Err(PathError::Absolute)),
            ("C:\\a", Err(PathError::Absolute)),
            ("\\\\?\\UNC\\a", Err(PathError::Absolute)),
            ("%HomeDrive%\\a", Err(PathError::Absolute)),
            ("data/../a", Err(PathError::Parent)),
            ("data/..\\a", Err(PathError::Parent)),
            ("data/a/..", Err(PathError::Parent)),
            ("data//a", Err(PathError::EmptyStep)),
            ("data/./a", Err(PathError::EmptyStep)),
            ("data/a/", Err(PathError::EmptyStep)),
            ("data/a\0", Err(PathError::Nul)),
        ] {
            assert_eq!(check_payload_path(path), verdict, "{path:?}");
        }
    }

    #[test]
    fn a_tag_path_stays_out_of_data() {
        assert_eq!(check_tag_path("metadata/ead.xml"), Ok(()));
        assert_eq!(check_tag_path("database.csv"), Ok(()));
        assert_eq!(check_tag_path("data/a"), Err(PathError::NotTag));
        assert_eq!(check_tag_path("../a"), Err(PathError::Parent));
    }

    proptest! {
        #[test]
        fn encoding_is_undone_by_decoding(path in ".*") {
            prop_assert_eq!(decode_path(&encode_path(&path)), path);
        }

        #[test]
        fn an_encoded_path_is_one_line(path in "(?s).*") {
            prop_assert!(!encode_path(&path).contains(['\r', '\n']));
        }

        #[test]
        fn decoding_never_panics(text in "(?s)[%025aAdD\u{e9}]*") {
            decode_path(&text);
        }
    }
}
