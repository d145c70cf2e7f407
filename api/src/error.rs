//! What can go wrong in a service.
//!
//! Owns the kinds of failure, each with what may be told to a client. Does not own their codes on the
//! wire (`graphql::errors`).
//!
//! Always: the inner half of [`Error::Internal`] and [`Error::Unavailable`] is for the log only; nothing
//! here can be displayed to a client by accident, because [`Error`] has no `Display`.

use sea_orm::{DbErr, RuntimeErr, SqlErr, SqlxError};

/// Why a service did not do what was asked.
#[derive(Debug, Clone)]
pub enum Error {
    /// There is no valid token.
    Unauthenticated(String),
    /// The viewer can see the thing, but may not do this to it.
    Forbidden(String),
    /// It is not there, or the viewer may not know that it is.
    NotFound(&'static str),
    /// The input at `path` makes no sense.
    BadInput {
        /// Where in the input, as `input.records.3.path`.
        path: String,
        /// What is wrong, and what would be right.
        message: String,
    },
    /// Somebody else was quicker, or it was done already with another content.
    Conflict(String),
    /// The thing is not in a state that allows this, or `expectedRevision` is not its revision.
    Precondition(String),
    /// The input is larger than may be.
    TooLarge(String),
    /// More was asked for than one request may have.
    Limit(String),
    /// A part that we need does not answer; the same request may succeed later.
    Unavailable(String),
    /// The disk of the database is full.
    Full(String),
    /// A defect of ours.
    Internal(String),
}

impl Error {
    /// The input at `path` makes no sense.
    pub fn input(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::BadInput {
            path: path.into(),
            message: message.into(),
        }
    }

    /// Whether a unique index refused the row.
    pub fn is_unique_violation(error: &DbErr) -> bool {
        matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        match error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(error.to_string()),
            other if is_full(&other) => Self::Full(other.to_string()),
            other => match sql_state(&other).as_deref() {
                // Serialization failure, deadlock; admin shutdown, crash shutdown, cannot connect now.
                Some("40001" | "40P01" | "57P01" | "57P02" | "57P03") => {
                    Self::Unavailable(other.to_string())
                }
                // A character that PostgreSQL cannot keep; a time that it cannot.
                Some("22021" | "22P05") => Self::input(
                    "input",
                    "it contains the character U+0000, which cannot be kept",
                ),
                Some("22008") => Self::input("input", "it contains a time that cannot be kept"),
                _ if is_cut_off(&other) => Self::Unavailable(other.to_string()),
                _ => Self::Internal(other.to_string()),
            },
        }
    }
}

/// The SQLSTATE of what PostgreSQL said (PostgreSQL, Appendix A).
fn sql_state(error: &DbErr) -> Option<String> {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return None;
    };
    let code = error.as_database_error()?.code()?;
    Some(code.into_owned())
}

/// Whether the connection to the database was lost, say because it restarts.
fn is_cut_off(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) =
        error
    else {
        return false;
    };
    matches!(
        **error,
        SqlxError::Io(_)
            | SqlxError::Tls(_)
            | SqlxError::PoolTimedOut
            | SqlxError::PoolClosed
            | SqlxError::WorkerCrashed
    )
}

/// Whether the database says that the disk is full: that passes once there is room again.
fn is_full(error: &DbErr) -> bool {
    let text = error.to_string();
    text.contains("database or disk is full") || text.contains("No space left on device")
}
