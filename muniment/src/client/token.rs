//! What proves to a server who we are.
//!
//! Owns where it comes from, and reading its expiry for a message. Does not own trusting it: the server does that.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use runtime::secrecy::{ExposeSecret as _, SecretString};

use super::ClientError;
use crate::failure::Failure;

/// A token, or where the newest one is.
#[derive(Debug, Clone)]
pub(crate) enum Token {
    /// It stays the same.
    Fixed(SecretString),
    /// Somebody renews it: it is read again for each request.
    File(PathBuf),
}

impl Token {
    /// As somebody gave it.
    pub(crate) fn given(text: &str) -> Result<Self, Failure> {
        match checked(text) {
            Some(token) => Ok(Self::Fixed(token)),
            None => {
                Err(Failure::new(NO_TOKEN)
                    .hint("give it as `muniment token` prints it, in one line"))
            }
        }
    }

    /// The one to be sent now.
    pub(crate) fn now(&self) -> Result<SecretString, ClientError> {
        match self {
            Self::Fixed(token) => Ok(token.clone()),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    let path = path.display();
                    ClientError::Unsendable(format!("the token cannot be read: {path}: {error}"))
                })?;
                checked(&text).ok_or_else(|| {
                    ClientError::Unsendable(format!("{}: {NO_TOKEN}", path.display()))
                })
            }
        }
    }

    /// When it ends by its own word.
    pub(crate) fn expiry(&self) -> Option<DateTime<Utc>> {
        expiry(self.now().ok()?.expose_secret())
    }
}

const NO_TOKEN: &str = "the token holds characters that no token has";

/// What can be sent as a header. What comes from a file or a variable often ends in a line end.
fn checked(text: &str) -> Option<SecretString> {
    let token = text.trim();
    token
        .bytes()
        .all(|byte| byte.is_ascii_graphic())
        .then(|| token.into())
}

/// When a token ends by its own word; nothing if it does not say, or is no JWT.
fn expiry(token: &str) -> Option<DateTime<Utc>> {
    let payload = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&json).ok()?;
    DateTime::from_timestamp(claims.get("exp")?.as_i64()?, 0)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_again_for_each_request() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("token");
        let token = Token::File(file.clone());
        let now = || token.now().map(|token| token.expose_secret().to_owned());
        assert!(matches!(now(), Err(ClientError::Unsendable(_))));
        for text in ["first", "second\n"] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(now(), Ok(text.trim().to_owned()));
        }
        std::fs::write(&file, "two\nlines").unwrap();
        assert!(matches!(now(), Err(ClientError::Unsendable(_))));
    }

    #[test]
    fn the_expiry_is_read_and_nonsense_has_none() {
        let payload = URL_SAFE_NO_PAD.encode(r#"{"exp":1767225600}"#);
        let token = format!("e30.{payload}.c2ln");
        assert_eq!(
            expiry(&token).map(|at| at.to_rfc3339()).as_deref(),
            Some("2026-01-01T00:00:00+00:00")
        );
        for nonsense in ["", "a.b", "a.!.c", "e30.e30.", "e30.eyJleHAiOiJ4In0.x"] {
            assert_eq!(expiry(nonsense), None, "{nonsense}");
        }
    }
}
