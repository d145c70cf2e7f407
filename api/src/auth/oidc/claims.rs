//! From claims to an actor. Pure: no I/O, no clock.
//!
//! Always: issuer, audience, subject and expiry must be there and right; nothing that comes from a token can
//! be taken for somebody of ours (an API key, the system itself) or holds what a database refuses.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use contract::ApiKeyId;
use serde_json::{Map, Value};

use crate::auth::{Actor, Credential, Role};

/// How far the provider's clock and ours may be apart.
pub const LEEWAY: Duration = Duration::from_mins(1);
/// The longest subject (OpenID Connect Core 1.0, section 2), and longest body.
const LONGEST: usize = 255;

/// Where a claim stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClaimPath {
    /// Names, from the outermost object inwards.
    Names(Vec<String>),
    /// A JSON pointer (RFC 6901).
    Pointer(String),
}

impl ClaimPath {
    /// Reads `a.b`, or a JSON pointer when it begins with `/`.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            let escaped = |part: &str| {
                part.split('~')
                    .skip(1)
                    .all(|rest| rest.starts_with(['0', '1']))
            };
            if !escaped(text) {
                return Err(format!(
                    "{text:?} is no JSON pointer: after `~` stands 0 or 1"
                ));
            }
            return Ok(Self::Pointer(text.to_owned()));
        }
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        if names
            .iter()
            .any(|name| name.trim() != name || name.is_empty())
        {
            return Err(format!(
                "{text:?} is no path: write names with dots between, or a JSON pointer that begins with `/`"
            ));
        }
        Ok(Self::Names(names))
    }

    fn find<'a>(&self, claims: &'a Map<String, Value>) -> Option<&'a Value> {
        match self {
            Self::Names(names) => {
                let (first, inner) = names.split_first()?;
                let mut found = claims.get(first)?;
                for name in inner {
                    found = found.as_object()?.get(name)?;
                }
                Some(found)
            }
            Self::Pointer(pointer) => {
                // The library's own way begins at a value, and this is a map.
                let (first, rest) = pointer.get(1..)?.split_once('/').map_or_else(
                    || (&pointer[1..], ""),
                    |(first, _)| (first, &pointer[1 + first.len()..]),
                );
                let first = first.replace("~1", "/").replace("~0", "~");
                claims.get(&first)?.pointer(rest)
            }
        }
    }

    /// The texts there: an array of them, or one with spaces or commas between.
    fn texts(&self, claims: &Map<String, Value>) -> Vec<String> {
        let texts: Vec<&str> = match self.find(claims) {
            Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
            Some(Value::String(text)) => text
                .split(|c: char| c == ',' || c.is_whitespace())
                .collect(),
            _ => Vec::new(),
        };
        let mut kept: Vec<String> = Vec::new();
        for text in texts {
            if is_plain(text) && !kept.iter().any(|known| known == text) {
                kept.push(text.to_owned());
            }
        }
        kept
    }
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control)
}

/// What is demanded of a token, and how it is read.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who must have issued it.
    pub issuer: String,
    /// For whom it must be meant.
    pub audience: String,
    /// Cognito's access tokens have `client_id` in place of `aud`.
    pub cognito: bool,
    /// Where roles stand.
    pub roles: ClaimPath,
    /// Where bodies stand.
    pub bodies: ClaimPath,
    /// How old it may be.
    pub max_age: Option<Duration>,
}

