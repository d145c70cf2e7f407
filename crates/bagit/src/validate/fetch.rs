//! `fetch.txt` as it was found (RFC 8493 §2.2.3). The addresses in it are quoted and never contacted.

use std::collections::BTreeMap;

use super::{
    Limits,
    error::Error,
    listing::{Kind, check_line_count, read_path},
    problems::{At, Problems},
    text::lines,
};
use crate::{Code, decode_path};

pub(super) const NAME: &str = "fetch.txt";

/// A file that is to be fetched by somebody else.
#[derive(Debug)]
pub(super) struct Remote {
    pub(super) url: String,
    pub(super) size: Option<u64>,
    pub(super) line: u64,
}

/// The files of `fetch.txt` by their plain paths.
pub(super) fn read(
    text: &str,
    limits: &Limits,
    problems: &mut Problems,
) -> Result<BTreeMap<String, Remote>, Error> {
    let mut remotes = BTreeMap::new();
    for (number, line) in lines(text) {
        check_line_count(number, limits)?;
        let at = At::Line(NAME, number);
        if line.len() > limits.line_bytes {
            problems.error(Code::LineTooLong, at, "the line is too long to be read");
        } else if line.trim().is_empty() {
            problems.warn(Code::LineMalformed, at, "is no entry, and is ignored");
        } else if let Some((url, size, written)) = fields(line) {
            let Some(path) = read_path(written, Kind::Payload, at, problems) else {
                continue;
            };
            let remote = Remote {
                url: url.to_owned(),
                size,
                line: number,
            };
            let path = decode_path(&path);
            if remotes.insert(path, remote).is_some() {
                let message = format!("{written:?} is listed already");
                problems.warn(Code::EntryDuplicate, at, message);
            }
        } else {
            let message = "is not an absolute URL, a length or \"-\", and a path";
            problems.error(Code::LineMalformed, at, message);
        }
    }
    Ok(remotes)
}

fn fields(line: &str) -> Option<(&str, Option<u64>, &str)> {
    let space = [' ', '\t'];
    let (url, rest) = line.split_once(space)?;
    let (size, path) = rest.trim_start_matches(space).split_once(space)?;
    let path = path.trim_start_matches(space);
    let (scheme, address) = url.split_once(':')?;
    let scheme_fits = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    if !scheme_fits || address.is_empty() || path.is_empty() {
        return None;
    }
    let size = match size {
        "-" => None,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        _ => return None,
    };
    Some((url, size, path))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use proptest::prelude::*;

    use super::*;

    fn codes(text: &str) -> Vec<Code> {
        let mut problems = Problems::new(100);
        read(text, &Limits::default(), &mut problems).unwrap();
        let (kept, _, _) = problems.finish();
        kept.into_iter().map(|p| p.code).collect()
    }

    #[test]
    fn url_length_and_path_are_read() {
        let text = "http://h/a%20b - data/a b%25\r\nfile:///x\t12 \t./data/c\n";
        let mut problems = Problems::new(100);
        let remotes = read(text, &Limits::default(), &mut problems).unwrap();
        assert_eq!(remotes["data/a b%"].url, "http://h/a%20b");
        assert_eq!(remotes["data/a b%"].size, None);
        assert_eq!(
            (remotes["data/c"].size, remotes["data/c"].line),
            (Some(12), 2)
        );
    }

    #[test]
    fn each_bad_line_is_named() {
        for (line, code) in [
            ("http://h/a - ../x", Code::PathOutside),
            ("http://h/a - /tmp/x", Code::PathOutside),
            ("http://h/a - ~root/x", Code::PathOutside),
            ("http://h/a - C:\\x", Code::PathOutsideOnWindows),
            ("http://h/a - bag-info.txt", Code::PathNotPayload),
            ("http://h/a data/x", Code::LineMalformed),
            ("h/a - data/x", Code::LineMalformed),
            ("http://h/a -1 data/x", Code::LineMalformed),
            (
                "http://h/a 99999999999999999999999 data/x",
                Code::LineMalformed,
            ),
            ("http://h/a - ", Code::LineMalformed),
        ] {
            assert_eq!(codes(line), [code], "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_text_never_panics(text in "(?s)([a:/ \t\r\n.-]|.){0,60}") {
            codes(&text);
        }
    }
}
