//! What a token says of itself.
//!
//! Owns reading its expiry for a message. Does not own trusting it: the server does that.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};

/// When a token ends by its own word; nothing if it does not say, or is no JWT.
pub(crate) fn expiry(token: &str) -> Option<DateTime<Utc>> {
    let payload = token.split('.').nth(1)?;
    let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&json).ok()?;
    DateTime::from_timestamp(claims.get("exp")?.as_i64()?, 0)
}

#[cfg(test)]
mod tests {
    use super::*;

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