impl Rules {
    /// The actor, or why there is none. The signature has been verified.
    pub fn understand(
        &self,
        claims: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<Actor, String> {
        let text = |name: &str| claims.get(name).and_then(Value::as_str);
        if text("iss") != Some(self.issuer.as_str()) {
            return Err("the token comes from another issuer".to_owned());
        }
        self.check_audience(claims)?;
        let expires_at = self.check_times(claims, now)?;
        let subject = match text("sub") {
            None => return Err("the token names no subject".to_owned()),
            Some(subject) if !is_plain(subject) || is_ours(subject) => {
                return Err("the token's subject cannot be used".to_owned());
            }
            Some(subject) => subject.to_owned(),
        };
        let name = ["name", "preferred_username", "username"]
            .into_iter()
            .filter_map(text)
            .find(|name| is_plain(name));
        Ok(Actor {
            subject,
            name: name.map(str::to_owned),
            roles: roles(&self.roles.texts(claims)),
            bodies: self.bodies.texts(claims),
            expires_at,
            credential: Credential::OpenId {
                issuer: self.issuer.clone(),
            },
        })
    }

    fn check_audience(&self, claims: &Map<String, Value>) -> Result<(), String> {
        let ours = |value: &Value| value.as_str() == Some(self.audience.as_str());
        let of_use = |name: &str| claims.get("token_use").and_then(Value::as_str) == Some(name);
        let access = self.cognito && of_use("access");
        if self.cognito && !access && !of_use("id") {
            return Err("the token is neither an access token nor an id token".to_owned());
        }
        let meant = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(ours),
            Some(one) => ours(one),
            None => access && claims.get("client_id").is_some_and(ours),
        };
        if meant {
            Ok(())
        } else {
            Err("the token is meant for another audience".to_owned())
        }
    }

    /// Until when the token is taken, if it is taken now.
    fn check_times(
        &self,
        claims: &Map<String, Value>,
        now: DateTime<Utc>,
    ) -> Result<DateTime<Utc>, String> {
        let expiry = time(claims, "exp")?.ok_or("the token has no expiry")?;
        let taken_until = expiry + LEEWAY;
        if taken_until <= now {
            return Err(format!("the token expired at {}", expiry.to_rfc3339()));
        }
        if let Some(begin) = time(claims, "nbf")?
            && begin > now + LEEWAY
        {
            return Err(format!(
                "the token is not valid before {}",
                begin.to_rfc3339()
            ));
        }
        let issued = time(claims, "iat")?;
        let Some(max_age) = self.max_age else {
            return Ok(taken_until);
        };
        let issued = issued.ok_or("the token does not say when it was issued")?;
        if issued > now + LEEWAY {
            return Err("the token was issued in the future".to_owned());
        }
        let age = TimeDelta::from_std(max_age).unwrap_or(TimeDelta::MAX);
        let oldest = issued.checked_add_signed(age).unwrap_or(taken_until);
        if oldest <= now {
            return Err("the token is too old: get a new one".to_owned());
        }
        Ok(taken_until.min(oldest))
    }
}

/// A claim in seconds since 1970 (RFC 7519, section 2), without their fraction.
fn time(claims: &Map<String, Value>, name: &str) -> Result<Option<DateTime<Utc>>, String> {
    let Some(value) = claims.get(name) else {
        return Ok(None);
    };
    let seconds = value.as_number().map(ToString::to_string);
    let seconds = seconds
        .as_deref()
        .and_then(|text| text.split('.').next()?.parse().ok());
    seconds
        // A limit that leaves room for what is added to it.
        .filter(|seconds: &i64| (0..=253_402_300_799).contains(seconds))
        .and_then(|seconds| DateTime::from_timestamp(seconds, 0))
        .map(Some)
        .ok_or_else(|| format!("the token's `{name}` is no time"))
}

/// Subjects that stand for ourselves in events and deposits.
fn is_ours(subject: &str) -> bool {
    subject.parse::<ApiKeyId>().is_ok() || subject.starts_with("muniment/")
}

/// Those of ours, whatever their prefix.
fn roles(texts: &[String]) -> Vec<Role> {
    let mut roles: Vec<Role> = Vec::new();
    for text in texts {
        let lower = text.to_ascii_lowercase();
        let bare = lower
            .strip_prefix("muniment-")
            .or_else(|| lower.strip_prefix("muniment:"))
            .unwrap_or(&lower);
        if let Some(role) = Role::parse(bare)
            && !roles.contains(&role)
        {
            roles.push(role);
        }
    }
    roles
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests;
