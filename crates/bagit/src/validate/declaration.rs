//! `bagit.txt` as it was found (RFC 8493 §2.1.1).
//!
//! Always: what can be understood is used, so that the rest of the bag is judged too; what is not to the letter is
//! an error from 1.0 on, and a warning in older bags.

use super::{
    problems::{At, Problems},
    text::{Encoding, lines},
};
use crate::{Code, Severity, Version};

pub(super) const NAME: &str = "bagit.txt";

/// What the bag declares about itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Declaration {
    pub(super) version: Option<Version>,
    pub(super) encoding: Encoding,
}

impl Declaration {
    /// Whether RFC 8493 is the rule, rather than one of its drafts.
    pub(super) fn is_strict(self) -> bool {
        self.version >= Some(Version::V1_0)
    }

    /// An error from 1.0 on, a warning before.
    pub(super) fn severity(self) -> Severity {
        if self.is_strict() {
            Severity::Error
        } else {
            Severity::Warning
        }
    }

    pub(super) fn read(bytes: Option<&[u8]>, problems: &mut Problems) -> Self {
        let mut found = Self {
            version: None,
            encoding: Encoding::Utf8,
        };
        let Some(bytes) = bytes else {
            problems.error(Code::BagitTxtMissing, At::Bag, "there is no bagit.txt");
            return found;
        };
        let decoded = Encoding::Utf8.decode(bytes.to_vec());
        if decoded.mark {
            problems.error(
                Code::ByteOrderMark,
                At::File(NAME),
                "begins with a byte-order mark",
            );
        }
        if !decoded.clean {
            problems.error(Code::EncodingInvalid, At::File(NAME), "is not UTF-8");
        }
        let mut lines = lines(&decoded.text);
        let version = lines
            .next()
            .and_then(|(_, line)| Field::read(line, "BagIt-Version"));
        let encoding = lines
            .next()
            .and_then(|(_, line)| Field::read(line, "Tag-File-Character-Encoding"));
        let more = lines.next().is_some();

        if let Some(field) = &version {
            found.read_version(field, problems);
        } else {
            let message = "the first line is not BagIt-Version: M.N";
            problems.error(Code::BagitTxtMalformed, At::Line(NAME, 1), message);
        }
        if let Some(field) = &encoding {
            found.read_encoding(field, problems);
        } else {
            let message = "the second line is not Tag-File-Character-Encoding: ENCODING";
            problems.error(Code::BagitTxtMalformed, At::Line(NAME, 2), message);
        }
        for (number, field) in [(1, &version), (2, &encoding)] {
            if field.as_ref().is_some_and(|field| !field.exact) {
                let message = "is not a label, a colon, one space and a value";
                let at = At::Line(NAME, number);
                problems.add(found.severity(), Code::BagitTxtMalformed, at, message);
            }
        }
        if more {
            let at = At::Line(NAME, 3);
            let message = "has more than two lines";
            problems.add(found.severity(), Code::BagitTxtMalformed, at, message);
        }
        found
    }

    fn read_version(&mut self, field: &Field<'_>, problems: &mut Problems) {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            text.parse::<u32>().ok().filter(|_| digits)
        };
        self.version = field
            .value
            .split_once('.')
            .and_then(|(major, minor)| Some((number(major)?, number(minor)?)))
            .map(|(major, minor)| Version { major, minor });
        let at = At::Line(NAME, 1);
        match self.version {
            None => {
                let message = format!("{:?} is not a version M.N", field.value);
                problems.error(Code::BagitTxtMalformed, at, message);
            }
            Some(version) if !version.is_supported() => {
                let message = format!(
                    "the rules of BagIt {version} are not known; read by the nearest known ones"
                );
                problems.error(Code::VersionUnsupported, at, message);
            }
            Some(_) => {}
        }
    }

    fn read_encoding(&mut self, field: &Field<'_>, problems: &mut Problems) {
        if let Some(encoding) = Encoding::from_label(field.value) {
            self.encoding = encoding;
        } else {
            // Every byte is a Latin-1 character, so the ASCII part of the tag files is judged all the same.
            self.encoding = Encoding::Latin1;
            let message = format!("the encoding {:?} is not known", field.value);
            problems.error(Code::EncodingUnsupported, At::Line(NAME, 2), message);
        }
    }
}

