//! How an answer is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pronom::{Identification, NearMiss, Outranked, Signatures};

use crate::text::{counted, grouped, plain, size, width};

/// The least that the path takes in a line, so that what follows stands in a column mostly.
const PATH_COLUMN: usize = 48;

/// What became of one item.
pub(super) enum Answer {
    /// It was looked at.
    Found {
        path: PathBuf,
        size: u64,
        found: Box<Identification>,
        /// Where that was asked for.
        why: Option<Why>,
    },
    /// It could not be.
    Unreadable(PathBuf, String),
    /// It was not meant to be.
    Remark(String),
}

/// What came close to being the answer.
pub(super) struct Why {
    pub(super) near_misses: Vec<NearMiss>,
    pub(super) outranked: Vec<Outranked>,
}

/// What became of all of them.
#[derive(Debug, Default)]
pub(super) struct Totals {
    files: u64,
    bytes: u64,
    read: u64,
    unidentified: u64,
    /// How many could not be looked at.
    pub(super) unreadable: u64,
}

impl Answer {
    /// What is no answer but a remark.
    pub(super) fn remark(&self) -> Option<&str> {
        match self {
            Self::Remark(remark) => Some(remark),
            Self::Found { .. } | Self::Unreadable(..) => None,
        }
    }

    /// A line for people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Found {
                path, found, why, ..
            } => {
                let why = why.as_ref().map(|why| why_text(found, why));
                let why = why.unwrap_or_default();
                format!("{}  {}{why}", column(path), found_text(found))
            }
            Self::Unreadable(path, why) => format!("{}  NOT READ: {}", column(path), plain(why)),
            Self::Remark(remark) => remark.clone(),
        }
    }
}

/// Lines under the answer: what speaks for it, and what came close.
fn why_text(found: &Identification, why: &Why) -> String {
    let mut text = String::new();
    for one in found.matches.iter().filter(|one| !one.ranges.is_empty()) {
        let line = format!("{} matched at {}", one.puid, spans(&one.ranges));
        text.push_str(&under(&line));
    }
    for lower in &why.outranked {
        let by = match &lower.by {
            Some(by) => format!("{by} has priority over it"),
            None => "what is in the container tells more".to_owned(),
        };
        text.push_str(&under(&format!("{} matched too; {by}", lower.puid)));
    }
    for near in why.near_misses.iter().take(MOST_NEAR) {
        let found = if near.found.is_empty() {
            String::new()
        } else {
            format!("; found of it: {}", spans(&near.found))
        };
        text.push_str(&under(&format!("nearly {near}{found}")));
    }
    if let Some(more @ 1..) = why.near_misses.len().checked_sub(MOST_NEAR) {
        text.push_str(&under(&format!("and {more} more (--json has them)")));
    }
    if text.is_empty() {
        text.push_str(&under("no signature came close"));
    }
    text
}

/// What is less near tells people less; programs get all.
const MOST_NEAR: usize = 12;

fn under(line: &str) -> String {
    format!("\n    {}", plain(line))
}

fn spans(ranges: &[(u64, u64)]) -> String {
    /// What is more is repetition.
    const MOST: usize = 8;
    let mut spans: Vec<String> = ranges
        .iter()
        .take(MOST)
        .map(|(begin, end)| format!("{begin}-{end}"))
        .collect();
    if ranges.len() > MOST {
        spans.push("…".to_owned());
    }
    spans.join(", ")
}

fn found_text(found: &Identification) -> String {
    let mut parts: Vec<String> = found
        .matches
        .iter()
        .map(|one| {
            let version = one.version.trim();
            let space = if version.is_empty() { "" } else { " " };
            format!(
                "{} {}{space}{version} ({})",
                one.puid,
                one.name,
                one.basis.as_str()
            )
        })
        .collect();
    if parts.is_empty() {
        parts.push(
            if found.flags.empty {
                "empty"
            } else {
                "unknown"
            }
            .to_owned(),
        );
    }
    if found.extension_mismatch {
        parts.push("extension mismatch".to_owned());
    }
    if found.flags.encrypted {
        parts.push("encrypted".to_owned());
    }
    if let Some(error) = &found.container_error {
        parts.push(plain(error).into_owned());
    }
    parts.join("; ")
}

