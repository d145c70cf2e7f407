//! How a command ends.
//!
//! Owns the exit codes and the text that a person reads when something went wrong. Does not
//! own finding out what went wrong.
//!
//! Always: 0 means that everything asked for is done and good, 2 that it is done and something
//! in it is not good, 1 that it could not be done, 130 that it was interrupted.

use std::fmt;
use std::process::ExitCode;

/// How a command that could be carried out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Everything is good.
    Good,
    /// The work is done, and something in it is refused, incomplete or left out.
    NotAllGood,
}

impl Outcome {
    /// The number that the shell sees.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Good => 0,
            Self::NotAllGood => 2,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        outcome.code().into()
    }
}

/// Why a command could not be carried out, in words for the person who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    message: String,
    hint: Option<String>,
    code: u8,
}

impl Failure {
    /// A failure, told in one sentence.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hint: None,
            code: 1,
        }
    }

    /// What the person can do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The person stopped the command.
    pub(crate) fn interrupted() -> Self {
        Self {
            message: "interrupted".to_owned(),
            hint: None,
            code: 130,
        }
    }

    /// The number that the shell sees.
    pub(crate) fn code(&self) -> u8 {
        self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, "\n  {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

/// An error with the errors behind it, which name what really happened.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        source = inner.source();
    }
    text
}

/// What the operating system said, in the words of a person where there are any.
pub(crate) fn io_reason(error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "the disk is full".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        ErrorKind::NotFound => "not found".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_to_end_has_its_own_code() {
        let codes = [
            Outcome::Good.code(),
            Failure::new("no").code(),
            Outcome::NotAllGood.code(),
            Failure::interrupted().code(),
        ];
        assert_eq!(codes, [0, 1, 2, 130]);
    }

    #[test]
    fn a_hint_stands_on_a_line_of_its_own() {
        let failure = Failure::new("it is dark").hint("light a candle");
        assert_eq!(failure.to_string(), "it is dark\n  light a candle");
    }

    #[test]
    fn a_full_disk_is_called_that() {
        let error = std::io::Error::from(std::io::ErrorKind::StorageFull);
        assert_eq!(io_reason(&error), "the disk is full");
    }
}
