//! Why the API did not answer as wanted, and whether asking again may help.

use serde_json::Value;

/// What went wrong between the worker and the API.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No answer came.
    #[error("the API was not reached: {0}")]
    Transport(String),
    /// There is no token to ask with.
    #[error("no token for the API: {0}")]
    Token(String),
    /// The answer is no GraphQL answer.
    #[error("the API answered with HTTP status {0}")]
    Status(u16),
    /// The API says no.
    #[error("the API answered {code}: {message}")]
    Refused {
        /// `extensions.code`.
        code: String,
        /// What it says, with the request's id where there is one.
        message: String,
    },
    /// The answer is not what the contract says.
    #[error("the API's answer was not understood: {0}")]
    Malformed(String),
}

/// The codes that say: the same request will never be taken.
const FINAL: [&str; 3] = ["BAD_USER_INPUT", "CONFLICT", "NOT_FOUND"];

impl ApiError {
    /// Whether the same request may be taken later. What is not known is tried again: the
    /// job's attempts are counted, so this ends.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { code, .. } => !FINAL.contains(&code.as_str()),
            Self::Transport(_) | Self::Token(_) | Self::Status(_) | Self::Malformed(_) => true,
        }
    }

    /// Whether any other request would have had the same answer now.
    pub(crate) fn concerns_all(&self) -> bool {
        match self {
            Self::Transport(_) | Self::Token(_) | Self::Status(_) => true,
            Self::Refused { code, .. } => {
                matches!(
                    code.as_str(),
                    "UNAVAILABLE" | "UNAUTHENTICATED" | "FORBIDDEN"
                )
            }
            Self::Malformed(_) => false,
        }
    }

    /// Whether the API is of a version that has no input field of this name.
    pub(crate) fn knows_no(&self, field: &str) -> bool {
        let unknown = format!("unknown field \"{field}\"");
        matches!(self, Self::Refused { message, .. } if message.contains(&unknown))
    }

    /// Whether the token was not taken.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        match self {
            Self::Status(status) => *status == 401,
            Self::Refused { code, .. } => code == "UNAUTHENTICATED",
            Self::Transport(_) | Self::Token(_) | Self::Malformed(_) => false,
        }
    }

    /// The first of a GraphQL answer's errors.
    pub(crate) fn from_graphql(errors: &[graphql_client::Error]) -> Option<Self> {
        let error = errors.first()?;
        let extension = |name: &str| {
            let value = error.extensions.as_ref()?.get(name)?;
            value.as_str().map(str::to_owned)
        };
        let mut message = error.message.clone();
        if let Some(request) = extension("requestId") {
            message = format!("{message} (request {request})");
        }
        Some(Self::Refused {
            code: extension("code").unwrap_or_else(|| "UNKNOWN".to_owned()),
            message,
        })
    }

    pub(crate) fn from_http(error: &reqwest::Error) -> Self {
        // The inner error names what happened ("connection refused"); the outer only the URL.
        let mut text = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(inner) = source {
            text = format!("{text}: {inner}");
            source = inner.source();
        }
        Self::Transport(text)
    }

    pub(crate) fn malformed(what: impl std::fmt::Display) -> Self {
        Self::Malformed(what.to_string())
    }

    /// An error of the given code, as a fake API would answer it.
    pub fn refused(code: &str, message: &str) -> Self {
        Self::Refused {
            code: code.to_owned(),
            message: message.to_owned(),
        }
    }
}

/// Whether a body is a GraphQL answer at all, whatever its status says.
pub(crate) fn looks_like_graphql(body: &Value) -> bool {
    body.get("data").is_some() || body.get("errors").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_will_never_be_taken_is_final() {
        for (error, retryable) in [
            (ApiError::refused("UNAVAILABLE", ""), true),
            (ApiError::refused("INTERNAL", ""), true),
            (ApiError::refused("UNAUTHENTICATED", ""), true),
            (ApiError::refused("FORBIDDEN", ""), true),
            (ApiError::refused("SOMETHING_NEW", ""), true),
            (ApiError::refused("BAD_USER_INPUT", ""), false),
            (ApiError::refused("CONFLICT", ""), false),
            (ApiError::refused("NOT_FOUND", ""), false),
            (ApiError::Status(401), true),
            (ApiError::Status(403), true),
            (ApiError::Status(502), true),
            (ApiError::Transport("refused".into()), true),
            (ApiError::Malformed("html".into()), true),
        ] {
            assert_eq!(error.is_retryable(), retryable, "{error}");
        }
    }

    #[test]
    fn the_code_and_the_request_are_taken_from_the_extensions() {
        let errors: Vec<graphql_client::Error> = serde_json::from_value(serde_json::json!([
            {"message": "no", "extensions": {"code": "CONFLICT", "requestId": "r-1"}},
            {"message": "other"},
        ]))
        .unwrap_or_default();
        assert_eq!(
            ApiError::from_graphql(&errors),
            Some(ApiError::refused("CONFLICT", "no (request r-1)"))
        );
        assert_eq!(
            ApiError::from_graphql(&errors[1..]),
            Some(ApiError::refused("UNKNOWN", "other"))
        );
    }
}
