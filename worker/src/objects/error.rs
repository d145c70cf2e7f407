//! What went wrong at the object store.

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};

/// Why the object store did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ObjectError {
    /// There is no such object.
    #[error("the object is not there")]
    Missing,
    /// The object is not the one that was meant, or no longer.
    #[error("the object has changed")]
    Changed,
    /// The range begins after the object's end.
    #[error("the object ends before this range")]
    OutOfRange,
    /// The store was reached and refuses.
    #[error("the object store refuses ({status}): {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The store's code and message.
        message: String,
    },
    /// The store has no room.
    #[error("the object store has no space left")]
    Full,
    /// The store was not reached, or could not answer now.
    #[error("the object store does not answer: {0}")]
    Unavailable(String),
}

impl ObjectError {
    /// Whether the same request may succeed in a moment.
    pub(crate) fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether it may say that there is no such object. S3 says 403 of a missing one to those who may not list at
    /// large, and 404 also of a bucket or an upload; [`super::Objects::is_listed`] tells.
    pub(crate) fn may_mean_missing(&self) -> bool {
        matches!(self, Self::Missing | Self::Refused { status: 403, .. })
    }

    pub(crate) fn unexpected(what: &str) -> Self {
        Self::Unavailable(format!("it answered with {what}"))
    }
}

impl<E> From<SdkError<E, HttpResponse>> for ObjectError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    fn from(error: SdkError<E, HttpResponse>) -> Self {
        let status = error.raw_response().map(|raw| raw.status().as_u16());
        match status {
            Some(404) => Self::Missing,
            Some(412) => Self::Changed,
            Some(416) => Self::OutOfRange,
            // RFC 4918, section 11.5; the embedded store says so.
            Some(507) => Self::Full,
            // 409: another request on the same key is in flight (conditional writes and copies).
            Some(status @ 400..=499) if !matches!(status, 408 | 409 | 429) => Self::Refused {
                status,
                message: match (error.code(), error.message()) {
                    (Some(code), Some(message)) => format!("{code}: {message}"),
                    (Some(code), None) => code.to_owned(),
                    _ => "no reason given".to_owned(),
                },
            },
            _ => {
                // Addresses and causes are for the log; people see what follows.
                tracing::debug!(error = %DisplayErrorContext(&error), "the object store");
                Self::Unavailable(match status {
                    Some(status) => format!("HTTP status {status}"),
                    None => "it was not reached in time".to_owned(),
                })
            }
        }
    }
}
