//! What a person is told at the end.
//!
//! Always: what was not transferred is counted in full and named in part; the outcome is "good"
//! only if every file that was wanted is accepted.

use std::fmt::Write;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::ledger::{Account, Listed};
use super::table;
use super::tally::Tally;
use crate::client::{FoundTransfer, Verdict};
use crate::export::Saved;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::text::{counted, grouped, plain, size};

/// How many of a kind are named.
const NAMED: usize = 20;

/// What became of handing the transfer in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HandingIn {
    /// It was not asked for.
    NotAsked,
    /// It is handed in.
    Done,
    /// It is not, for this reason.
    Held(String),
}

/// Everything there is to tell.
#[derive(Debug)]
pub(crate) struct Summary<'a> {
    /// The transfer.
    pub(crate) transfer: &'a FoundTransfer,
    /// Whether it was handed in.
    pub(crate) handing_in: HandingIn,
    /// What happened on this side.
    pub(crate) account: &'a Account,
    /// The verdicts.
    pub(crate) tally: &'a Tally,
    /// The bag, and where it is.
    pub(crate) bag: Option<(&'a Saved, &'a Path)>,
    /// Whether a bag was asked for.
    pub(crate) bag_wanted: bool,
    /// From the first request to the last verdict.
    pub(crate) took: Duration,
    /// Where everything can be looked at.
    pub(crate) elsewhere: String,
}