fn column(path: &Path) -> String {
    let mut text = plain(&path.to_string_lossy()).into_owned();
    let missing = PATH_COLUMN.saturating_sub(width(&text));
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

impl Totals {
    /// Counts one answer.
    pub(super) fn add(&mut self, answer: &Answer) {
        match answer {
            Answer::Found { size, found, .. } => {
                self.files += 1;
                self.bytes += size;
                self.read += found.bytes_read;
                self.unidentified += u64::from(found.matches.is_empty());
            }
            Answer::Unreadable(..) => self.unreadable += 1,
            Answer::Remark(_) => {}
        }
    }

    /// The last line.
    pub(super) fn text(&self, took: Duration, signatures: &Signatures) -> String {
        let seconds = took.as_secs_f64().max(0.001);
        #[expect(
            clippy::cast_precision_loss,
            reason = "a speed is rounded to a whole number anyway"
        )]
        let (files, megabytes) = (
            self.files as f64 / seconds,
            self.bytes as f64 / 1_000_000.0 / seconds,
        );
        let container = match signatures.container_version() {
            "" => "none".to_owned(),
            version => version.to_owned(),
        };
        format!(
            "{}, {} unreadable, {} of unknown format; {}, of which {} read, in {seconds:.2} s: \
             {files:.0} files/s, {megabytes:.0} MB/s; PRONOM {}, container signatures {}",
            counted(self.files, "file"),
            grouped(self.unreadable),
            grouped(self.unidentified),
            size(self.bytes),
            size(self.read),
            plain(signatures.version()),
            plain(&container),
        )
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(name: &str, bytes: &[u8]) -> Answer {
        Answer::Found {
            path: PathBuf::from(name),
            size: bytes.len() as u64,
            found: Box::new(Signatures::builtin().identify_bytes(name, bytes)),
            why: None,
        }
    }

    fn explained(name: &str, bytes: &[u8]) -> Answer {
        let explained = Signatures::builtin().explain_bytes(name, bytes);
        Answer::Found {
            path: PathBuf::from(name),
            size: bytes.len() as u64,
            found: Box::new(explained.identification),
            why: Some(Why {
                near_misses: explained.near_misses,
                outranked: explained.outranked,
            }),
        }
    }

    fn line(answer: &Answer) -> Value {
        serde_json::from_str(&answer.json().unwrap()).unwrap()
    }

    const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0;";

    #[test]
    fn a_line_for_programs_has_exactly_what_they_ask_for() {
        assert_eq!(
            answer("plan.png", GIF).json().unwrap(),
            r#"{"path":"plan.png","puids":["fmt/4"],"basis":"signature","mismatch":true,"mime":"image/gif","bytes_read":14,"error":null}"#
        );
        let unreadable = Answer::Unreadable(PathBuf::from("a"), "permission denied".to_owned());
        assert_eq!(
            unreadable.json().unwrap(),
            r#"{"path":"a","puids":[],"basis":null,"mismatch":false,"mime":null,"bytes_read":0,"error":"permission denied"}"#
        );
        let unknown = line(&answer("a", b"?"));
        assert_eq!(
            (&unknown["puids"], &unknown["error"]),
            (&json!([]), &Value::Null)
        );
    }

    #[test]
    fn a_line_for_people_says_what_is_wrong() {
        let line = answer("plan.png", GIF).text();
        assert!(
            line.contains("fmt/4 Graphics Interchange Format 89a (signature)"),
            "{line}"
        );
        assert!(line.ends_with("extension mismatch"), "{line}");
        assert!(answer("a", b"").text().ends_with("empty"));
    }

    #[test]
    fn an_explanation_says_what_matched_and_what_nearly_did() {
        let whole = explained("a.gif", GIF).text();
        assert!(
            whole.contains("\n    fmt/4 matched at 0-6, 13-14"),
            "{whole}"
        );
        let cut = explained("a.gif", b"GIF89a\x01\0\x01\0\0\0\0.........");
        let said = cut.text();
        let near =
            "\n    nearly fmt/4: no 3B 0 to 4 bytes from the end (signature 17); found of it: 0-6";
        assert!(said.contains(near), "{said}");
        let near = &line(&cut)["explain"]["near_misses"][0];
        assert_eq!(near["puids"], json!(["fmt/4"]));
        assert_eq!(near["signature"], 17);
        assert_eq!(near["found"], json!([[0, 6]]));
        assert_eq!(near["missing"], "3B 0 to 4 bytes from the end");
        let pdf = explained(
            "a.pdf",
            b"%PDF-1.4\nxmlns:pdfaid=\"http://www.aiim.org/pdfa/ns/id/\" pdfaid:part=\"1\" \
              pdfaid:conformance=\"B\"\n%%EOF\n",
        );
        let said = pdf.text();
        assert!(
            said.contains("\n    fmt/18 matched too; fmt/354 has priority over it"),
            "{said}"
        );
        let explain = &line(&pdf)["explain"];
        assert_eq!(explain["matches"][0]["puid"], "fmt/354");
        assert_eq!(
            explain["outranked"][0],
            json!({"puid": "fmt/18", "by": "fmt/354"})
        );
        let plain = explained("a.pdf", b"%PDF-1.4 and no more\n%%EOF\n").text();
        assert!(plain.contains("more (--json has them)"), "{plain}");
        let nothing = explained("a", b"?").text();
        assert!(
            nothing.ends_with("\n    no signature came close"),
            "{nothing}"
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf8_keeps_its_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(b"caf\xe9"));
        let line = line(&Answer::Unreadable(path, String::new()));
        assert_eq!(line["path_bytes"], "636166e9");
    }
}
