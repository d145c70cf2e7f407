//! Manifests as they were found: digests claimed for paths (RFC 8493 §2.1.3, §2.2.1).
//!
//! Always: a path that is kept names something inside the bag, and in a payload manifest something below `data/`.
//! Paths are kept as written (percent-encoded), because what a percent sign means depends on what is there.

use std::collections::{BTreeMap, btree_map::Entry};

use super::{
    Limits,
    declaration::Declaration,
    error::Error,
    problems::{At, Problems},
    text::lines,
};
use crate::{
    Algorithm, Code, Severity,
    path::{PathError, check_payload_path, check_tag_path, is_windows_absolute},
};

/// Which files a list is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Payload,
    Tag,
}

/// One manifest.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) algorithm: Algorithm,
    pub(super) entries: BTreeMap<String, Claim>,
}

/// The digest that a manifest claims for a file.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) digest: Box<[u8]>,
    pub(super) line: u64,
}

impl Listing {
    pub(super) fn read(
        (name, kind, algorithm): (&str, Kind, Algorithm),
        text: &str,
        declaration: Declaration,
        limits: &Limits,
        problems: &mut Problems,
    ) -> Result<Self, Error> {
        let mut listing = Self {
            name: name.to_owned(),
            kind,
            algorithm,
            entries: BTreeMap::new(),
        };
        for (number, line) in lines(text) {
            check_line_count(number, limits)?;
            let at = At::Line(name, number);
            if line.len() > limits.line_bytes {
                problems.error(Code::LineTooLong, at, "the line is too long to be read");
            } else if line.trim().is_empty() || line.starts_with('#') {
                let message = "is no entry, and is ignored";
                problems.warn(Code::LineMalformed, at, message);
            } else {
                listing.read_line(line, (number, at), declaration, problems);
            }
        }
        Ok(listing)
    }

    fn read_line(
        &mut self,
        line: &str,
        (number, at): (u64, At<'_>),
        declaration: Declaration,
        problems: &mut Problems,
    ) {
        let Some((checksum, path)) = line.split_once([' ', '\t']) else {
            problems.error(Code::LineMalformed, at, "is not a checksum and a path");
            return;
        };
        let (checksum, path, legacy) =
            without_md5sum_marks(checksum, path.trim_start_matches([' ', '\t']));
        if legacy {
            let message = "is written as md5sum writes it, and fails strict validation";
            problems.warn(Code::LegacyChecksumTool, at, message);
        }
        let Some(digest) = self.algorithm.parse_digest(checksum) else {
            let message = format!("{checksum:?} is not a {} digest", self.algorithm);
            problems.error(Code::LineMalformed, at, message);
            return;
        };
        let Some(path) = read_path(&path, self.kind, at, problems) else {
            return;
        };
        let claim = Claim {
            digest: digest.into(),
            line: number,
        };
        match self.entries.entry(path) {
            Entry::Vacant(vacant) => {
                vacant.insert(claim);
            }
            Entry::Occupied(first) => {
                let line = first.get().line;
                if first.get().digest == claim.digest {
                    let message = format!("{:?} is listed already in line {line}", first.key());
                    problems.add(declaration.severity(), Code::EntryDuplicate, at, message);
                } else {
                    let message = format!(
                        "{:?} is listed with another digest in line {line}",
                        first.key()
                    );
                    problems.error(Code::EntryConflicting, at, message);
                }
            }
        }
    }
}

/// Refuses to go on where a list is longer than is looked at.
pub(super) fn check_line_count(number: u64, limits: &Limits) -> Result<(), Error> {
    let limit = limits.entries as u64;
    if number > limit {
        return Err(Error::Limit {
            what: "lines in a tag file",
            limit,
        });
    }
    Ok(())
}

/// The quirks of `md5sum` (RFC 8493 §6.1.3): `*` before the path for binary mode; `\` before the checksum where the
/// path has escapes.
fn without_md5sum_marks<'a>(checksum: &'a str, path: &str) -> (&'a str, String, bool) {
    let (plain, escaped) = match checksum.strip_prefix('\\') {
        Some(rest) => (rest, true),
        None => (checksum, false),
    };
    let (path, star) = match path.strip_prefix('*') {
        Some(rest) => (rest, true),
        None => (path, false),
    };
    let path = if escaped {
        path.replace("\\\\", "\\")
    } else {
        path.to_owned()
    };
    (plain, path, star || escaped)
}