impl Summary<'_> {
    /// Whether everything that was wanted is accepted.
    pub(crate) fn outcome(&self) -> Outcome {
        let all_here = self.account.failed.count == 0 && self.account.unread == 0;
        let bag_valid = self.bag.is_none_or(|(saved, _)| saved.problems.is_empty());
        if all_here && bag_valid && self.tally.not_accepted.is_empty() {
            Outcome::Good
        } else {
            Outcome::NotAllGood
        }
    }

    /// Writes it to standard output.
    pub(crate) fn print(&self, as_json: bool) -> Result<(), Failure> {
        if as_json {
            output::line(self.json())
        } else {
            let narrow = std::io::stdout().is_terminal();
            output::text(&self.text(narrow))
        }
    }

    fn text(&self, narrow: bool) -> String {
        let mut text = String::new();
        if !self.tally.rows.is_empty() {
            text.push_str(&table::render(&self.tally.rows, narrow));
            text.push('\n');
        }
        let _ = self.remarks(&mut text);
        text
    }

    fn remarks(&self, text: &mut String) -> std::fmt::Result {
        let (account, tally) = (self.account, self.tally);
        listed(text, "not transferred", &account.failed, |failed| {
            (&failed.path, failed.reason.clone())
        })?;
        listed(text, "left out", &account.left_out, |left| {
            (&left.path, left.reason.to_string())
        })?;
        listed(text, "name spelt out", &account.spelt_out, |path| {
            let why = "it is not UTF-8; its bytes are in the record's metadata";
            (path, why.to_owned())
        })?;
        writeln!(text, "{}", self.verdicts())?;
        if !tally.complete {
            let shown = tally.rows.len() as u64;
            let problems = tally.records - tally.accepted();
            if shown < problems {
                writeln!(text, "shown: {} of {}", grouped(shown), grouped(problems))?;
            }
            writeln!(text, "every file: {}", self.everywhere())?;
        }
        self.bag_line(text)?;
        match &self.handing_in {
            HandingIn::NotAsked => {}
            HandingIn::Done => writeln!(text, "the transfer is handed in and takes no more files")?,
            HandingIn::Held(why) => {
                writeln!(
                    text,
                    "not handed in, because of {why}; run the same command again"
                )?;
            }
        }
        writeln!(text, "{}", self.speed())
    }

    fn verdicts(&self) -> String {
        let mut parts = vec![format!("{} accepted", grouped(self.tally.accepted()))];
        for (status, count) in &self.tally.not_accepted {
            parts.push(format!("{} {}", grouped(*count), table::verdict(*status)));
        }
        format!(
            "transfer {}: {}, {}",
            plain(&self.transfer.reference),
            counted(self.tally.records, "file"),
            parts.join(", ")
        )
    }

    fn everywhere(&self) -> String {
        format!(
            "{}, query {{ transfer(id: \"{}\") {{ records(first: 100) {{ nodes {{ path }} }} }} }}",
            self.elsewhere, self.transfer.id
        )
    }

    fn bag_line(&self, text: &mut String) -> std::fmt::Result {
        let Some((saved, path)) = self.bag else {
            if self.bag_wanted {
                writeln!(text, "no bag is written, because nothing was accepted")?;
            }
            return Ok(());
        };
        let path = plain(&path.to_string_lossy()).into_owned();
        writeln!(text, "{path}: {}", saved.describe())?;
        if !self.tally.not_accepted.is_empty() {
            writeln!(text, "  it contains what was accepted, and nothing else")?;
        }
        saved.problem_lines(text)
    }

    fn speed(&self) -> String {
        let account = self.account;
        let seconds = self.took.as_secs_f64().max(0.001);
        let files = account.uploaded + account.already_there;
        #[expect(
            clippy::cast_precision_loss,
            reason = "a speed is rounded to a tenth anyway"
        )]
        let (files_a_second, megabytes_a_second) = (
            files as f64 / seconds,
            account.bytes as f64 / 1_000_000.0 / seconds,
        );
        format!(
            "{} uploaded, {} there already, {} in {seconds:.1} s: {files_a_second:.1} files/s, {megabytes_a_second:.1} MB/s",
            grouped(account.uploaded),
            grouped(account.already_there),
            size(account.bytes),
        )
    }

    fn json(&self) -> Value {
        let (account, tally) = (self.account, self.tally);
        let not_accepted: serde_json::Map<String, Value> = tally
            .not_accepted
            .iter()
            .map(|(status, count)| (word(*status), json!(count)))
            .collect();
        let left_out = account.left_out.first.iter().map(
            |left| json!({ "path": left.path, "reason": left.reason.to_string(), "unread": left.reason.is_serious() }),
        );
        let failed = account
            .failed
            .first
            .iter()
            .map(|failed| json!({ "path": failed.path, "reason": failed.reason }));
        let held = match &self.handing_in {
            HandingIn::Held(why) => Some(why),
            HandingIn::NotAsked | HandingIn::Done => None,
        };
        json!({
            "transfer": {
                "id": self.transfer.id,
                "reference": self.transfer.reference,
                "submitted": self.handing_in == HandingIn::Done,
                "notSubmittedBecauseOf": held,
            },
            "files": tally.records,
            "accepted": tally.accepted(),
            "notAccepted": not_accepted,
            "verdicts": tally.rows.iter().map(row).collect::<Vec<_>>(),
            "verdictsComplete": tally.complete,
            "uploaded": account.uploaded,
            "alreadyThere": account.already_there,
            "bytes": account.bytes,
            "notTransferred": { "count": account.failed.count, "first": failed.collect::<Vec<_>>() },
            "leftOut": { "count": account.left_out.count, "first": left_out.collect::<Vec<_>>() },
            "bag": self.bag.map(|(saved, path)| saved.json(path)),
            "seconds": self.took.as_secs_f64(),
            "exitCode": self.outcome().code(),
        })
    }
}

fn row(verdict: &Verdict) -> Value {
    json!({
        "path": verdict.path,
        "record": verdict.reference,
        "version": verdict.number,
        "size": verdict.size,
        "status": word(verdict.status),
        "puid": verdict.format.as_ref().map(|format| &format.puid),
        "format": verdict.format.as_ref().map(|format| &format.name),
        "checks": verdict.checks.iter().map(|check| (check.kind.clone(), json!(check.status))).collect::<serde_json::Map<_, _>>(),
        "remarks": table::remarks(verdict),
    })
}

