//! Why the API did not answer as wanted, and whether asking again may help.

use serde_json::Value;

use crate::failure::chain;
use crate::text::plain;

/// What went wrong between this program and the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ClientError {
    /// No answer came.
    #[error("the server was not reached ({0})")]
    Transport(String),
    /// The answer is no GraphQL answer.
    #[error("the server answered with HTTP status {0}")]
    Status(u16),
    /// The request could not even be made.
    #[error("the request could not be made: {0}")]
    Unsendable(String),
    /// The API says no.
    #[error("{message} ({code})")]
    Refused {
        /// `extensions.code`.
        code: String,
        /// What it says, with the request's id where there is one.
        message: String,
    },
    /// The answer is not what the contract says.
    #[error("the server's answer was not understood: {0}")]
    Malformed(String),
}

impl ClientError {
    /// Whether the same request may be taken later.
    pub(crate) fn is_passing(&self) -> bool {
        const REQUEST_TIMEOUT: u16 = 408;
        const TOO_MANY_REQUESTS: u16 = 429;
        match self {
            Self::Transport(_) => true,
            Self::Status(status) => {
                matches!(*status, REQUEST_TIMEOUT | TOO_MANY_REQUESTS | 500..=599)
            }
            Self::Refused { code, .. } => is_passing_code(code),
            Self::Unsendable(_) | Self::Malformed(_) => false,
        }
    }

    /// Whether the token was not taken.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        match self {
            Self::Status(status) => *status == 401,
            Self::Refused { code, .. } => code == "UNAUTHENTICATED",
            Self::Transport(_) | Self::Unsendable(_) | Self::Malformed(_) => false,
        }
    }

    /// Whether the token does not allow this.
    pub(crate) fn is_forbidden(&self) -> bool {
        match self {
            Self::Status(status) => *status == 403,
            Self::Refused { code, .. } => code == "FORBIDDEN",
            Self::Transport(_) | Self::Unsendable(_) | Self::Malformed(_) => false,
        }
    }

    /// Whether no other request would be answered better.
    pub(crate) fn concerns_all(&self) -> bool {
        self.is_passing() || self.is_unauthenticated() || self.is_forbidden()
    }

    /// Whether what was asked for is not there, or may not be seen.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused { code, .. } if code == "NOT_FOUND")
    }

    /// The first of a GraphQL answer's errors.
    pub(crate) fn from_graphql(errors: &[graphql_client::Error]) -> Option<Self> {
        let error = errors.first()?;
        let extension = |name: &str| {
            let value = error.extensions.as_ref()?.get(name)?;
            value.as_str().map(str::to_owned)
        };
        let mut message = plain(&error.message).into_owned();
        if let Some(request) = extension("requestId") {
            message = format!("{message}, request {}", plain(&request));
        }
        let code = extension("code").unwrap_or_else(|| "UNKNOWN".to_owned());
        Some(Self::Refused { code, message })
    }

    pub(crate) fn from_http(error: reqwest::Error) -> Self {
        let cannot_be_made = error.is_builder();
        // The URL may hold a signature, and the one that matters was given by the user.
        let text = chain(&error.without_url());
        if cannot_be_made {
            Self::Unsendable(text)
        } else {
            Self::Transport(text)
        }
    }

    pub(crate) fn malformed(what: impl std::fmt::Display) -> Self {
        Self::Malformed(what.to_string())
    }
}

/// Whether what was refused with this code may be taken later.
pub(super) fn is_passing_code(code: &str) -> bool {
    matches!(code, "UNAVAILABLE" | "INTERNAL")
}

/// Whether a body is a GraphQL answer at all, whatever its status says.
pub(crate) fn looks_like_graphql(body: &Value) -> bool {
    body.get("data").is_some() || body.get("errors").is_some()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    fn refused(code: &str, message: &str) -> ClientError {
        ClientError::Refused {
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        for (error, passing) in [
            (ClientError::Transport("connection refused".into()), true),
            (ClientError::Status(429), true),
            (ClientError::Status(500), true),
            (ClientError::Status(503), true),
            (ClientError::Status(404), false),
            (ClientError::Status(401), false),
            (refused("UNAVAILABLE", ""), true),
            (refused("INTERNAL", ""), true),
            (refused("UNAUTHENTICATED", ""), false),
            (refused("FORBIDDEN", ""), false),
            (refused("BAD_USER_INPUT", ""), false),
            (refused("CONFLICT", ""), false),
            (refused("SOMETHING_NEW", ""), false),
            (ClientError::Malformed("html".into()), false),
            (ClientError::Unsendable("builder error".into()), false),
        ] {
            assert_eq!(error.is_passing(), passing, "{error}");
        }
    }

    #[test]
    fn a_request_that_cannot_be_made_is_not_taken_for_an_absent_server() {
        let request = reqwest::Client::new().get("http://127.0.0.1/");
        let error = request.header("a", "b\nc").build().unwrap_err();
        let error = ClientError::from_http(error);
        assert!(matches!(error, ClientError::Unsendable(_)), "{error:?}");
    }

    #[test]
    fn the_code_and_the_request_are_taken_from_the_extensions() {
        let errors: Vec<graphql_client::Error> = serde_json::from_value(serde_json::json!([
            {"message": "no\u{1b}", "extensions": {"code": "CONFLICT", "requestId": "r-1"}},
            {"message": "other"},
        ]))
        .unwrap();
        assert_eq!(
            ClientError::from_graphql(&errors),
            Some(refused("CONFLICT", "no\\u{1b}, request r-1"))
        );
        assert_eq!(
            ClientError::from_graphql(&errors[1..]),
            Some(refused("UNKNOWN", "other"))
        );
    }
}
