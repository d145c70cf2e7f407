//! What clamd's answers mean.
//!
//! Always: only `OK` is clean. A heuristic that says that clamd did not look is not a finding.

use super::{EngineInfo, Verdict};

/// What clamd calls itself.
pub(super) const NAME: &str = "ClamAV";

/// Longer words of a reply are cut.
const LONGEST_WORDS: usize = 300;

/// What clamd says of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) verdict: Verdict,
    /// Whether clamd has at least been through all that it was sent.
    pub(super) looked: bool,
}

/// Reads the reply to `INSTREAM`, with or without the number that a session puts before it.
pub(super) fn read(reply: &[u8]) -> Reply {
    let text = words(reply);
    let body = without_number(&text);
    let body = body.strip_prefix("stream: ").unwrap_or(body);
    if body == "OK" {
        return Reply {
            verdict: Verdict::Clean,
            looked: true,
        };
    }
    let (why, looked) = match body.strip_suffix(" FOUND") {
        Some(name) if name.starts_with("Heuristics.Limits.Exceeded") => {
            (format!("a limit of the engine was exceeded: {name}"), false)
        }
        Some(name) if name.starts_with("Heuristics.Encrypted") => {
            (format!("encrypted: {name}"), true)
        }
        Some(name) if !name.is_empty() => {
            return Reply {
                verdict: Verdict::Infected(name.to_owned()),
                looked: true,
            };
        }
        _ if body.ends_with("ERROR") => (format!("clamd answered: {body}"), false),
        _ => (
            format!("clamd's answer was not understood: {body:?}"),
            false,
        ),
    };
    Reply {
        verdict: Verdict::Inconclusive(why),
        looked,
    }
}

/// Reads the reply to `VERSION`: `ClamAV 1.4.3/27800/Thu Nov 20 09:00:00 2026`.
pub(super) fn read_version(reply: &[u8]) -> Option<EngineInfo> {
    let text = words(reply);
    let mut parts = without_number(&text)
        .strip_prefix("ClamAV ")?
        .splitn(3, '/');
    let version = parts.next().filter(|version| !version.is_empty())?;
    Some(EngineInfo {
        name: NAME.to_owned(),
        version: version.to_owned(),
        signatures: parts.next().map(str::to_owned),
    })
}

fn words(reply: &[u8]) -> String {
    let text = String::from_utf8_lossy(reply);
    let printable = text.trim_end_matches(['\0', '\n', '\r']).chars();
    printable
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(LONGEST_WORDS)
        .collect()
}

fn without_number(text: &str) -> &str {
    match text.split_once(": ") {
        Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => rest,
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ok_is_clean_and_only_a_signature_is_an_infection() {
        let infected = |name: &str| Some(Verdict::Infected(name.to_owned()));
        for (reply, expected) in [
            ("2: stream: OK\0", Some(Verdict::Clean)),
            ("stream: OK\0", Some(Verdict::Clean)),
            (
                "2: stream: Eicar-Test-Signature FOUND\0",
                infected("Eicar-Test-Signature"),
            ),
            (
                "2: stream: Ours.Test.UNOFFICIAL FOUND\0",
                infected("Ours.Test.UNOFFICIAL"),
            ),
            (
                "stream: Heuristics.Phishing.Email FOUND\0",
                infected("Heuristics.Phishing.Email"),
            ),
            (
                "2: stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0",
                None,
            ),
            ("2: stream: Heuristics.Encrypted.Zip FOUND\0", None),
            ("INSTREAM size limit exceeded. ERROR\0", None),
            ("2: stream: Can't allocate memory ERROR\0", None),
            ("COMMAND READ TIMED OUT\0", None),
            ("2: stream:  FOUND\0", None),
            ("2: stream: NOT OK\0", None),
            ("OKAY", None),
            ("", None),
            ("HTTP/1.1 400 Bad Request", None),
        ] {
            let verdict = read(reply.as_bytes()).verdict;
            match expected {
                Some(expected) => assert_eq!(verdict, expected, "{reply}"),
                None => assert!(matches!(verdict, Verdict::Inconclusive(_)), "{reply}"),
            }
        }
    }

    #[test]
    fn the_version_tells_engine_and_signatures() {
        let version = |text: &str| read_version(text.as_bytes());
        let engine = |version: &str, signatures: Option<&str>| {
            Some(EngineInfo {
                name: NAME.to_owned(),
                version: version.to_owned(),
                signatures: signatures.map(str::to_owned),
            })
        };
        for (text, expected) in [
            (
                "1: ClamAV 1.4.3/27800/Thu Nov 20 09:00:00 2026\0",
                engine("1.4.3", Some("27800")),
            ),
            ("ClamAV 1.4.3\0", engine("1.4.3", None)),
            ("ClamAV ", None),
            ("UNKNOWN COMMAND", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_reply_panics_or_is_clean_by_chance(reply: Vec<u8>) {
            proptest::prop_assert_ne!(read(&reply).verdict, Verdict::Clean);
            read_version(&reply);
        }
    }
}