/// The API's word.
fn word(status: impl serde::Serialize) -> String {
    match serde_json::to_value(status) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

fn listed<T>(
    text: &mut String,
    title: &str,
    list: &Listed<T>,
    tell: impl Fn(&T) -> (&String, String),
) -> std::fmt::Result {
    if list.count == 0 {
        return Ok(());
    }
    writeln!(text, "{title}: {}", grouped(list.count))?;
    for item in list.first.iter().take(NAMED) {
        let (path, reason) = tell(item);
        writeln!(text, "  {}: {}", plain(path), plain(&reason))?;
    }
    let rest = list.count - list.first.len().min(NAMED) as u64;
    if rest > 0 {
        writeln!(text, "  and {} more", grouped(rest))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::super::ledger::Failed;
    use super::super::walk::{LeftOut, Reason};
    use super::*;
    use crate::client::{TransferStatus, VersionStatus};

    fn told(account: &Account, tally: &Tally) -> (String, Outcome) {
        let transfer = FoundTransfer {
            id: "transfer_1".to_owned(),
            reference: "T-7".to_owned(),
            status: TransferStatus::Open,
            created_at: DateTime::UNIX_EPOCH,
        };
        let summary = Summary {
            transfer: &transfer,
            handing_in: HandingIn::NotAsked,
            account,
            tally,
            bag: None,
            bag_wanted: false,
            took: Duration::from_secs(2),
            elsewhere: "http://127.0.0.1/graphiql".to_owned(),
        };
        (summary.text(false), summary.outcome())
    }

    fn accepted(records: u64) -> Tally {
        Tally {
            records,
            complete: true,
            ..Tally::default()
        }
    }

    fn left(reason: Reason) -> Account {
        let mut account = Account {
            unread: u64::from(reason.is_serious()),
            ..Account::default()
        };
        let path = "a".to_owned();
        account.left_out.push(LeftOut { path, reason });
        account
    }

    #[test]
    fn only_when_all_that_was_wanted_is_accepted_is_it_good() {
        let good = Account::default();
        let mut failed = Account::default();
        failed.failed.push(Failed {
            path: "a".to_owned(),
            reason: "no".to_owned(),
        });
        let mut reviewed = accepted(3);
        reviewed.not_accepted.push((VersionStatus::NeedsReview, 1));
        for (account, tally, outcome) in [
            (&good, &accepted(3), Outcome::Good),
            (&left(Reason::SymbolicLink), &accepted(3), Outcome::Good),
            (&left(Reason::SystemFile), &accepted(3), Outcome::Good),
            (
                &left(Reason::Unreadable("no".to_owned())),
                &accepted(3),
                Outcome::NotAllGood,
            ),
            (&failed, &accepted(3), Outcome::NotAllGood),
            (&good, &reviewed, Outcome::NotAllGood),
        ] {
            assert_eq!(told(account, tally).1, outcome);
        }
    }

    #[test]
    fn long_lists_are_named_in_part_and_counted_in_full() {
        let mut account = Account::default();
        for number in 0..1_500 {
            account.failed.push(Failed {
                path: format!("{number}.txt"),
                reason: "the server said no".to_owned(),
            });
        }
        let (text, _) = told(&account, &accepted(1));
        assert!(text.contains("not transferred: 1,500\n"), "{text}");
        assert!(text.contains("and 1,480 more"), "{text}");
        assert!(text.lines().count() < 30);
    }

    #[test]
    fn a_large_transfer_says_where_every_file_is_to_be_found() {
        let tally = Tally {
            records: 10_000,
            not_accepted: vec![(VersionStatus::Rejected, 2)],
            ..Tally::default()
        };
        let (text, _) = told(&Account::default(), &tally);
        assert!(
            text.contains("transfer T-7: 10,000 files, 9,998 accepted, 2 REJECTED"),
            "{text}"
        );
        assert!(
            text.contains("every file: http://127.0.0.1/graphiql"),
            "{text}"
        );
    }
}