/// The path of a manifest or of `fetch.txt` in its normal form, if it may stand there.
pub(super) fn read_path(
    written: &str,
    kind: Kind,
    at: At<'_>,
    problems: &mut Problems,
) -> Option<String> {
    if written.ends_with('/') {
        let message = format!("{written:?} is a folder, and only files are listed");
        problems.error(Code::LineMalformed, at, message);
        return None;
    }
    let path = normal_form(written);
    let checked = match kind {
        Kind::Payload => check_payload_path(&path),
        Kind::Tag => check_tag_path(&path),
    };
    if let Err(reason) = checked {
        let (severity, code) = grade(reason, kind, &path);
        problems.add(severity, code, at, format!("{written:?}: {reason}"));
        return None;
    }
    if path != written {
        let message = format!("{written:?} is read as {path:?}");
        problems.warn(Code::PathNotNormal, at, message);
    }
    Some(path)
}

/// Without `./` and `//`; what begins as an absolute path stays one.
fn normal_form(path: &str) -> String {
    if path.starts_with(['/', '~']) {
        return path.to_owned();
    }
    let steps: Vec<&str> = path
        .split('/')
        .filter(|step| !step.is_empty() && *step != ".")
        .collect();
    steps.join("/")
}

fn grade(reason: PathError, kind: Kind, path: &str) -> (Severity, Code) {
    let code = match reason {
        // Elsewhere than on Windows such a path names no file of the bag and none outside. The payload is judged
        // without it; the conformance suite has these bags as valid except on Windows.
        PathError::Absolute if kind == Kind::Payload && is_windows_absolute(path) => {
            return (Severity::Warning, Code::PathOutsideOnWindows);
        }
        PathError::Absolute | PathError::Parent => Code::PathOutside,
        PathError::NotPayload => Code::PathNotPayload,
        PathError::NotTag => Code::PathNotTag,
        PathError::Empty | PathError::EmptyStep | PathError::Nul => Code::LineMalformed,
    };
    (Severity::Error, code)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use proptest::prelude::*;

    use super::*;
    use crate::{Version, validate::text::Encoding};

    fn read(kind: Kind, strict: bool, text: &str) -> (Listing, Vec<(Severity, Code, Option<u64>)>) {
        let declaration = Declaration {
            version: strict.then_some(Version::V1_0),
            encoding: Encoding::Utf8,
        };
        let mut problems = Problems::new(100);
        let subject = ("manifest-md5.txt", kind, Algorithm::Md5);
        let limits = Limits {
            line_bytes: 200,
            ..Limits::default()
        };
        let listing = Listing::read(subject, text, declaration, &limits, &mut problems).unwrap();
        let (kept, _, _) = problems.finish();
        let seen = kept
            .into_iter()
            .map(|p| (p.severity, p.code, p.line))
            .collect();
        (listing, seen)
    }

    const D: &str = "d41d8cd98f00b204e9800998ecf8427e";

    #[test]
    fn separators_and_case_are_free() {
        let text = format!(
            "{D} data/a\n{}\t \tdata/b c \r\n{D}  data/\u{e9}\rx",
            D.to_uppercase()
        );
        let (listing, problems) = read(Kind::Payload, true, &text);
        let paths: Vec<&String> = listing.entries.keys().collect();
        assert_eq!(paths, ["data/a", "data/b c ", "data/\u{e9}"]);
        assert_eq!(problems, [(Severity::Error, Code::LineMalformed, Some(4))]);
    }

    #[test]
    fn each_bad_line_is_named() {
        use Severity::{Error, Warning};
        let long = "x".repeat(300);
        for (line, severity, code) in [
            (format!("{D} ../x"), Error, Code::PathOutside),
            (format!("{D} data/../../x"), Error, Code::PathOutside),
            (format!("{D} /etc/passwd"), Error, Code::PathOutside),
            (format!("{D} ~/x"), Error, Code::PathOutside),
            (format!("{D} data/..\\x"), Error, Code::PathOutside),
            (format!("{D} C:\\x"), Warning, Code::PathOutsideOnWindows),
            (
                format!("{D} \\\\?\\UNC\\x"),
                Warning,
                Code::PathOutsideOnWindows,
            ),
            (
                format!("{D} %HomeDrive%\\x"),
                Warning,
                Code::PathOutsideOnWindows,
            ),
            (format!("{D} bagit.txt"), Error, Code::PathNotPayload),
            (format!("{D} data/x/"), Error, Code::LineMalformed),
            (format!("{D} data\0/x"), Error, Code::LineMalformed),
            (D.to_owned(), Error, Code::LineMalformed),
            (format!("{D} "), Error, Code::LineMalformed),
            (format!("{} data/x", &D[1..]), Error, Code::LineMalformed),
            (format!("{D}{D} data/x"), Error, Code::LineMalformed),
            (format!("{D} data/{long}"), Error, Code::LineTooLong),
            (String::from("\n"), Warning, Code::LineMalformed),
            (String::from("# made by hand"), Warning, Code::LineMalformed),
        ] {
            let (listing, problems) = read(Kind::Payload, true, &line);
            assert_eq!(problems, [(severity, code, Some(1))], "{line:?}");
            assert!(listing.entries.is_empty(), "{line:?}");
        }
        let (_, problems) = read(Kind::Tag, true, &format!("{D} data/x\n{D} C:\\x\n"));
        let codes: Vec<Code> = problems.iter().map(|p| p.1).collect();
        assert_eq!(codes, [Code::PathNotTag, Code::PathOutside]);
    }

    #[test]
    fn what_other_tools_write_is_read_with_a_warning() {
        for (line, path, code) in [
            (format!("{D} *data/x"), "data/x", Code::LegacyChecksumTool),
            (
                format!("\\{D}  data/a\\\\b"),
                "data/a\\b",
                Code::LegacyChecksumTool,
            ),
            (format!("{D} ./data/x"), "data/x", Code::PathNotNormal),
            (format!("{D} data//./x"), "data/x", Code::PathNotNormal),
        ] {
            let (listing, problems) = read(Kind::Payload, true, &line);
            assert_eq!(problems, [(Severity::Warning, code, Some(1))], "{line:?}");
            assert!(listing.entries.contains_key(path), "{line:?}");
        }
    }

    #[test]
    fn a_file_is_listed_once() {
        let other = D.replace('d', "e");
        let twice = format!("{D} data/x\n{D} ./data/x\n");
        let (_, strict) = read(Kind::Payload, true, &twice);
        assert!(strict.contains(&(Severity::Error, Code::EntryDuplicate, Some(2))));
        let (_, lenient) = read(Kind::Payload, false, &twice);
        assert!(lenient.contains(&(Severity::Warning, Code::EntryDuplicate, Some(2))));
        let conflicting = format!("{D} data/x\n{other} data/x\n");
        for strict in [true, false] {
            let (_, problems) = read(Kind::Payload, strict, &conflicting);
            assert_eq!(
                problems,
                [(Severity::Error, Code::EntryConflicting, Some(2))]
            );
        }
    }

    #[test]
    fn a_list_beyond_the_limit_is_an_error() {
        let limits = Limits {
            entries: 2,
            ..Limits::default()
        };
        assert!(check_line_count(2, &limits).is_ok());
        assert!(matches!(
            check_line_count(3, &limits),
            Err(Error::Limit { limit: 2, .. })
        ));
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "(?s).{0,200}") {
            read(Kind::Payload, true, &text);
            read(Kind::Tag, false, &text);
        }

        #[test]
        fn what_is_kept_stays_inside(path in "[./~a\\\\%:dt]{0,12}") {
            let (listing, _) = read(Kind::Payload, true, &format!("{D} {path}\n{D} data/{path}\n"));
            for path in listing.entries.keys() {
                prop_assert_eq!(check_payload_path(path), Ok(()));
            }
        }
    }
}
