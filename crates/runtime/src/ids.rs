//! New ids.
//!
//! Owns the only making of UUIDs. Does not own their public form (`contract`).
//!
//! Always: an id made later by the same [`Ids`] sorts later, so that a table in the order
//! of its ids is in the order of creation.

use std::sync::{Mutex, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use uuid::{Builder, Uuid};

/// Makes ids. Injected, so that a test knows the ids it will meet.
pub trait Ids: Send + Sync {
    /// A new UUID of version 7.
    fn uuid7(&self) -> Uuid;
}

/// Ids of the current time and the system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    #[expect(clippy::disallowed_methods, reason = "this is where ids come from")]
    fn uuid7(&self) -> Uuid {
        Uuid::now_v7()
    }
}

/// The same sequence of ids for the same seed, a millisecond apart.
#[derive(Debug)]
pub struct SeededIds(Mutex<Sequence>);

#[derive(Debug)]
struct Sequence {
    millis: u64,
    rng: StdRng,
}

impl SeededIds {
    /// Begins the sequence of `seed`.
    pub fn new(seed: u64) -> Self {
        /// The first instant of 2026, UTC.
        const START_MILLIS: u64 = 1_767_225_600_000;
        Self(Mutex::new(Sequence {
            millis: START_MILLIS,
            rng: StdRng::seed_from_u64(seed),
        }))
    }
}

impl Ids for SeededIds {
    fn uuid7(&self) -> Uuid {
        let mut sequence = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut random = [0; 10];
        sequence.rng.fill_bytes(&mut random);
        sequence.millis += 1;
        Builder::from_unix_timestamp_millis(sequence.millis, &random).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_in_the_order_they_were_made() {
        for ids in [&SystemIds as &dyn Ids, &SeededIds::new(1)] {
            let made: Vec<Uuid> = (0..1_000).map(|_| ids.uuid7()).collect();
            assert!(made.is_sorted());
        }
    }

    #[test]
    fn a_seed_decides_the_sequence() {
        let take = |seed| {
            let ids = SeededIds::new(seed);
            [ids.uuid7(), ids.uuid7()]
        };
        assert_eq!(take(7), take(7));
        assert_ne!(take(7), take(8));
        assert_eq!(take(7)[0].get_version_num(), 7);
    }
}
