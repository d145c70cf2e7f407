//! Jobs: the outbox, and how each job ends.
//!
//! Owns the state machine of a job, its leases and its backoff. Does not own what a job is about (`checks`,
//! `exports`, `fixity`) or how its message travels (`queue`).
//!
//! Always: the table is the truth and the queue only transport, so losing every message delays work and
//! loses none; every job ends DONE or DEAD, and a DEAD one has brought its subject into a visible state; one
//! that ends its workers does not take its neighbours along (`suspects`).

pub mod claim;
pub mod dispatcher;
pub mod fail;
pub mod gauges;
pub mod graphql;
pub mod lease;
pub mod reconciler;
pub mod reported;
pub mod service;
pub mod store;
pub mod suspects;
pub mod work;

#[cfg(test)]
pub(crate) mod tests;

use std::time::Duration;

use chrono::{DateTime, Utc};

pub use entity::job::{Kind, Model as Job, Status};

/// What may happen to a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Input {
    /// Its message is about to be sent.
    Publish,
    /// A worker asks for it.
    Claim,
    /// The worker has done it.
    Complete,
    /// There is nothing to do for it any more.
    Moot,
    /// The worker could not do it now.
    Retry,
    /// The worker will never be able to do it.
    GiveUp,
    /// The worker has not been heard of.
    LeaseExpired,
    /// Nobody came for it: the message may be lost.
    Unclaimed,
    /// The worker stops, and has not done it: no fault of the job.
    HandBack,
}

/// Where a job stands and which attempt it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// Where it stands.
    pub status: Status,
    /// 1, 2, …
    pub attempt: i32,
    /// After which it is DEAD.
    pub max_attempts: i32,
}

/// The state machine; `None` where the input makes no sense.
pub fn next(state: State, input: Input) -> Option<State> {
    use Input as I;
    use Status as S;
    let to = |status| Some(State { status, ..state });
    match (state.status, input) {
        (S::Ready, I::Publish) => to(S::Published),
        (S::Ready | S::Published, I::Claim) => to(S::Leased),
        (S::Leased, I::Complete) | (S::Ready | S::Published | S::Leased, I::Moot) => to(S::Done),
        (S::Leased, I::Retry | I::LeaseExpired) => {
            if state.attempt < state.max_attempts {
                Some(State {
                    status: S::Ready,
                    attempt: state.attempt + 1,
                    ..state
                })
            } else {
                to(S::Dead)
            }
        }
        (S::Leased, I::GiveUp) => to(S::Dead),
        (S::Published, I::Unclaimed) | (S::Leased, I::HandBack) => to(S::Ready),
        _ => None,
    }
}

/// How long the next attempt waits after `failed` attempts (1, 2, …): 1 s, 4 s, 16 s, 64 s, at most 5 minutes.
pub fn backoff(failed: i32) -> Duration {
    const CAP: u64 = 300;
    let exponent = u32::try_from(failed.saturating_sub(1)).unwrap_or_default();
    Duration::from_secs(
        4_u64
            .checked_pow(exponent)
            .map_or(CAP, |wait| wait.min(CAP)),
    )
}

/// The state of a row.
pub fn state(job: &Job) -> State {
    State {
        status: job.status,
        attempt: job.attempt,
        max_attempts: job.max_attempts,
    }
}

/// Takes a step in place; `false` where the input makes no sense, and nothing was changed.
pub fn step(job: &mut Job, input: Input, now: DateTime<Utc>) -> bool {
    let Some(after) = next(state(job), input) else {
        return false;
    };
    if after.attempt > job.attempt {
        job.not_before = now + backoff(job.attempt);
    } else if input == Input::HandBack {
        // It waits from now on, not since it was first to be done.
        job.not_before = now;
    }
    match input {
        Input::LeaseExpired => job.lost_workers = job.lost_workers.saturating_add(1),
        // Its worker lives.
        Input::Retry => job.lost_workers = 0,
        _ => {}
    }
    job.status = after.status;
    job.attempt = after.attempt;
    job.updated_at = now;
    true
}

/// As it stands on the wire and in the table.
pub fn name(status: Status) -> &'static str {
    match status {
        Status::Ready => "READY",
        Status::Published => "PUBLISHED",
        Status::Leased => "LEASED",
        Status::Done => "DONE",
        Status::Dead => "DEAD",
    }
}

/// Why a job that has not ended waits, for people.
pub fn why_waiting(job: &Job, now: DateTime<Utc>) -> Option<String> {
    let attempt = format!("attempt {} of {}", job.attempt, job.max_attempts);
    match job.status {
        Status::Ready if job.not_before > now => Some(format!(
            "{attempt} begins at {}{}",
            job.not_before.format("%H:%M:%S UTC"),
            job.last_error
                .as_deref()
                .map(|error| format!("; the one before failed: {error}"))
                .unwrap_or_default()
        )),
        Status::Ready => Some(format!("waiting for its turn in the queue {}", job.queue)),
        Status::Published => Some(format!(
            "announced in the queue {}, waiting for a worker that is free",
            job.queue
        )),
        Status::Leased => Some(format!(
            "{} is at work on it ({attempt})",
            job.worker.as_deref().unwrap_or("a worker")
        )),
        Status::Done | Status::Dead => None,
    }
}

/// A text from a worker as it can be kept: bounded, and without the character that PostgreSQL cannot hold.
pub fn shorten(text: &str, max: usize) -> String {
    let mut kept: String = text
        .chars()
        .take(max)
        .map(|c| if c == '\0' { '\u{fffd}' } else { c })
        .collect();
    if text.chars().nth(max).is_some() {
        kept.push('…');
    }
    kept
}
