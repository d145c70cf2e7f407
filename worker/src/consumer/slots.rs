//! How many jobs run at once.
//!
//! Always: a place is given back when its holder is dropped, however it ended. An export gives
//! its place to others at once and waits for one of the places of exports, so that however many
//! exports are asked for, checks go on. So does what reads again what is kept, which is in no hurry.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};

/// How many exports may wait in a worker. They cost no more than a lease that is kept.
const WAITING_EXPORTS: usize = 16;

/// How many fixity checks may wait in a worker; the API announces fewer.
const WAITING_FIXITY: usize = 64;

/// How long they wait before they are handed back: another worker may have a place.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a free place waits for others, so that small jobs are received and claimed together.
const LINGER: Duration = Duration::from_millis(5);

/// The right to run one job.
pub(super) type Permit = OwnedSemaphorePermit;

/// The places of a worker.
#[derive(Debug, Clone)]
pub(super) struct Slots {
    jobs: Arc<Semaphore>,
    exports: Beside,
    fixity: Beside,
    /// With so many free places it is not waited for more.
    enough: usize,
}

/// Places beside those that everything begins in.
#[derive(Debug, Clone)]
struct Beside {
    places: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
}

impl Beside {
    fn new(places: usize, waiting: usize) -> Self {
        Self {
            places: Arc::new(Semaphore::new(places.max(1))),
            waiting: Arc::new(Semaphore::new(waiting)),
        }
    }

    async fn exchange(&self, permit: Permit) -> Option<Permit> {
        drop(permit);
        let _waiting = self.waiting.clone().try_acquire_owned().ok()?;
        let place = timeout(PATIENCE, self.places.clone().acquire_owned());
        place.await.ok()?.ok()
    }
}

impl Slots {
    pub(super) fn new(jobs: usize, exports: usize, fixity: usize) -> Self {
        Self {
            jobs: Arc::new(Semaphore::new(jobs.max(1))),
            exports: Beside::new(exports, WAITING_EXPORTS),
            fixity: Beside::new(fixity, WAITING_FIXITY),
            enough: (jobs / 2).max(1),
        }
    }

    /// Waits for a place, then takes all that are free or become so in a moment, up to `most`.
    pub(super) async fn take(&self, most: usize) -> Vec<Permit> {
        let mut permits = Vec::new();
        // The semaphores are never closed.
        if let Ok(first) = self.jobs.clone().acquire_owned().await {
            permits.push(first);
        }
        let until = Instant::now() + LINGER;
        while permits.len() < most {
            let next = match self.jobs.clone().try_acquire_owned() {
                Ok(next) => next,
                Err(_) if permits.len() >= self.enough => break,
                Err(_) => match timeout_at(until, self.jobs.clone().acquire_owned()).await {
                    Ok(Ok(next)) => next,
                    _ => break,
                },
            };
            permits.push(next);
        }
        permits
    }

    /// Exchanges a place for one of an export. `None`: too many exports wait already, or none has ended in time.
    pub(super) async fn for_export(&self, permit: Permit) -> Option<Permit> {
        self.exports.exchange(permit).await
    }

    /// Exchanges a place for one of a fixity check. `None`: too many wait already, or none has ended in time.
    pub(super) async fn for_fixity(&self, permit: Permit) -> Option<Permit> {
        self.fixity.exchange(permit).await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_free_places_are_taken_but_no_more_than_asked_for() {
        let slots = Slots::new(6, 1, 1);
        let four = slots.take(4).await;
        assert_eq!(four.len(), 4);
        let rest = slots.take(10).await;
        assert_eq!(rest.len(), 2);
        assert!(slots.take(1).now_or_never().is_none(), "a place too many");
        drop(four);
        assert_eq!(slots.take(10).await.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_waits_only_a_moment_for_others() {
        let slots = Slots::new(4, 1, 1);
        let mut held = slots.take(4).await;
        held.truncate(3);
        let begun = Instant::now();
        assert_eq!(slots.take(4).await.len(), 1);
        assert!(begun.elapsed() <= LINGER * 2, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn an_export_gives_its_place_to_others_while_it_waits() {
        let slots = Slots::new(1, 1, 1);
        let mut place = slots.take(1).await;
        let first = slots.for_export(place.remove(0)).await;
        assert!(first.is_some());
        let mut place = slots.take(1).await;
        let mut second = Box::pin(slots.for_export(place.remove(0)));
        assert!(futures::poll!(&mut second).is_pending());
        assert_eq!(slots.take(1).await.len(), 1, "the place is free again");
        drop(first);
        assert!(second.await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_finds_no_place_in_half_a_minute_is_left_to_another_worker() {
        let slots = Slots::new(2, 1, 1);
        let _export = slots.for_export(slots.take(1).await.remove(0)).await;
        let _fixity = slots.for_fixity(slots.take(1).await.remove(0)).await;
        let begun = Instant::now();
        let export = slots.for_export(slots.take(1).await.remove(0));
        let fixity = slots.for_fixity(slots.take(1).await.remove(0));
        let (export, fixity) = tokio::join!(export, fixity);
        assert!(export.is_none() && fixity.is_none());
        assert!(begun.elapsed() >= PATIENCE && begun.elapsed() < PATIENCE * 2);
        assert_eq!(slots.take(2).await.len(), 2, "nothing is held any longer");
    }

    #[tokio::test(start_paused = true)]
    async fn exports_that_wait_have_a_bound() {
        let slots = Slots::new(1, 1, 1);
        let mut waiting = Vec::new();
        let mut running = None;
        for nth in 0..=WAITING_EXPORTS {
            let place = slots.take(1).await.remove(0);
            let mut exchange = Box::pin(slots.for_export(place));
            match futures::poll!(&mut exchange) {
                std::task::Poll::Ready(place) => running = place,
                std::task::Poll::Pending => waiting.push(exchange),
            }
            assert_eq!(waiting.len(), nth);
        }
        assert!(running.is_some());
        let place = slots.take(1).await.remove(0);
        assert!(slots.for_export(place).await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_verified_holds_up_neither_checks_nor_exports() {
        let slots = Slots::new(1, 1, 1);
        let first = slots.for_fixity(slots.take(1).await.remove(0)).await;
        assert!(first.is_some());
        let mut second = Box::pin(slots.for_fixity(slots.take(1).await.remove(0)));
        assert!(futures::poll!(&mut second).is_pending());
        let export = slots.for_export(slots.take(1).await.remove(0)).await;
        assert!(export.is_some(), "an export has a place of its own");
        assert_eq!(slots.take(1).await.len(), 1, "and a check finds one free");
    }
}
