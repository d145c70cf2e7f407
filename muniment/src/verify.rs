//! `muniment verify`: is this bag what it says?
//!
//! Owns how the verdict is told. Does not own the verdict on the bag (`bagit`), or on its events (`tlog`).

mod events;

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::progress::{Screen, Unit};
use crate::text::{counted, grouped, plain, size};
use crate::verify_log;
use events::Verdict;

/// The options of `muniment verify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A bag is a folder, a tar or a gzipped tar, of BagIt 0.93 to 1.0, made by any tool. Nothing is
unpacked and nothing is fetched.

A bag of Muniment carries the events of its records, each with a proof that it is in the log whose
checkpoint is signed. They are verified too: by the key in the bag, which shows that nothing was
changed since, or by one that you know (--key), which shows whose log it is.

Exit status: 0 the bag is valid; 2 it is not, or a key was named and it has no events; 1 it could not be
looked at.

Examples:
  muniment verify out.tar
  muniment verify --json /archive/bags/MH-7
  muniment verify --key checkpoint-key.txt out.tar")]
pub(crate) struct Arguments {
    /// The bag
    #[arg(value_name = "BAG")]
    bag: PathBuf,

    /// Public half of the key that signed the events (`muniment checkpoint-key`), or a file with it; may be given many
    /// times
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// Carries the command out.
pub(crate) fn run(arguments: &Arguments, screen: &Screen) -> Result<Outcome, Failure> {
    let stage = screen.stage("verifying", Unit::Bytes);
    let report = bagit::validate(&arguments.bag, &mut |progress| {
        stage.set(progress.bytes, progress.total_bytes);
    });
    screen.clear();
    let report =
        report.map_err(|error| Failure::new(plain(&crate::failure::chain(&error)).into_owned()))?;
    let keys: Result<Vec<_>, _> = arguments
        .key
        .iter()
        .map(|key| verify_log::key(key))
        .collect();
    let events = events::look(&arguments.bag, &report, &keys?)?;
    let believed = match &events {
        Some(events) => events.count == 0,
        // Whoever names a key asks whose events they are.
        None => arguments.key.is_empty(),
    };
    let valid = report.is_valid() && believed;
    if arguments.json {
        output::line(as_json(&report, events.as_ref(), valid))?;
    } else {
        tell(arguments, &report)?;
        match &events {
            Some(events) => tell_events(events)?,
            None if believed => {}
            None => output::line("events: none in this bag, so --key verifies nothing")?,
        }
    }
    Ok(if valid {
        Outcome::Good
    } else {
        Outcome::NotAllGood
    })
}

fn tell(arguments: &Arguments, report: &bagit::Report) -> Result<(), Failure> {
    for problem in &report.problems {
        output::line(problem)?;
    }
    if report.omitted() > 0 {
        output::line(format_args!("and {} more", grouped(report.omitted())))?;
    }
    let bag = plain(&arguments.bag.to_string_lossy()).into_owned();
    let version = match report.version {
        Some(version) => format!("BagIt {version}"),
        None => "no BagIt version".to_owned(),
    };
    let verdict = if report.is_valid() {
        "valid".to_owned()
    } else {
        format!("NOT VALID, {}", counted(report.errors, "error"))
    };
    let warnings = match report.warnings {
        0 => String::new(),
        count => format!(", {}", counted(count, "warning")),
    };
    output::line(format_args!(
        "{bag}: {verdict}{warnings}: {version}, {} with {}, {} verified",
        counted(report.payload.streams, "file"),
        size(report.payload.octets),
        counted(report.digests_verified, "digest"),
    ))
}

fn tell_events(events: &Verdict) -> Result<(), Failure> {
    for problem in &events.problems {
        output::line(problem)?;
    }
    let omitted = events.count - events.problems.len() as u64;
    if omitted > 0 {
        output::line(format_args!("and {} more", grouped(omitted)))?;
    }
    let seen = format!(
        "{} of {}",
        counted(events.seen.events, "event"),
        counted(events.seen.records, "record")
    );
    let log = plain(&events.log);
    match (events.count, events.known) {
        (0, true) => output::line(format_args!("events: {seen} verified, signed by {log}")),
        (0, false) => output::line(format_args!(
            "events: {seen} verified by the key in the bag, of {log}; name the key that you know with --key"
        )),
        (count, _) => output::line(format_args!(
            "events: NOT AS THEY WERE SEALED, {}; {seen} verified",
            counted(count, "error")
        )),
    }
}

fn as_json(report: &bagit::Report, events: Option<&Verdict>, valid: bool) -> Value {
    let problems = report.problems.iter().map(|problem| {
        json!({
            "severity": problem.severity.to_string(),
            "code": problem.code.as_str(),
            "file": problem.file,
            "line": problem.line,
            "message": problem.message,
        })
    });
    json!({
        "valid": valid,
        "events": events.map(|events| json!({
            "verified": events.seen.events,
            "records": events.seen.records,
            "log": events.log,
            "knownKey": events.known,
            "errors": events.count,
            "problems": events.problems,
        })),
        "version": report.version.map(|version| version.to_string()),
        "algorithms": report.algorithms.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "files": report.payload.streams,
        "bytes": report.payload.octets,
        "tagFiles": report.tag_files,
        "digestsVerified": report.digests_verified,
        "errors": report.errors,
        "warnings": report.warnings,
        "problems": problems.collect::<Vec<_>>(),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn verify(bag: &Path) -> Result<Outcome, Failure> {
        let arguments = Arguments {
            bag: bag.to_owned(),
            key: Vec::new(),
            json: false,
        };
        run(&arguments, &Screen::recording())
    }

    #[test]
    fn a_valid_a_spoilt_and_an_absent_bag_end_differently() {
        let bag = tempfile::tempdir().unwrap();
        fs::create_dir(bag.path().join("data")).unwrap();
        fs::write(bag.path().join("bagit.txt"), bagit::BAGIT_TXT).unwrap();
        fs::write(bag.path().join("data/abc"), "abc").unwrap();
        let digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        let manifest = format!("{digest}  data/abc\n");
        fs::write(bag.path().join("manifest-sha256.txt"), manifest).unwrap();
        assert_eq!(verify(bag.path()), Ok(Outcome::Good));
        fs::write(bag.path().join("data/abc"), "abd").unwrap();
        assert_eq!(verify(bag.path()), Ok(Outcome::NotAllGood));
        let absent = verify(&bag.path().join("absent")).unwrap_err();
        assert_eq!(absent.code(), 1);
    }
}
