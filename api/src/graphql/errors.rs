//! From a service's error to what a client sees: a code from one table, and a request id.
//!
//! Always: the match is exhaustive; the text of an internal or unavailable error goes to the log only.

use async_graphql::{ErrorExtensionValues, ServerError};

use crate::Error;

/// What a resolver returns. It has no `Display` on purpose: nothing can turn into it but [`Error`].
#[derive(Debug, Clone)]
pub struct ClientError(Error);

/// What resolvers return.
pub type Result<T> = std::result::Result<T, ClientError>;

impl From<Error> for ClientError {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

// The one place where our error becomes the library's; `tests/it/architecture.rs` sees to it.
impl From<ClientError> for async_graphql::Error {
    fn from(error: ClientError) -> Self {
        let seen = Seen::of(error.0);
        let mut extensions = ErrorExtensionValues::default();
        extensions.set("code", seen.code);
        if let Some(path) = seen.path {
            extensions.set("path", path);
        }
        Self {
            message: seen.message,
            source: None,
            extensions: Some(extensions),
        }
    }
}

/// The same for what fails before, or beside, a field.
pub(super) fn server_error(error: Error) -> ServerError {
    async_graphql::Error::from(ClientError::from(error))
        .into_server_error(async_graphql::Pos::default())
}

/// The half of an error that a client may see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// From the table of `domain.md`.
    pub code: &'static str,
    /// For people.
    pub message: String,
    /// Where in the input.
    pub path: Option<String>,
}

impl Seen {
    /// Tells what may be told, and logs the rest.
    pub fn of(error: Error) -> Self {
        let (code, message, path) = match error {
            Error::Unauthenticated(message) => ("UNAUTHENTICATED", message, None),
            Error::Forbidden(message) => ("FORBIDDEN", message, None),
            Error::NotFound(noun) => ("NOT_FOUND", format!("there is no such {noun}"), None),
            Error::BadInput { path, message } => ("BAD_USER_INPUT", message, Some(path)),
            Error::Conflict(message) => ("CONFLICT", message, None),
            Error::Precondition(message) => ("PRECONDITION_FAILED", message, None),
            Error::TooLarge(message) => ("TOO_LARGE", message, None),
            Error::Limit(message) => ("LIMIT_EXCEEDED", message, None),
            Error::Unavailable(inner) => {
                tracing::warn!(error = inner, "unavailable");
                let message = "a part of the system does not answer; try again in a moment";
                ("UNAVAILABLE", message.to_owned(), None)
            }
            Error::Full(inner) => {
                tracing::error!(error = inner, "the disk of the database is full");
                let message = "the disk of the database is full: make room, then try again";
                ("UNAVAILABLE", message.to_owned(), None)
            }
            Error::Internal(inner) => {
                tracing::error!(error = inner, "internal error");
                let message =
                    "something went wrong on our side; the request id names it in the log";
                ("INTERNAL", message.to_owned(), None)
            }
        };
        Self {
            code,
            message,
            path,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_inside_of_an_error_stays_inside() {
        for error in [
            Error::Internal("password=hunter2".into()),
            Error::Unavailable("password=hunter2".into()),
        ] {
            assert!(!Seen::of(error).message.contains("hunter2"));
        }
    }
}
