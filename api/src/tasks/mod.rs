//! Tasks: a person's work on a record, and what people say about it.
//!
//! Owns the state machine of a task and the limits of its texts. Does not own the record that it is about.
//!
//! Always: a task is seen only by those who may see it under [`store::visible`]; a reader sees what is
//! assigned to them, and nothing else.

pub mod graphql;
pub mod service;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod service_tests;
pub mod store;

use crate::{Error, text};

pub use entity::{
    comment::Model as Comment,
    task::{Model as Task, Status},
};

/// The state machine. `None`: it is in that state already, and nothing is to be done.
pub fn next(from: Status, to: Status) -> Result<Option<Status>, Error> {
    match (from, to) {
        (from, to) if from == to => Ok(None),
        (Status::Open, Status::InProgress)
        | (Status::InProgress, Status::Done | Status::Cancelled)
        | (_, Status::Open) => Ok(Some(to)),
        (from, to) => Err(Error::Precondition(format!(
            "a task that is {} cannot become {}; {}",
            name(from),
            name(to),
            match from {
                Status::Open => "set it to IN_PROGRESS first",
                Status::InProgress | Status::Done | Status::Cancelled => "set it to OPEN first",
            }
        ))),
    }
}

/// As it stands on the wire and in the table.
pub fn name(status: Status) -> &'static str {
    match status {
        Status::Open => "OPEN",
        Status::InProgress => "IN_PROGRESS",
        Status::Done => "DONE",
        Status::Cancelled => "CANCELLED",
    }
}

/// Refuses texts that are too long or hold control characters.
pub fn check_texts(
    title: Option<&str>,
    description: Option<&str>,
    assignee: Option<&str>,
) -> Result<(), Error> {
    for (path, given, limit) in [
        ("input.title", title, text::TITLE),
        ("input.description", description, text::LONG),
        ("input.assignee", assignee, text::NAME),
    ] {
        if let Some(given) = given {
            text::check(path, given, limit)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use sea_orm::Iterable as _;

    use super::*;

    #[test]
    fn the_state_machine_is_the_one_in_the_picture() {
        let mut table = String::new();
        for from in Status::iter() {
            for to in Status::iter() {
                if let Ok(Some(became)) = next(from, to) {
                    assert_eq!(became, to);
                    writeln!(table, "{} -> {}", name(from), name(to)).expect("a String takes it");
                }
            }
        }
        insta::assert_snapshot!(table, @r"
        OPEN -> IN_PROGRESS
        IN_PROGRESS -> OPEN
        IN_PROGRESS -> DONE
        IN_PROGRESS -> CANCELLED
        DONE -> OPEN
        CANCELLED -> OPEN
        ");
    }

    #[test]
    fn the_same_state_again_does_nothing() {
        for status in Status::iter() {
            assert!(matches!(next(status, status), Ok(None)));
        }
    }

    #[test]
    fn a_title_is_not_empty_but_a_description_may_be() {
        assert!(check_texts(Some(" "), None, None).is_err());
        assert!(check_texts(Some("Read it"), Some(""), None).is_ok());
        assert!(check_texts(None, None, Some("")).is_err());
    }
}
