//! What a run has found, for people and for programs, and how the command ends.
//!
//! Always: what was not read is never told as good.

use std::fmt::Write;

use serde_json::{Value, json};

use crate::client::{Finding, FixityOutcome, FixityRun};
use crate::failure::{Failure, Outcome};
use crate::text::{counted, plain, size};

/// What a run has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) run: FixityRun,
    /// What is wrong or could not be read.
    pub(super) findings: Vec<Finding>,
}

impl Told {
    fn damaged(&self) -> u64 {
        self.run.mismatched + self.run.missing
    }

    /// How the command ends: damage counts for more than what nobody knows.
    pub(super) fn outcome(&self) -> Result<Outcome, Failure> {
        let run = &self.run;
        if self.damaged() > 0 {
            return Ok(Outcome::NotAllGood);
        }
        if run.unreadable > 0 {
            return Err(Failure::new(format!(
                "not everything was verified: {} could not be read, and {} neither good nor damaged",
                counted(run.unreadable, "object"),
                if run.unreadable == 1 { "is" } else { "are" }
            ))
            .hint("see to the object store, then run the same command again"));
        }
        if !run.finished {
            let why = run.why_waiting.as_deref().unwrap_or("no reason given");
            return Err(Failure::new(format!(
                "not everything was verified in time: {} still to be read ({})",
                counted(run.outstanding, "object"),
                plain(why)
            ))
            .hint(format!(
                "it goes on: `muniment fixity --run {}` waits for it again",
                run.id
            )));
        }
        Ok(Outcome::Good)
    }

    /// Everything, for a person.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for found in &self.findings {
            let _ = writeln!(text, "{}", line(found));
        }
        let run = &self.run;
        let told = self.findings.len() as u64;
        let more = (self.damaged() + run.unreadable).saturating_sub(told);
        if more > 0 {
            let _ = writeln!(text, "… and {more} more");
        }
        let _ = write!(
            text,
            "{}: {}, {}: {} verified, {} damaged, {} missing, {} could not be read",
            run.id,
            counted(run.asked, "object"),
            size(run.bytes),
            run.verified,
            run.mismatched,
            run.missing,
            run.unreadable,
        );
        if run.outstanding > 0 {
            let _ = write!(text, ", {} still to be read", run.outstanding);
        }
        text.push('\n');
        text
    }

    /// Everything, for a program.
    pub(super) fn json(&self) -> Value {
        let run = &self.run;
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|found| {
                json!({
                    "outcome": found.outcome,
                    "detail": found.detail,
                    "reference": found.reference,
                    "path": found.path,
                    "version": found.number,
                    "id": found.id,
                })
            })
            .collect();
        json!({
            "run": run.id,
            "finished": run.finished,
            "asked": run.asked,
            "bytes": run.bytes,
            "verified": run.verified,
            "mismatched": run.mismatched,
            "missing": run.missing,
            "unreadable": run.unreadable,
            "outstanding": run.outstanding,
            "findings": findings,
        })
    }
}

fn line(found: &Finding) -> String {
    let word = match found.outcome {
        Some(FixityOutcome::Mismatch) => "DAMAGED",
        Some(FixityOutcome::Missing) => "MISSING",
        Some(FixityOutcome::Unreadable) => "not read",
        _ => "unknown",
    };
    let what = match (&found.path, found.number) {
        (Some(path), Some(number)) => format!(
            "{}  {}, version {number}",
            plain(&found.reference),
            plain(path)
        ),
        _ => format!("{}  package {}", plain(&found.reference), found.id),
    };
    format!("{word}  {what}: {}", plain(&found.detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(mismatched: u64, unreadable: u64, outstanding: u64) -> Told {
        let asked = 10;
        Told {
            run: FixityRun {
                id: "fixityrun_1".to_owned(),
                asked,
                bytes: 1_234,
                verified: asked - mismatched - unreadable - outstanding,
                mismatched,
                missing: 0,
                unreadable,
                outstanding,
                why_waiting: (outstanding > 0).then(|| "a worker that is free".to_owned()),
                finished: outstanding == 0,
            },
            findings: (0..mismatched)
                .map(|_| Finding {
                    outcome: Some(FixityOutcome::Mismatch),
                    detail: "SHA-256 ff instead of aa".to_owned(),
                    reference: "R-1".to_owned(),
                    path: Some("a\u{1b}[2J.txt".to_owned()),
                    number: Some(2),
                    id: "version_1".to_owned(),
                })
                .collect(),
        }
    }

    #[test]
    fn only_what_was_all_read_and_all_found_ends_with_0() {
        let code = |told: Told| match told.outcome() {
            Ok(outcome) => outcome.code(),
            Err(failure) => failure.code(),
        };
        for (mismatched, unreadable, outstanding, ends) in [
            (0, 0, 0, 0),
            (1, 0, 0, 2),
            (0, 1, 0, 1),
            (0, 0, 1, 1),
            (1, 1, 1, 2),
        ] {
            assert_eq!(code(told(mismatched, unreadable, outstanding)), ends);
        }
    }

    #[test]
    fn what_is_damaged_is_named_and_what_was_not_read_is_counted_apart() {
        let text = told(1, 2, 3).text();
        assert_eq!(
            text,
            "DAMAGED  R-1  a\\u{1b}[2J.txt, version 2: SHA-256 ff instead of aa\n\
             … and 2 more\n\
             fixityrun_1: 10 objects, 1.2 kB: 4 verified, 1 damaged, 0 missing, 2 could not be read, 3 still to be read\n"
        );
    }
}
