//! Leases: who may report a job, and for how long.
//!
//! Always: a token is of 32 random bytes, or derived from what a worker made up for one claim and is as hard to
//! guess; it stays with the row after the lease has ended, so that a report
//! that is repeated can be told from a stranger's, but only a live lease may change anything.

use std::time::Duration;

use chrono::{DateTime, Utc};
use sha2::{Digest as _, Sha256};

use super::{Job, Status};
use crate::Error;

const SECONDS: std::ops::RangeInclusive<i32> = 10..=900;
const DEFAULT_SECONDS: i32 = 60;
/// Digits of a claim key: 128 to 256 bits.
const KEY_DIGITS: std::ops::RangeInclusive<usize> = 32..=64;

/// A lease that is to be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Proof of having it.
    pub token: String,
    /// Until when.
    pub until: DateTime<Utc>,
    /// Who gets it.
    pub worker: String,
}

impl Grant {
    /// For a worker, from now on.
    pub fn new(worker: &str, now: DateTime<Utc>, length: Duration) -> Self {
        Self {
            token: hex::encode(rand::random::<[u8; 32]>()),
            until: now + length,
            worker: worker.to_owned(),
        }
    }

    /// The same with a token that a repeat of the claim derives again.
    #[must_use]
    pub fn keyed(self, key: &ClaimKey) -> Self {
        Self {
            token: hex::encode(Sha256::digest(format!("muniment claim {}", key.0))),
            ..self
        }
    }
}

/// What a worker made up for one claim, so that the claim can be told from another when it is repeated.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimKey(String);

impl ClaimKey {
    /// Refuses what could be guessed: 32 to 64 hexadecimal digits.
    pub fn parse(path: &str, key: String) -> Result<Self, Error> {
        let hexadecimal = key.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !hexadecimal || !KEY_DIGITS.contains(&key.len()) {
            return Err(Error::input(
                path,
                format!(
                    "a claim key is {} to {} hexadecimal digits",
                    KEY_DIGITS.start(),
                    KEY_DIGITS.end()
                ),
            ));
        }
        Ok(Self(key))
    }
}

// A lease could be derived from it.
impl std::fmt::Debug for ClaimKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClaimKey(…)")
    }
}

/// Reads how long a lease is to last.
pub fn length(path: &str, seconds: Option<i32>) -> Result<Duration, Error> {
    let seconds = seconds.unwrap_or(DEFAULT_SECONDS);
    if !SECONDS.contains(&seconds) {
        return Err(Error::input(
            path,
            format!(
                "a lease lasts {} to {} seconds",
                SECONDS.start(),
                SECONDS.end()
            ),
        ));
    }
    Ok(Duration::from_secs(u64::from(seconds.unsigned_abs())))
}

/// What a token is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Its bearer has the job.
    Live,
    /// Its bearer was the last to have the job, which has ended or gone back.
    Past,
    /// Its bearer has nothing to say about this job.
    Lost,
}

/// Judges a token.
pub fn standing(job: &Job, token: &str, now: DateTime<Utc>) -> Standing {
    if job.lease_token.as_deref() != Some(token) {
        return Standing::Lost;
    }
    match job.status {
        Status::Leased if job.lease_expires_at.is_some_and(|until| until > now) => Standing::Live,
        Status::Leased => Standing::Lost,
        Status::Ready | Status::Published | Status::Done | Status::Dead => Standing::Past,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_lasts_10_to_900_seconds() {
        let seconds = |seconds| {
            length("leaseSeconds", seconds)
                .ok()
                .map(|length| length.as_secs())
        };
        assert_eq!(seconds(None), Some(60));
        assert_eq!(seconds(Some(10)), Some(10));
        assert_eq!(seconds(Some(900)), Some(900));
        assert_eq!(seconds(Some(9)), None);
        assert_eq!(seconds(Some(901)), None);
        assert_eq!(seconds(Some(-60)), None);
    }

    #[test]
    fn a_claim_key_that_could_be_guessed_is_refused() {
        let parsed = |key: &str| ClaimKey::parse("claimKey", key.to_owned()).is_ok();
        assert!(parsed(&"aF".repeat(16)) && parsed(&"0".repeat(64)));
        assert!(!parsed("") && !parsed(&"a".repeat(31)) && !parsed(&"a".repeat(65)));
        assert!(!parsed(&"g".repeat(32)) && !parsed(&"é".repeat(16)));
    }

    #[test]
    fn no_two_grants_have_the_same_token() {
        let grant = || Grant::new("w", DateTime::UNIX_EPOCH, Duration::from_secs(1));
        assert_ne!(grant().token, grant().token);
        assert_eq!(grant().token.len(), 64);
    }
}
