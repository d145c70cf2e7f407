//! How many subscriptions run at a time.
//!
//! Owns the count, of all and of each subject. Does not own what is watched (`subscriptions`).
//!
//! Always: a subscription is counted for as long as its stream is there, and no longer, however it ends.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::limits::QueryLimits;
use crate::Error;

/// Who watches.
#[derive(Debug, Default)]
pub(super) struct Watchers(Mutex<Running>);

#[derive(Debug, Default)]
struct Running {
    all: usize,
    of: HashMap<String, usize>,
}

/// One subscription; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Watching {
    watchers: Arc<Watchers>,
    subject: String,
}

impl Watchers {
    /// Takes one more of a subject's.
    pub(super) fn begin(
        self: &Arc<Self>,
        subject: &str,
        limits: &QueryLimits,
    ) -> Result<Watching, Error> {
        let mut running = self.running();
        let own = running.of.get(subject).copied().unwrap_or_default();
        if own >= limits.subscriptions_each {
            return Err(Error::Limit(format!(
                "you have {own} subscriptions; at most {} at a time are taken of one subject: end some first",
                limits.subscriptions_each
            )));
        }
        if running.all >= limits.subscriptions {
            return Err(Error::Limit(format!(
                "{} subscriptions are running here, and no more are taken at a time: try again later, or ask by a query",
                running.all
            )));
        }
        running.all += 1;
        running.of.insert(subject.to_owned(), own + 1);
        Ok(Watching {
            watchers: Arc::clone(self),
            subject: subject.to_owned(),
        })
    }

    /// Nothing panics while it has it.
    fn running(&self) -> MutexGuard<'_, Running> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let mut running = self.watchers.running();
        running.all -= 1;
        let Some(own) = running.of.get_mut(&self.subject) else {
            return;
        };
        *own -= 1;
        if *own == 0 {
            running.of.remove(&self.subject);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn nobody_takes_more_than_their_share_and_all_together_no_more_than_there_are() {
        let limits = QueryLimits {
            subscriptions: 3,
            subscriptions_each: 2,
            ..QueryLimits::default()
        };
        let watchers = Arc::new(Watchers::default());
        let refusal = |subject: &str| match watchers.begin(subject, &limits) {
            Err(Error::Limit(message)) => message,
            other => panic!("it should be refused: {other:?}"),
        };
        let begin = |subject: &str| watchers.begin(subject, &limits).unwrap();
        let (first, second) = (begin("ann"), begin("ann"));
        assert!(refusal("ann").contains("at most 2"));
        let third = begin("ben");
        assert!(refusal("ben").contains("3 subscriptions are running"));
        drop(first);
        let fourth = begin("ben");
        drop((second, third, fourth));
        let running = watchers.running();
        assert!(running.all == 0 && running.of.is_empty());
    }
}
