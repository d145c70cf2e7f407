//! The events that a bag carries, held to the checkpoint that it carries.
//!
//! Always: memory does not grow with their number; findings that are kept have a bound.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use bagit::Report;
use tlog::{Checkpoint, Evidence, MAX_LINE, Seen, VerifierKey};

use crate::failure::Failure;
use crate::text::plain;

/// The most findings that are kept.
const KEPT: usize = 100;
/// The largest checkpoint or key.
const SMALL: u64 = 64 * 1024;

/// What the events of a bag come to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    /// Those that hold.
    pub(crate) seen: Seen,
    /// Whose signature it is.
    pub(crate) log: String,
    /// Whether that is a key that was given, and not the bag's own.
    pub(crate) known: bool,
    /// What is wrong, as far as it is kept.
    pub(crate) problems: Vec<String>,
    /// How much is wrong.
    pub(crate) count: u64,
}

impl Verdict {
    fn wrong(&mut self, what: impl std::fmt::Display) {
        self.count += 1;
        if self.problems.len() < KEPT {
            self.problems.push(plain(&what.to_string()).into_owned());
        }
    }
}

/// Looks at the events of a bag; `None`: it carries none.
pub(crate) fn look(
    bag: &Path,
    report: &Report,
    keys: &[VerifierKey],
) -> Result<Option<Verdict>, Failure> {
    let Some(lines) = open(bag, report, "muniment/events.jsonl")? else {
        return Ok(None);
    };
    let mut verdict = Verdict {
        known: !keys.is_empty(),
        ..Verdict::default()
    };
    match checkpoint(bag, report, keys)? {
        Ok(checkpoint) => {
            verdict.log.clone_from(&checkpoint.origin);
            read(
                BufReader::new(lines),
                Evidence::new(checkpoint),
                &mut verdict,
            );
        }
        Err(why) => verdict.wrong(format_args!("muniment/checkpoint.txt: {why}")),
    }
    Ok(Some(verdict))
}

fn read(mut lines: impl BufRead, mut evidence: Evidence, verdict: &mut Verdict) {
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let read = (&mut lines)
            .take(MAX_LINE as u64 + 1)
            .read_until(b'\n', &mut line);
        let at = |what: &dyn std::fmt::Display| format!("muniment/events.jsonl:{number}: {what}");
        match read {
            Ok(0) => break,
            Ok(length) if length > MAX_LINE => {
                verdict.wrong(at(&"the line is too long"));
                break;
            }
            Err(error) => {
                verdict.wrong(at(&error));
                break;
            }
            Ok(_) => {}
        }
        let added = match std::str::from_utf8(&line) {
            Ok(text) => evidence.add(text).map_err(|error| at(&error)),
            Err(error) => Err(at(&error)),
        };
        if let Err(what) = added {
            verdict.wrong(what);
        }
    }
    verdict.seen = evidence.seen();
}

/// The signed tree, by the keys that were given, else by the bag's own.
fn checkpoint(
    bag: &Path,
    report: &Report,
    keys: &[VerifierKey],
) -> Result<Result<Checkpoint, String>, Failure> {
    let Some(note) = small(bag, report, "muniment/checkpoint.txt")? else {
        return Ok(Err("is not there".to_owned()));
    };
    if !keys.is_empty() {
        return Ok(Checkpoint::open(&note, keys).map_err(|error| error.to_string()));
    }
    let Some(own) = small(bag, report, "muniment/checkpoint-key.txt")? else {
        return Ok(Err(
            "there is no key beside it, and none was given".to_owned()
        ));
    };
    let opened = VerifierKey::parse(&own).and_then(|key| Checkpoint::open(&note, &[key]));
    Ok(opened.map_err(|error| error.to_string()))
}

fn small(bag: &Path, report: &Report, name: &str) -> Result<Option<String>, Failure> {
    let Some(file) = open(bag, report, name)? else {
        return Ok(None);
    };
    let mut bytes = Vec::new();
    file.take(SMALL)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::new(format!("{name}: {error}")))?;
    Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
}

fn open(bag: &Path, report: &Report, name: &str) -> Result<Option<Box<dyn Read>>, Failure> {
    bagit::open_tag_file(bag, report, name)
        .map_err(|error| Failure::new(plain(&crate::failure::chain(&error)).into_owned()))
}
