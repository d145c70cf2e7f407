//! Why the object store does not take or give bytes.

use crate::failure::chain;
use crate::text::plain;

/// What went wrong between this program and the object store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StoreError {
    /// No answer came, or it broke off.
    #[error("the object store was not reached ({0})")]
    Transport(String),
    /// It broke off the request in its middle. Its answer, if it gave one, was lost with that.
    #[error("the object store broke off the upload ({0})")]
    BrokenOff(String),
    /// It cannot answer now.
    #[error("the object store answered with HTTP status {0}")]
    Busy(u16),
    /// It has no room.
    #[error("the object store has no space left")]
    Full,
    /// The presigned URL is no longer good.
    #[error("the object store does not take the upload address: {0}")]
    Expired(String),
    /// The bytes do not have the signed digest or length.
    #[error("the object store refused the bytes: {0}")]
    Digest(String),
    /// The bytes are there already.
    #[error("the object store has it already")]
    AlreadyThere,
    /// It says no.
    #[error("the object store answered with HTTP status {status}: {reason}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code and message.
        reason: String,
    },
    /// The file to be sent cannot be read.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// The file to be sent is not as it was.
    #[error("the file changed while it was read: {0}")]
    FileChanged(String),
    /// The API gave something that is no request.
    #[error("the server gave an unusable upload address: {0}")]
    Request(String),
}

impl StoreError {
    /// Whether the same request may be taken later.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(
            self,
            Self::Transport(_) | Self::BrokenOff(_) | Self::Busy(_)
        )
    }

    pub(super) fn from_http(error: reqwest::Error) -> Self {
        if error.is_builder() {
            return Self::request(error.without_url());
        }
        let broken_off = is_broken_off(&error);
        // The URL holds a signature.
        let text = chain(&error.without_url());
        if broken_off {
            Self::BrokenOff(text)
        } else {
            Self::Transport(text)
        }
    }

    pub(super) fn request(error: impl std::fmt::Display) -> Self {
        Self::Request(error.to_string())
    }

    pub(super) fn silent() -> Self {
        Self::Transport("nothing came for a minute".to_owned())
    }

    pub(super) fn stalled() -> Self {
        Self::Transport("nothing was taken for a minute".to_owned())
    }

    pub(super) async fn of(response: reqwest::Response) -> Self {
        let status = response.status().as_u16();
        Self::from_answer(status, &super::beginning(response).await)
    }

    /// What an answer of S3's means.
    fn from_answer(status: u16, xml: &str) -> Self {
        let code = element(xml, "Code").unwrap_or_default();
        let message = element(xml, "Message").unwrap_or_default();
        let reason = match (code, message) {
            ("", "") => "no reason given".to_owned(),
            (code, "") => plain(code).into_owned(),
            (code, message) => format!("{} ({})", plain(message), plain(code)),
        };
        match (status, code) {
            (
                _,
                "BadDigest"
                | "InvalidDigest"
                | "XAmzContentSHA256Mismatch"
                | "XAmzContentChecksumMismatch"
                | "IncompleteBody",
            ) => Self::Digest(reason),
            (412, _) | (_, "PreconditionFailed") => Self::AlreadyThere,
            (507, _) | (_, "InsufficientStorage" | "StorageFull") => Self::Full,
            (_, "RequestTimeout" | "SlowDown") | (408 | 429 | 500..=599, _) => Self::Busy(status),
            (401 | 403, _) | (_, "ExpiredToken" | "RequestExpired") => Self::Expired(reason),
            _ => Self::Refused { status, reason },
        }
    }
}

/// Whether the other side closed a connection that it had taken.
fn is_broken_off(error: &reqwest::Error) -> bool {
    use std::io::ErrorKind;
    let sources = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let mut kinds = sources
        .filter_map(|error| error.downcast_ref::<std::io::Error>())
        .map(std::io::Error::kind);
    !error.is_connect()
        && kinds.any(|kind| matches!(kind, ErrorKind::BrokenPipe | ErrorKind::ConnectionReset))
}

fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, code: &str) -> StoreError {
        StoreError::from_answer(
            status,
            &format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>"),
        )
    }

    #[test]
    fn each_refusal_is_told_from_the_others() {
        let text = String::from;
        for (status, code, meaning) in [
            (400, "BadDigest", StoreError::Digest(text("BadDigest"))),
            (
                400,
                "XAmzContentSHA256Mismatch",
                StoreError::Digest(text("XAmzContentSHA256Mismatch")),
            ),
            (400, "RequestTimeout", StoreError::Busy(400)),
            (
                403,
                "AccessDenied",
                StoreError::Expired(text("AccessDenied")),
            ),
            (412, "PreconditionFailed", StoreError::AlreadyThere),
            (429, "", StoreError::Busy(429)),
            (500, "InternalError", StoreError::Busy(500)),
            (503, "SlowDown", StoreError::Busy(503)),
            (507, "", StoreError::Full),
            (
                404,
                "NoSuchUpload",
                StoreError::Refused {
                    status: 404,
                    reason: text("NoSuchUpload"),
                },
            ),
        ] {
            assert_eq!(answer(status, code), meaning);
        }
    }

    #[test]
    fn an_answer_without_xml_is_understood_by_its_status() {
        assert_eq!(
            StoreError::from_answer(502, "<html>"),
            StoreError::Busy(502)
        );
        assert_eq!(
            StoreError::from_answer(403, ""),
            StoreError::Expired("no reason given".to_owned())
        );
    }

    #[test]
    fn only_what_may_pass_is_tried_again() {
        let passing = [
            StoreError::Transport("reset".to_owned()),
            StoreError::Busy(503),
        ];
        assert!(passing.iter().all(StoreError::is_passing));
        let lasting = [
            StoreError::Full,
            StoreError::AlreadyThere,
            StoreError::Expired(String::new()),
            StoreError::Digest(String::new()),
            StoreError::FileChanged(String::new()),
        ];
        assert!(!lasting.iter().any(StoreError::is_passing));
    }
}
