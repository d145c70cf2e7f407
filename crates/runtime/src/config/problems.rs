//! What is said about settings that cannot be used.

use std::collections::BTreeSet;
use std::fmt::{self, Display};

/// One thing that is wrong with one setting. It never holds the setting's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The setting's full name.
    pub name: String,
    /// What is wrong, as the rest of a sentence that begins with the name.
    pub message: String,
}

impl Problem {
    pub(super) fn new(name: &str, message: impl Display) -> Self {
        Self {
            name: name.to_owned(),
            message: message.to_string(),
        }
    }

    pub(super) fn unknown(name: &str, known: &BTreeSet<&'static str>) -> Self {
        /// More slips than this, and the suggestion would be a guess.
        const SLIPS: usize = 3;
        let nearest = known
            .iter()
            .map(|candidate| (distance(name, candidate), candidate))
            .filter(|(distance, _)| *distance <= SLIPS)
            .min();
        match nearest {
            Some((_, candidate)) => {
                Self::new(name, format!("is not known; did you mean {candidate}?"))
            }
            None => Self::new(name, "is not known"),
        }
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.message)
    }
}

/// Everything that is wrong with the settings, at least one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    pub(super) fn check(mut problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() {
            return Ok(());
        }
        problems.sort_by(|a, b| a.name.cmp(&b.name));
        Err(Self(problems))
    }

    /// The problems in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the settings cannot be used:")?;
        self.0
            .iter()
            .try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for Problems {}

/// How many single characters must change to make `a` of `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, right) in b.bytes().enumerate() {
            let substituted = diagonal + usize::from(left != right);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_single_changes() {
        for (a, b, expected) in [
            ("", "", 0),
            ("QUEUE", "QUEUE", 0),
            ("QUEU", "QUEUE", 1),
            ("QEUUE", "QUEUE", 2),
            ("kitten", "sitting", 3),
            ("", "abc", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
        }
    }
}
