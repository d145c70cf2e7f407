//! Problems while they are found.
//!
//! Always: every problem is counted; at most the limit is kept, and no error is dropped while a warning is kept.

use crate::{Code, Problem, Severity};

/// Characters of a path or message that are kept: with the bound on their number, this bounds a report.
const TEXT_CHARS: usize = 1_000;

#[derive(Debug)]
pub(super) struct Problems {
    limit: usize,
    errors: Vec<Problem>,
    warnings: Vec<Problem>,
    error_count: u64,
    warning_count: u64,
}

/// Where a problem is.
#[derive(Clone, Copy, Debug)]
pub(super) enum At<'a> {
    Bag,
    File(&'a str),
    Line(&'a str, u64),
}

impl Problems {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            errors: Vec::new(),
            warnings: Vec::new(),
            error_count: 0,
            warning_count: 0,
        }
    }

    pub(super) fn error(&mut self, code: Code, at: At<'_>, message: impl AsRef<str>) {
        self.add(Severity::Error, code, at, message);
    }

    pub(super) fn warn(&mut self, code: Code, at: At<'_>, message: impl AsRef<str>) {
        self.add(Severity::Warning, code, at, message);
    }

    pub(super) fn add(
        &mut self,
        severity: Severity,
        code: Code,
        at: At<'_>,
        message: impl AsRef<str>,
    ) {
        let (kept, count) = match severity {
            Severity::Error => (&mut self.errors, &mut self.error_count),
            Severity::Warning => (&mut self.warnings, &mut self.warning_count),
        };
        *count += 1;
        if kept.len() >= self.limit {
            return;
        }
        let (file, line) = match at {
            At::Bag => (None, None),
            At::File(file) => (Some(file), None),
            At::Line(file, line) => (Some(file), Some(line)),
        };
        kept.push(Problem {
            severity,
            code,
            file: file.map(cut),
            line,
            message: cut(message.as_ref()),
        });
    }

    /// The kept problems, errors first, and the numbers of all errors and warnings.
    pub(super) fn finish(self) -> (Vec<Problem>, u64, u64) {
        let mut kept = self.errors;
        kept.extend(self.warnings);
        kept.sort_by(|a, b| {
            (a.severity, &a.file, a.line, a.code).cmp(&(b.severity, &b.file, b.line, b.code))
        });
        kept.truncate(self.limit);
        (kept, self.error_count, self.warning_count)
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_warnings_hides_no_error() {
        let mut problems = Problems::new(3);
        for _ in 0..10 {
            problems.warn(Code::SystemFile, At::File("data/a"), "w");
        }
        problems.error(Code::FileMissing, At::File("data/b"), "e");
        let (kept, errors, warnings) = problems.finish();
        assert_eq!((errors, warnings), (1, 10));
        let codes: Vec<Code> = kept.iter().map(|p| p.code).collect();
        assert_eq!(
            codes,
            [Code::FileMissing, Code::SystemFile, Code::SystemFile]
        );
    }

    #[test]
    fn texts_are_cut() {
        let mut problems = Problems::new(1);
        let long = "é".repeat(5_000);
        problems.error(Code::FileMissing, At::File(&long), &long);
        let (kept, _, _) = problems.finish();
        assert_eq!(kept[0].message.chars().count(), TEXT_CHARS + 1);
        assert_eq!(kept[0].file, Some(kept[0].message.clone()));
    }
}
