//! Announces jobs that are due.
//!
//! Owns whose turn it is. Does not own the sending (`queue`) or what becomes of jobs that nobody claims
//! (`reconciler`).
//!
//! Always: lanes take turns, and each has a bounded number of jobs announced or leased in one queue, so
//! that 100,000 jobs of one never delay another's; a job is marked before its message is sent, so that a
//! claim never finds it unmarked.

use std::{collections::HashMap, time::Duration};

use runtime::{queue::Queue, shutdown::Shutdown};
use uuid::Uuid;

use super::store;
use crate::{
    App, Error, fixity,
    queue::{Announcement, Queues, announce},
};

/// How often to look even when nothing was signalled: retries become due without a signal.
const PERIOD: Duration = Duration::from_secs(1);
/// The most jobs announced with one transaction.
const BATCH: usize = 500;
/// The most lanes that one round looks at.
const LANES: u64 = 200;
/// The most rounds before the loop looks at the signals again.
const ROUNDS: usize = 100;

/// Announces jobs that are due.
pub struct Dispatcher {
    app: App,
    queues: Queues,
    /// For each queue, the last lane of the round before.
    last: HashMap<String, Uuid>,
}

impl Dispatcher {
    /// Over these queues. Jobs of other queues stay READY.
    pub fn new(app: App, queues: Queues) -> Self {
        Self {
            app,
            queues,
            last: HashMap::new(),
        }
    }

    /// Announces jobs until the shutdown begins.
    pub async fn run(app: App, queues: Queues, shutdown: &Shutdown) {
        let waiting = std::sync::Arc::clone(app.jobs_waiting());
        let mut dispatcher = Self::new(app, queues);
        let mut timer = tokio::time::interval(PERIOD);
        timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = shutdown.soft().cancelled() => return,
                () = waiting.notified() => {}
                _ = timer.tick() => {}
            }
            for _ in 0..ROUNDS {
                match dispatcher.round().await {
                    Ok(0) => break,
                    Ok(_) if shutdown.has_begun() => return,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(?error, "jobs could not be announced; trying again");
                        break;
                    }
                }
            }
        }
    }

    /// Announces up to a batch of due jobs in each queue; answers how many.
    pub async fn round(&mut self) -> Result<usize, Error> {
        let mut announced = 0;
        for (name, queue) in &self.queues {
            let last = self.last.entry(name.clone()).or_insert(Uuid::nil());
            announced += dispatch(&self.app, name, queue.as_ref(), last).await?;
        }
        Ok(announced)
    }
}

async fn dispatch(
    app: &App,
    name: &str,
    queue: &dyn Queue,
    last: &mut Uuid,
) -> Result<usize, Error> {
    let picked = pick(app, name, last).await?;
    if picked.is_empty() {
        return Ok(0);
    }
    let unit = app.begin_internal().await?;
    let ids: Vec<Uuid> = picked.iter().map(|picked| picked.job).collect();
    let mut ours = store::publish(&unit, &ids).await?;
    unit.commit().await?;
    let ours: Vec<Announcement> = picked
        .into_iter()
        .filter_map(|picked| {
            let traceparent = ours.remove(&picked.job)?;
            Some(Announcement {
                traceparent,
                ..picked
            })
        })
        .collect();
    if let Err(error) = announce(queue, &ours).await {
        // They stay PUBLISHED until the reconciler finds that nobody came for them.
        tracing::warn!(queue = name, %error, "announcements were not sent; they will be repeated");
    }
    Ok(ours.len())
}

/// The jobs whose turn it is: one of each lane, then a second of each, …
async fn pick(app: &App, queue: &str, last: &mut Uuid) -> Result<Vec<Announcement>, Error> {
    let db = app.database();
    let mut lanes = store::ready_lanes(db, queue, *last, LANES).await?;
    if lanes.is_empty() && !last.is_nil() {
        lanes = store::ready_lanes(db, queue, Uuid::nil(), LANES).await?;
    }
    // Beyond the last lane of a full round, the next one goes on; otherwise it begins anew.
    let full = lanes.len() as u64 == LANES;
    *last = lanes.last().copied().filter(|_| full).unwrap_or_default();
    if lanes.is_empty() {
        return Ok(Vec::new());
    }
    let in_flight = store::in_flight(db, queue).await?;
    let most = i64::from(app.limits().lane);
    let mut waiting = Vec::with_capacity(lanes.len());
    for lane in lanes {
        let cap = if fixity::is_unhurried(lane) {
            most.min(fixity::IN_FLIGHT)
        } else {
            most
        };
        let room = cap - in_flight.get(&lane).copied().unwrap_or_default();
        let Some(room) = u64::try_from(room).ok().filter(|room| *room > 0) else {
            continue;
        };
        let due = store::due(db, queue, lane, app.clock().now(), room.min(BATCH as u64)).await?;
        waiting.push((lane, due));
    }
    Ok(in_turns(&waiting, BATCH))
}

/// Takes one of each lane in turn, up to `max`.
fn in_turns(lanes: &[(Uuid, Vec<Uuid>)], max: usize) -> Vec<Announcement> {
    let longest = lanes
        .iter()
        .map(|(_, jobs)| jobs.len())
        .max()
        .unwrap_or_default();
    (0..longest)
        .flat_map(|turn| {
            lanes.iter().filter_map(move |(lane, jobs)| {
                jobs.get(turn).map(|&job| Announcement {
                    job,
                    lane: *lane,
                    traceparent: None,
                })
            })
        })
        .take(max)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_take_turns() {
        let id = Uuid::from_u128;
        let lanes = vec![(id(1), vec![id(11), id(12), id(13)]), (id(2), vec![id(21)])];
        let jobs = |max| -> Vec<u128> {
            in_turns(&lanes, max)
                .into_iter()
                .map(|picked| picked.job.as_u128())
                .collect()
        };
        assert_eq!(jobs(10), [11, 21, 12, 13]);
        assert_eq!(jobs(2), [11, 21]);
        assert_eq!(jobs(0), []);
    }
}
