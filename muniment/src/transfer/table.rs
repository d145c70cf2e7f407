//! The table of verdicts.
//!
//! Owns what each column says, and the layout. Does not own which rows there are (`tally`).
//!
//! Always: "not scanned" is never called clean; a remark that many rows share is written out
//! once, below, and each row refers to it.

use std::collections::BTreeMap;

use crate::client::{CheckStatus, Format, Verdict, VersionStatus};
use crate::text::{plain, shortened, width};

const HEADINGS: [&str; 5] = ["file", "verdict", "format", "virus scan", "remarks"];
/// A remark that this many rows share is written out once, below.
const SHARED: usize = 3;
/// The widest that columns become on a terminal.
const WIDEST: [usize; 5] = [48, 14, 44, 24, usize::MAX];

/// What the shell and a person call a verdict.
pub(crate) fn verdict(status: VersionStatus) -> &'static str {
    match status {
        VersionStatus::AwaitingUpload => "not uploaded",
        VersionStatus::Checking => "being checked",
        VersionStatus::Accepted => "accepted",
        VersionStatus::Rejected => "REJECTED",
        VersionStatus::Quarantined => "QUARANTINED",
        VersionStatus::NeedsReview => "needs review",
        VersionStatus::Abandoned => "never uploaded",
        VersionStatus::Unknown => "unknown",
    }
}

/// Lays the rows out; `narrow` shortens what is long.
pub(crate) fn render(rows: &[Verdict], narrow: bool) -> String {
    let mut notes = Notes::of(rows);
    let cells: Vec<[String; 5]> = rows
        .iter()
        .map(|row| {
            let mut cells = [
                name(row),
                verdict(row.status).to_owned(),
                row.format.as_ref().map_or_else(|| "–".to_owned(), format),
                scan(row),
                notes.cell(row),
            ];
            if narrow {
                for (cell, limit) in cells.iter_mut().zip(WIDEST) {
                    *cell = shortened(cell, limit).into_owned();
                }
            }
            cells
        })
        .collect();
    let mut text = lines(&cells);
    for (number, note) in notes.written_out() {
        text.push_str(&format!("[{number}] {note}\n"));
    }
    text
}

fn lines(cells: &[[String; 5]]) -> String {
    let headings = HEADINGS.map(str::to_owned);
    let mut widths = [0; 5];
    for row in std::iter::once(&headings).chain(cells) {
        for (widest, cell) in widths.iter_mut().zip(row) {
            *widest = width(cell).max(*widest);
        }
    }
    let mut text = line(&headings, &widths);
    let rules = widths.map(|width| "─".repeat(width));
    text.push_str(&line(&rules, &widths));
    for row in cells {
        text.push_str(&line(row, &widths));
    }
    text
}

fn line(cells: &[String; 5], widths: &[usize; 5]) -> String {
    let mut text = String::new();
    for (cell, widest) in cells.iter().zip(widths) {
        text.push_str(cell);
        let padding = widest.saturating_sub(width(cell)) + 2;
        text.extend(std::iter::repeat_n(' ', padding));
    }
    text.truncate(text.trim_end().len());
    text.push('\n');
    text
}

fn name(row: &Verdict) -> String {
    let path = plain(&row.path);
    if row.number > 1 {
        format!("{path} (version {})", row.number)
    } else {
        path.into_owned()
    }
}

fn format(format: &Format) -> String {
    let mut text = format!("{} {}", plain(&format.puid), plain(&format.name));
    // Many of PRONOM's names hold the version already.
    if !format.name.contains(&format.version) {
        text.push(' ');
        text.push_str(&plain(&format.version));
    }
    text
}

fn scan(row: &Verdict) -> String {
    const ANTIVIRUS: &str = contract::checks::ANTIVIRUS;
    let Some(check) = row.checks.iter().find(|check| check.kind == ANTIVIRUS) else {
        return "–".to_owned();
    };
    match check.status {
        CheckStatus::Passed => "clean".to_owned(),
        CheckStatus::Failed => match &check.detail {
            Some(detail) => plain(detail).into_owned(),
            None => "malware".to_owned(),
        },
        CheckStatus::Inconclusive => "not scanned".to_owned(),
        CheckStatus::Pending | CheckStatus::Running => "not yet".to_owned(),
        CheckStatus::Unknown => "unknown".to_owned(),
    }
}

/// What is remarkable about a row. What a longer remark says too is left out.
pub(crate) fn remarks(row: &Verdict) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    let format = row.format.iter().flat_map(|format| &format.warnings);
    let said = row.reasons.iter().chain(&row.warnings).chain(format);
    for remark in said.chain(&row.note).chain(&row.why_waiting) {
        let remark = plain(remark).into_owned();
        if !all.iter().any(|known| known.contains(&remark)) {
            all.retain(|known| !remark.contains(known.as_str()));
            all.push(remark);
        }
    }
    all
}

/// Remarks that many rows share, numbered in the order of their first appearance.
struct Notes {
    uses: BTreeMap<String, usize>,
    numbers: Vec<String>,
}

