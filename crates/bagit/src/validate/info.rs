//! `bag-info.txt` as it was found; of its elements only `Payload-Oxum` is a claim (RFC 8493 §2.2.2).

use super::{
    Limits,
    declaration::Declaration,
    error::Error,
    listing::check_line_count,
    problems::{At, Problems},
    text::lines,
};
use crate::{Code, PayloadOxum, bag_info::PAYLOAD_OXUM};

/// What `Payload-Oxum` claims, and where.
#[derive(Debug)]
pub(super) struct ClaimedOxum {
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) oxum: PayloadOxum,
}

/// The claim of the file's `Payload-Oxum`, if it has one.
pub(super) fn read_oxum(
    name: &str,
    text: &str,
    declaration: Declaration,
    limits: &Limits,
    problems: &mut Problems,
) -> Result<Option<ClaimedOxum>, Error> {
    let mut claimed: Option<ClaimedOxum> = None;
    let mut any = false;
    for (number, line) in lines(text) {
        check_line_count(number, limits)?;
        let at = At::Line(name, number);
        if line.len() > limits.line_bytes {
            problems.error(Code::LineTooLong, at, "the line is too long to be read");
            continue;
        }
        if line.trim().is_empty() || (any && line.starts_with([' ', '\t'])) {
            continue;
        }
        let Some((label, value)) = line.split_once(':') else {
            let message = "is neither a label with a colon nor the rest of the line before";
            problems.error(Code::LineMalformed, at, message);
            continue;
        };
        any = true;
        if declaration.is_strict() && (label != label.trim() || !value.starts_with([' ', '\t'])) {
            let message = "is not a label, a colon, white space and a value";
            problems.warn(Code::LineMalformed, at, message);
        }
        if !label.trim().eq_ignore_ascii_case(PAYLOAD_OXUM) {
            continue;
        }
        match value.trim().parse() {
            Err(_) => {
                let message = format!("{:?} is not bytes.files", value.trim());
                problems.error(Code::OxumMalformed, at, message);
            }
            Ok(oxum) => match &claimed {
                None => {
                    claimed = Some(ClaimedOxum {
                        file: name.to_owned(),
                        line: number,
                        oxum,
                    });
                }
                Some(first) if first.oxum == oxum => {
                    let message = "Payload-Oxum is repeated";
                    problems.add(declaration.severity(), Code::OxumMalformed, at, message);
                }
                Some(first) => {
                    let message = format!(
                        "Payload-Oxum is repeated with another value than in line {}",
                        first.line
                    );
                    problems.error(Code::OxumMalformed, at, message);
                }
            },
        }
    }
    Ok(claimed)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use proptest::prelude::*;

    use super::*;
    use crate::{Severity, Version, validate::text::Encoding};

    type Seen = Vec<(Severity, Code, Option<u64>)>;

    fn read(text: &str, version: Version) -> (Option<String>, Seen) {
        let declaration = Declaration {
            version: Some(version),
            encoding: Encoding::Utf8,
        };
        let mut problems = Problems::new(100);
        let claimed = read_oxum(
            "bag-info.txt",
            text,
            declaration,
            &Limits::default(),
            &mut problems,
        )
        .unwrap();
        let (kept, _, _) = problems.finish();
        (
            claimed.map(|claimed| claimed.oxum.to_string()),
            kept.into_iter()
                .map(|p| (p.severity, p.code, p.line))
                .collect(),
        )
    }

    const OLD: Version = Version {
        major: 0,
        minor: 97,
    };

    #[test]
    fn the_oxum_is_found_among_repeated_and_folded_elements() {
        let text = "A: b\nA: c\n  Payload-Oxum: 9.9\npayload-oxum: 58.2\r\nB: d\n";
        assert_eq!(read(text, Version::V1_0), (Some("58.2".into()), vec![]));
        assert_eq!(
            read("A : b\nPayload-Oxum   :  1.2\n", OLD),
            (Some("1.2".into()), vec![])
        );
        assert_eq!(read("", Version::V1_0), (None, vec![]));
    }

    #[test]
    fn a_bad_oxum_is_named() {
        use Severity::{Error, Warning};
        let code = Code::OxumMalformed;
        for (text, version, expected) in [
            ("Payload-Oxum: many\n", OLD, vec![(Error, code, Some(1))]),
            (
                "Payload-Oxum: 1.2\nPayload-Oxum: 1.2\n",
                OLD,
                vec![(Warning, code, Some(2))],
            ),
            (
                "Payload-Oxum: 1.2\nPayload-Oxum: 1.2\n",
                Version::V1_0,
                vec![(Error, code, Some(2))],
            ),
            (
                "Payload-Oxum: 1.2\nPayload-Oxum: 1.3\n",
                OLD,
                vec![(Error, code, Some(2))],
            ),
            (
                "no colon\n",
                OLD,
                vec![(Error, Code::LineMalformed, Some(1))],
            ),
            (" first\n", OLD, vec![(Error, Code::LineMalformed, Some(1))]),
            (
                "A : b\n",
                Version::V1_0,
                vec![(Warning, Code::LineMalformed, Some(1))],
            ),
        ] {
            assert_eq!(read(text, version).1, expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(values in proptest::collection::vec("\\PC{0,120}", 0..8), octets: u64, streams: u64) {
            let mut info = crate::BagInfo::new();
            for value in &values {
                let _ = info.add("Title", value);
            }
            let oxum = PayloadOxum { octets, streams };
            prop_assert_eq!(read(&info.to_text(oxum), Version::V1_0), (Some(oxum.to_string()), vec![]));
        }
    }
}
