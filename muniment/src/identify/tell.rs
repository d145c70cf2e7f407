//! How an answer is told.

use std::path::{Path, PathBuf};
use std::time::Duration;

use pronom::{Identification, Signatures};
use serde_json::{Value, json};

use crate::text::{counted, grouped, plain, size, width};

/// The least that the path takes in a line, so that what follows stands in a column mostly.
const PATH_COLUMN: usize = 48;

/// What became of one item.
pub(super) enum Answer {
    /// It was looked at.
    Found {
        path: PathBuf,
        size: u64,
        found: Identification,
    },
    /// It could not be.
    Unreadable(PathBuf, String),
    /// It was not meant to be.
    Remark(String),
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

    /// A line for programs.
    pub(super) fn json(&self) -> Value {
        let (path, mut line) = match self {
            Self::Found { path, found, .. } => (path.as_path(), found_json(found)),
            Self::Unreadable(path, why) => (
                path.as_path(),
                json!({ "puids": [], "basis": null, "mismatch": false, "mime": null,
                    "bytes_read": 0, "error": why }),
            ),
            Self::Remark(_) => (Path::new(""), json!({})),
        };
        line["path"] = json!(path.to_string_lossy());
        if path.to_str().is_none() {
            line["path_bytes"] = json!(hex::encode(path.as_os_str().as_encoded_bytes()));
        }
        line
    }

    /// A line for people.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Found { path, found, .. } => format!("{}  {}", column(path), found_text(found)),
            Self::Unreadable(path, why) => format!("{}  NOT READ: {}", column(path), plain(why)),
            Self::Remark(remark) => remark.clone(),
        }
    }
}

fn found_json(found: &Identification) -> Value {
    let first = found.matches.first();
    let puids = found.matches.iter().map(|one| one.puid.as_str());
    let mut line = json!({
        "puids": puids.collect::<Vec<_>>(),
        "basis": first.map(|one| one.basis.as_str()),
        "mismatch": found.extension_mismatch,
        "mime": first.map(|one| one.mime.as_str()),
        "bytes_read": found.bytes_read,
        "error": null,
    });
    if let Some(error) = &found.container_error {
        line["container_error"] = json!(error);
    }
    line
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
mod tests {
    use super::*;

    fn answer(name: &str, bytes: &[u8]) -> Answer {
        Answer::Found {
            path: PathBuf::from(name),
            size: bytes.len() as u64,
            found: Signatures::builtin().identify_bytes(name, bytes),
        }
    }

    const GIF: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0;";

    #[test]
    fn a_line_for_programs_has_what_they_ask_for() {
        let line = answer("plan.png", GIF).json();
        assert_eq!(line["path"], "plan.png");
        assert_eq!(line["puids"], json!(["fmt/4"]));
        assert_eq!(line["basis"], "signature");
        assert_eq!(line["mismatch"], true);
        assert_eq!(line["mime"], "image/gif");
        assert_eq!(line["error"], Value::Null);
        let unreadable = Answer::Unreadable(PathBuf::from("a"), "permission denied".to_owned());
        assert_eq!(unreadable.json()["error"], "permission denied");
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

    #[cfg(unix)]
    #[test]
    fn a_path_that_is_not_utf8_keeps_its_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let path = PathBuf::from(std::ffi::OsStr::from_bytes(b"caf\xe9"));
        let line = Answer::Unreadable(path, String::new()).json();
        assert_eq!(line["path_bytes"], "636166e9");
    }
}