impl Notes {
    fn of(rows: &[Verdict]) -> Self {
        let mut uses = BTreeMap::new();
        for remark in rows.iter().flat_map(remarks) {
            *uses.entry(remark).or_default() += 1;
        }
        let numbers = Vec::new();
        Self { uses, numbers }
    }

    fn cell(&mut self, row: &Verdict) -> String {
        let (mut marks, mut texts) = (String::new(), Vec::new());
        for remark in remarks(row) {
            if self.uses.get(&remark).is_some_and(|uses| *uses >= SHARED) {
                marks.push_str(&format!("[{}]", self.number(remark)));
            } else {
                texts.push(remark);
            }
        }
        if !marks.is_empty() {
            texts.push(marks);
        }
        texts.join("; ")
    }

    fn number(&mut self, remark: String) -> usize {
        if let Some(index) = self.numbers.iter().position(|known| *known == remark) {
            index + 1
        } else {
            self.numbers.push(remark);
            self.numbers.len()
        }
    }

    fn written_out(&self) -> impl Iterator<Item = (usize, &String)> {
        self.numbers
            .iter()
            .zip(1..)
            .map(|(note, number)| (number, note))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Check;

    fn row(path: &str, status: VersionStatus) -> Verdict {
        Verdict {
            reference: "M-1".to_owned(),
            path: path.to_owned(),
            number: 1,
            status,
            size: 1,
            note: None,
            why_waiting: None,
            format: None,
            checks: Vec::new(),
            reasons: Vec::new(),
            warnings: Vec::new(),
        }
    }

    fn scanned(status: CheckStatus, detail: Option<&str>) -> Vec<Check> {
        vec![Check {
            kind: "ANTIVIRUS".to_owned(),
            status,
            detail: detail.map(str::to_owned),
        }]
    }

    #[test]
    fn each_kind_of_verdict_has_its_row() {
        let rows = [
            Verdict {
                format: Some(Format {
                    puid: "fmt/18".to_owned(),
                    name: "Acrobat PDF 1.4".to_owned(),
                    version: "1.4".to_owned(),
                    warnings: Vec::new(),
                }),
                checks: scanned(CheckStatus::Passed, None),
                ..row("deeds/été 1923.pdf", VersionStatus::Accepted)
            },
            Verdict {
                reasons: vec!["the file is empty".to_owned()],
                number: 2,
                ..row("empty.txt", VersionStatus::Rejected)
            },
            Verdict {
                checks: scanned(CheckStatus::Failed, Some("Eicar-Test-Signature")),
                ..row("eicar.com", VersionStatus::Quarantined)
            },
            Verdict {
                checks: scanned(CheckStatus::Inconclusive, None),
                note: Some("sent twice".to_owned()),
                ..row("目録.zip", VersionStatus::NeedsReview)
            },
        ];
        let table = render(&rows, false);
        let expected = "\
file                   verdict       format                  virus scan            remarks
─────────────────────  ────────────  ──────────────────────  ────────────────────  ─────────────────
deeds/été 1923.pdf     accepted      fmt/18 Acrobat PDF 1.4  clean
empty.txt (version 2)  REJECTED      –                       –                     the file is empty
eicar.com              QUARANTINED   –                       Eicar-Test-Signature
目録.zip               needs review  –                       not scanned           sent twice
";
        assert_eq!(table, expected);
    }

    #[test]
    fn a_remark_that_many_rows_share_is_written_out_once() {
        let shared = |path: &str| Verdict {
            warnings: vec!["not scanned: no engine is configured".to_owned()],
            ..row(path, VersionStatus::Accepted)
        };
        let rows = [shared("a"), shared("b"), shared("c")];
        let table = render(&rows, false);
        assert_eq!(table.matches("no engine is configured").count(), 1);
        assert!(table.ends_with("[1] not scanned: no engine is configured\n"));
        assert_eq!(table.matches("[1]").count(), 4);
    }

    #[test]
    fn what_a_longer_remark_says_too_is_left_out() {
        let said = |remarks: [&str; 2]| remarks.map(str::to_owned).to_vec();
        let row = Verdict {
            reasons: said(["the file is empty", "FORMAT failed: the file is empty"]),
            warnings: said(["the file is empty", "it has no name"]),
            ..row("a", VersionStatus::Rejected)
        };
        let left = ["FORMAT failed: the file is empty", "it has no name"];
        assert_eq!(remarks(&row), left);
    }

    #[test]
    fn what_was_not_looked_at_is_never_clean() {
        for status in [
            CheckStatus::Inconclusive,
            CheckStatus::Pending,
            CheckStatus::Running,
            CheckStatus::Failed,
            CheckStatus::Unknown,
        ] {
            let checks = scanned(status, None);
            let row = Verdict {
                checks,
                ..row("a", VersionStatus::Accepted)
            };
            assert_ne!(scan(&row), "clean", "{status:?}");
        }
        assert_ne!(scan(&row("a", VersionStatus::Accepted)), "clean");
    }

    #[test]
    fn a_hostile_name_stays_on_its_line() {
        let table = render(&[row("a\n\u{1b}[31mb", VersionStatus::Accepted)], true);
        assert_eq!(table.lines().count(), 3);
        assert!(!table.contains('\u{1b}'));
    }
}
