//! How long to wait before trying again, and when to stop trying.
//!
//! Owns exponential backoff with full jitter, which spreads out clients that failed together.
//! Does not own which errors are worth another try: the caller says.
//!
//! Always: the number of attempts and each wait are bounded by the policy.

use std::future::Future;
use std::num::NonZeroU32;
use std::time::Duration;

use rand::{Rng, RngExt};

/// How often, and how far apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The most that is waited after the first failure; it doubles with each further one.
    pub first: Duration,
    /// The most that is ever waited between two attempts.
    pub cap: Duration,
    /// How often the operation is tried in all.
    pub attempts: NonZeroU32,
}

impl Default for Policy {
    /// Five attempts within about eight seconds at most.
    fn default() -> Self {
        Self {
            first: Duration::from_millis(500),
            cap: Duration::from_secs(10),
            attempts: NonZeroU32::MIN.saturating_add(4),
        }
    }
}

impl Policy {
    /// The most that is waited after `failures` failures in a row (1, 2, …).
    pub fn ceiling(&self, failures: u32) -> Duration {
        let factor = 1_u32
            .checked_shl(failures.saturating_sub(1))
            .unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.cap)
    }

    /// A wait drawn evenly from nothing up to [`Policy::ceiling`].
    pub fn delay(&self, failures: u32, rng: &mut impl Rng) -> Duration {
        self.ceiling(failures).mul_f64(rng.random::<f64>())
    }
}

/// Runs `operation` until it succeeds, fails with an error that is not `retryable`, or has
/// been tried as often as `policy` allows; then the last error is returned.
pub async fn retry<T, E, F>(
    policy: &Policy,
    retryable: impl Fn(&E) -> bool,
    mut operation: impl FnMut() -> F,
) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let mut failures = 0;
    loop {
        match operation().await {
            Ok(value) => return Ok(value),
            Err(error) => {
                failures += 1;
                if failures >= policy.attempts.get() || !retryable(&error) {
                    return Err(error);
                }
                let delay = policy.delay(failures, &mut rand::rng());
                tokio::time::sleep(delay).await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    const NOW: Policy = Policy {
        first: Duration::ZERO,
        cap: Duration::ZERO,
        attempts: NonZeroU32::MIN.saturating_add(2),
    };

    async fn tried(fail_times: u32, retryable: bool) -> (u32, Result<(), &'static str>) {
        let mut calls = 0;
        let result = retry(
            &NOW,
            |_| retryable,
            || {
                calls += 1;
                let fails = calls <= fail_times;
                async move { if fails { Err("down") } else { Ok(()) } }
            },
        )
        .await;
        (calls, result)
    }

    #[tokio::test]
    async fn it_tries_until_it_succeeds_or_may_not_try_again() {
        for (fail_times, retryable, expected) in [
            (0, true, (1, Ok(()))),
            (2, true, (3, Ok(()))),
            (3, true, (3, Err("down"))),
            (2, false, (1, Err("down"))),
        ] {
            assert_eq!(tried(fail_times, retryable).await, expected);
        }
    }

    #[test]
    fn the_ceiling_doubles_up_to_the_cap() {
        let policy = Policy {
            first: Duration::from_millis(100),
            cap: Duration::from_secs(1),
            ..NOW
        };
        let millis: Vec<u128> = [0, 1, 2, 3, 4, 5, 40, u32::MAX]
            .map(|n| policy.ceiling(n).as_millis())
            .into();
        assert_eq!(millis, [100, 100, 200, 400, 800, 1_000, 1_000, 1_000]);
    }

    #[test]
    fn a_delay_is_spread_over_everything_below_the_ceiling() {
        let policy = Policy {
            first: Duration::from_secs(1),
            cap: Duration::from_secs(1),
            ..NOW
        };
        let mut rng = StdRng::seed_from_u64(1);
        let delays: Vec<Duration> = (0..1_000).map(|_| policy.delay(1, &mut rng)).collect();
        let tenth = Duration::from_millis(100);
        assert!(delays.iter().all(|delay| *delay <= policy.cap));
        assert!(delays.iter().any(|delay| *delay < tenth));
        assert!(delays.iter().any(|delay| *delay > tenth * 9));
    }
}
