//! Jobs that a worker was lost with: one of them may be what ended it.
//!
//! A worker that dies takes along all that it was at work on, and nobody knows which job it was. All of these leases
//! end in the same moment, so their jobs come due, are announced and are claimed together; left to themselves, they
//! would be lost together until all of them are DEAD for the sake of one. So each is a suspect until a worker has
//! lived through it, and a worker has the suspects one after another: who asks for a second one is told that it is
//! busy, and it is announced again a little later, on the same attempt. To give them times that lie apart when
//! their leases end would be simpler and does not hold: while no worker runs, the queue gathers them again.
//!
//! Poison shows itself soon after it was begun, so a suspect keeps the others away only for a while: else an export of
//! hours would. One that takes long may be lost with others until it has few attempts left; that while grows with
//! each, up to an hour before the last.
//!
//! Does not own how often a job is tried (`max_attempts`), or what is worked on beside a suspect: that may be lost
//! with it, once, and is a suspect from then on.
//!
//! Always: a job that is done within a minute loses to one poison file one attempt at most; waiting costs none, and
//! ends.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Input, Job, Status, step, store};
use crate::{Error, unit::Unit};

/// How long the first suspect that has to wait does, the second twice as long, …
const STEP: TimeDelta = TimeDelta::seconds(2);

/// For how long a suspect keeps others out of its worker: 1, 4, 16, 64 minutes.
fn alone_for(lost_workers: i32) -> TimeDelta {
    let times = u32::try_from(lost_workers - 1).unwrap_or_default().min(3);
    TimeDelta::minutes(4_i64.pow(times))
}

/// The suspects of one claim.
pub(super) struct Suspects {
    /// The worker has one already.
    has_one: bool,
    waiting: Vec<Job>,
}

impl Suspects {
    /// Of what a worker asks for. Most claims ask for none.
    pub(super) async fn of(
        unit: &Unit,
        worker: &str,
        asked: &HashMap<Uuid, Job>,
    ) -> Result<Self, Error> {
        let mut has_one = false;
        if asked.values().any(is_suspect) {
            let had = store::suspects_of(unit.db(), worker).await?;
            has_one = had.iter().any(|job| keeps_others_away(job, unit.now()));
        }
        Ok(Self {
            has_one,
            waiting: Vec::new(),
        })
    }

    /// Whether this job, which may be claimed, has to wait for another; if not, it is the one that others wait for.
    pub(super) fn must_wait(&mut self, job: &Job) -> bool {
        // A claim that is repeated asks for what it has.
        if !is_suspect(job) || job.status == Status::Leased {
            return false;
        }
        if self.has_one && !self.waiting.iter().any(|one| one.id == job.id) {
            self.waiting.push(job.clone());
        }
        std::mem::replace(&mut self.has_one, true)
    }

    /// Those that have to wait come due one after another.
    pub(super) async fn put_off(self, unit: &Unit) -> Result<(), Error> {
        let mut due = unit.now();
        for mut job in self.waiting {
            due += STEP;
            step(&mut job, Input::Unclaimed, unit.now());
            job.not_before = due;
            store::update(unit, job).await?;
        }
        Ok(())
    }
}

fn is_suspect(job: &Job) -> bool {
    job.lost_workers > 0
}

fn keeps_others_away(job: &Job, now: DateTime<Utc>) -> bool {
    // A lease that is granted is the last change of its row until it ends.
    now < job.updated_at + alone_for(job.lost_workers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fewer_attempts_are_left_the_longer_a_suspect_is_alone() {
        let minutes: Vec<i64> = (0..7).map(|lost| alone_for(lost).num_minutes()).collect();
        assert_eq!(minutes, [1, 1, 4, 16, 64, 64, 64]);
    }
}