struct Field<'a> {
    value: &'a str,
    exact: bool,
}

impl<'a> Field<'a> {
    fn read(line: &'a str, label: &str) -> Option<Self> {
        let (found, value) = line.split_once(':')?;
        if !found.trim().eq_ignore_ascii_case(label) || value.trim().is_empty() {
            return None;
        }
        let exact = found == label && value.strip_prefix(' ').is_some_and(|v| v == v.trim());
        Some(Self {
            value: value.trim(),
            exact,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn codes(bytes: &[u8]) -> Vec<(Severity, Code)> {
        let mut problems = Problems::new(100);
        Declaration::read(Some(bytes), &mut problems);
        let (kept, _, _) = problems.finish();
        kept.into_iter().map(|p| (p.severity, p.code)).collect()
    }

    const E: &str = "Tag-File-Character-Encoding: UTF-8\n";

    #[test]
    fn the_two_lines_of_each_version_are_read() {
        for version in ["0.93", "0.94", "0.95", "0.96", "0.97", "1.0"] {
            for end in ["\n", "\r\n", "\r"] {
                let text =
                    format!("BagIt-Version: {version}{end}Tag-File-Character-Encoding: UTF-16");
                assert_eq!(codes(text.as_bytes()), [], "{text:?}");
            }
        }
    }

    #[test]
    fn what_is_not_to_the_letter_is_named() {
        use Severity::{Error, Warning};
        let malformed = (Error, Code::BagitTxtMalformed);
        let lenient = (Warning, Code::BagitTxtMalformed);
        for (text, expected) in [
            (String::new(), vec![malformed, malformed]),
            ("BagIt-Version: 1.0\n".into(), vec![malformed]),
            (format!("BagIt-Version: .97\n{E}"), vec![malformed]),
            (format!("BagIt-Version: +1.0\n{E}"), vec![malformed]),
            (format!("BagIt-Version: 1.0.0\n{E}"), vec![malformed]),
            (
                format!("BagIt-Version: 2.0\n{E}"),
                vec![(Error, Code::VersionUnsupported)],
            ),
            (
                format!("BagIt-Version: 0.92\n{E}"),
                vec![(Error, Code::VersionUnsupported)],
            ),
            (format!("BagIt-Version: 1.0 \n{E}"), vec![malformed]),
            (format!("BagIt-Version : 1.0\n{E}"), vec![malformed]),
            (format!("BagIt-Version:1.0\n{E}"), vec![malformed]),
            (format!("bagit-version: 0.97\n{E}"), vec![lenient]),
            (format!("BagIt-Version:  0.97\n{E}"), vec![lenient]),
            (format!("BagIt-Version: 1.0\n{E}X: y\n"), vec![malformed]),
            (format!("BagIt-Version: 0.96\n{E}\n"), vec![lenient]),
            (
                format!("{E}BagIt-Version: 1.0\n"),
                vec![malformed, malformed],
            ),
            (
                format!("\u{feff}BagIt-Version: 1.0\n{E}"),
                vec![(Error, Code::ByteOrderMark)],
            ),
            (
                "BagIt-Version: 1.0\nTag-File-Character-Encoding: EBCDIC\n".into(),
                vec![(Error, Code::EncodingUnsupported)],
            ),
        ] {
            assert_eq!(codes(text.as_bytes()), expected, "{text:?}");
        }
        assert!(
            codes(b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\xff\n")
                .contains(&(Error, Code::EncodingInvalid))
        );
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            codes(&bytes);
        }

        #[test]
        fn near_misses_never_panic(text in "(BagIt-Version|:| |1|\\.|0|\n|\r|Tag-File-Character-Encoding|UTF-8){0,12}") {
            codes(text.as_bytes());
        }
    }
}
