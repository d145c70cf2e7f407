//! Which faults come when: a function of the seed and the length, so that a seed can be replayed.

use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// `kill -9` of an API; it is started again.
    KillApi(usize),
    /// `kill -9` of a worker; it is started again.
    KillWorker(usize),
    /// An API is asked to stop; it is started again.
    StopApi(usize),
    /// A worker is asked to stop; it is started again.
    StopWorker(usize),
    /// A worker stands still, and then goes on as if nothing had been.
    FreezeWorker(usize),
    /// An API stands still.
    FreezeApi(usize),
    /// PostgreSQL ends as in a crash, and starts again.
    RestartPostgres,
    /// The disk of PostgreSQL is full.
    FillDisk,
    /// The object store refuses with 503 `SlowDown`.
    RefuseObjects,
    /// The object store does what it is told, and the answer is lost.
    LoseObjects,
    /// Bodies to and from the object store end in the middle.
    CutObjects,
    /// The API does what it is told, and the answer is lost.
    LoseApi,
    /// The API is asked everything twice, the other API as often as the same.
    DoubleApi,
    /// Requests to the API are refused or cut.
    RefuseApi,
    /// The wire to PostgreSQL breaks, again and again.
    BreakWire,
    /// SQS fails, or loses its answers.
    BreakQueue,
    /// `kill -9` of clamd; it is started again later.
    KillClamd,
    /// clamd does not answer for a while.
    FreezeClamd,
    /// The clock of one API steps by so many seconds, and back.
    StepClock(i64),
}

/// One of each sort.
const SORTS: [Fault; 25] = [
    Fault::KillApi(0),
    Fault::KillApi(1),
    Fault::KillWorker(0),
    Fault::KillWorker(1),
    Fault::KillWorker(0),
    Fault::StopApi(0),
    Fault::StopWorker(1),
    Fault::FreezeWorker(0),
    Fault::FreezeApi(1),
    Fault::RestartPostgres,
    Fault::RestartPostgres,
    Fault::FillDisk,
    Fault::BreakWire,
    Fault::BreakWire,
    Fault::RefuseObjects,
    Fault::LoseObjects,
    Fault::CutObjects,
    Fault::LoseApi,
    Fault::DoubleApi,
    Fault::RefuseApi,
    Fault::BreakQueue,
    Fault::KillClamd,
    Fault::FreezeClamd,
    // By more than a lease lasts.
    Fault::StepClock(40),
    Fault::StepClock(-40),
];

/// One fault of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    /// How long after the beginning.
    pub(super) at: Duration,
    /// What.
    pub(super) fault: Fault,
    /// How long it lasts, where it lasts.
    pub(super) lasts: Duration,
}

/// So many rounds of faults, each of every sort once, in the order of the seed; a round takes `round`.
pub(super) fn schedule(seed: u64, rounds: usize, round: Duration) -> Vec<Planned> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut planned = Vec::new();
    for nth in 0..rounds {
        let mut faults = SORTS;
        faults.shuffle(&mut random);
        let begin = round * u32::try_from(nth).unwrap_or(u32::MAX);
        for fault in faults {
            // One that stands still for longer than its lease is the worst of its sort.
            let longest = match fault {
                Fault::FreezeWorker(_) => 14_000,
                // It is looked at once a second.
                Fault::StepClock(_) => 8_000,
                _ => 3_000,
            };
            planned.push(Planned {
                at: begin + round.mul_f64(random.random()),
                fault,
                lasts: Duration::from_millis(random.random_range(300..longest)),
            });
        }
    }
    planned.sort_by_key(|planned| planned.at);
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_a_schedule_and_another_seed_another() {
        let of = |seed| schedule(seed, 2, Duration::from_secs(10));
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert_eq!(of(1).len(), 2 * SORTS.len());
        assert!(of(1).is_sorted_by_key(|planned| planned.at));
        assert!(
            of(1)
                .iter()
                .all(|planned| planned.at < Duration::from_secs(20))
        );
    }
}
