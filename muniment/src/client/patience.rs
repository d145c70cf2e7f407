//! Trying again while a server is away.
//!
//! Owns for how long, how far apart, and saying so once. Does not own which errors pass.
//!
//! Always: trying ends [`Patience::limit`] after the first failure, whatever happens.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use runtime::backoff::Policy;
use tokio::time::Instant;

use crate::progress::Screen;
use crate::text::counted;

/// How often one operation is tried at most; the time limit ends it long before.
const ATTEMPTS: std::num::NonZeroU32 = std::num::NonZeroU32::MIN.saturating_add(9_999);

/// Patience with one server. Clones share whether the user was told that it is away.
#[derive(Debug, Clone)]
pub(crate) struct Patience {
    limit: Duration,
    policy: Policy,
    away: Arc<AtomicBool>,
    screen: Screen,
}

impl Patience {
    /// With a server that is away for so long.
    pub(crate) fn new(screen: Screen, limit: Duration) -> Self {
        Self {
            limit,
            policy: Policy {
                first: Duration::from_millis(400),
                cap: Duration::from_secs(10),
                attempts: ATTEMPTS,
            },
            away: Arc::default(),
            screen,
        }
    }

    /// As much patience with another server.
    pub(crate) fn anew(&self) -> Self {
        Self {
            away: Arc::default(),
            ..self.clone()
        }
    }

    /// Repeats `operation` until it succeeds, fails for good, or the patience ends; then the
    /// last error is returned.
    pub(crate) async fn retry<T, E, F>(
        &self,
        passing: impl Fn(&E) -> bool,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, E>
    where
        E: std::fmt::Display,
        F: Future<Output = Result<T, E>>,
    {
        let mut since = None;
        let mut failures = 0;
        loop {
            let error = match operation().await {
                Ok(value) => {
                    self.back();
                    return Ok(value);
                }
                Err(error) if !passing(&error) => return Err(error),
                Err(error) => error,
            };
            failures += 1;
            let since = *since.get_or_insert_with(Instant::now);
            let delay = self.policy.delay(failures, &mut rand::rng());
            if since.elapsed() + delay > self.limit || failures >= ATTEMPTS.get() {
                return Err(error);
            }
            self.gone(&error);
            tokio::time::sleep(delay).await;
        }
    }

    fn gone(&self, error: &impl std::fmt::Display) {
        if !self.away.swap(true, Ordering::Relaxed) {
            let seconds = self.limit.as_secs();
            let limit = if seconds.is_multiple_of(60) {
                counted(seconds / 60, "minute")
            } else {
                counted(seconds, "second")
            };
            self.screen
                .say(format!("{error}; trying again for up to {limit}"));
        }
    }

    fn back(&self) {
        if self.away.swap(false, Ordering::Relaxed) {
            self.screen.say("the server answers again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;

    async fn tried(fail_times: u32, passing: bool) -> (u32, Result<(), String>, Vec<String>) {
        let screen = Screen::recording();
        let calls = AtomicU32::new(0);
        let result = Patience::new(screen.clone(), Duration::from_mins(2))
            .retry(
                |_: &String| passing,
                || async {
                    let call = calls.fetch_add(1, Ordering::Relaxed);
                    if call < fail_times {
                        Err("away".to_owned())
                    } else {
                        Ok(())
                    }
                },
            )
            .await;
        (calls.into_inner(), result, screen.recorded())
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_said_once_and_its_end_too() {
        let (calls, result, said) = tried(4, true).await;
        assert_eq!((calls, result), (5, Ok(())));
        assert_eq!(
            said,
            [
                "away; trying again for up to 2 minutes",
                "the server answers again"
            ]
        );
    }

    #[tokio::test(start_paused = true)]
    async fn patience_ends_when_its_time_is_up() {
        let begun = Instant::now();
        let (calls, result, _) = tried(u32::MAX, true).await;
        assert_eq!(result, Err("away".to_owned()));
        assert!(calls > 10, "{calls}");
        assert!(begun.elapsed() <= Duration::from_mins(2));
        assert!(begun.elapsed() > Duration::from_mins(1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_does_not_pass_is_not_tried_again() {
        let (calls, result, said) = tried(1, false).await;
        assert_eq!((calls, result), (1, Err("away".to_owned())));
        assert!(said.is_empty());
    }
}
