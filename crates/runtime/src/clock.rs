//! What time it is.
//!
//! Owns the only reading of the system's clock. Does not own waiting: a timer is tokio's.
//!
//! Always: [`Clock::monotonic`] never goes back, even when the wall clock is set.

use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeZone, Utc};

/// Tells the time. Injected, so that a test decides what time it is.
pub trait Clock: Send + Sync {
    /// The wall clock: for what is stored and shown. It may step either way.
    fn now(&self) -> DateTime<Utc>;

    /// Time since some fixed moment: for leases and deadlines within this process.
    fn monotonic(&self) -> Duration;
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the time comes from"
    )]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn monotonic(&self) -> Duration {
        START.elapsed()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug)]
pub struct ManualClock(Mutex<Reading>);

#[derive(Debug, Clone, Copy)]
struct Reading {
    wall: DateTime<Utc>,
    monotonic: Duration,
}

impl ManualClock {
    /// A clock that shows `now`.
    pub fn new(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(Reading {
            wall: now,
            monotonic: Duration::ZERO,
        }))
    }

    /// Moves the wall clock to `now`, forwards or back; [`Clock::monotonic`] stays where it is.
    pub fn set(&self, now: DateTime<Utc>) {
        self.reading().wall = now;
    }

    /// Lets `by` pass, on both clocks.
    pub fn advance(&self, by: Duration) {
        let mut reading = self.reading();
        reading.wall += by;
        reading.monotonic += by;
    }

    fn reading(&self) -> std::sync::MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    /// Midnight of the first day of 2026, UTC.
    fn default() -> Self {
        const DAY: i64 = 1_767_225_600;
        Self::new(Utc.timestamp_opt(DAY, 0).single().unwrap_or_default())
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        self.reading().wall
    }

    fn monotonic(&self) -> Duration {
        self.reading().monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_the_wall_clock_back_does_not_move_the_monotonic_one() {
        let clock = ManualClock::default();
        clock.advance(Duration::from_mins(1));
        clock.set(DateTime::UNIX_EPOCH);
        assert_eq!(
            (clock.now(), clock.monotonic()),
            (DateTime::UNIX_EPOCH, Duration::from_mins(1))
        );
    }

    #[test]
    fn a_manual_clock_begins_in_2026() {
        assert_eq!(
            ManualClock::default().now().to_rfc3339(),
            "2026-01-01T00:00:00+00:00"
        );
    }
}
