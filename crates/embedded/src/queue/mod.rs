//! The queue within the process.
//!
//! Owns messages in memory, hidden for a time when they are received and back afterwards,
//! as SQS has it. Does not own keeping them: they are gone with the process, and the `job`
//! table makes new ones.
//!
//! Always: groups take turns, so however many messages one has, another's single message is
//! at most one turn away; the number of messages is bounded, and a full queue says so.

mod messages;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use runtime::clock::Clock;
use runtime::queue::{
    Depth, MAX_BATCH, MAX_BODY, MAX_WAIT, Outgoing, Queue, QueueError, Receipt, Received, Unsent,
};
use tokio::sync::Notify;

use messages::{Lease, Messages};

/// A queue within the process.
pub struct MemoryQueue {
    clock: Arc<dyn Clock>,
    capacity: usize,
    messages: Mutex<Messages>,
    changed: Notify,
}

impl MemoryQueue {
    /// An empty queue for up to `capacity` messages.
    pub fn new(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        Self {
            clock,
            capacity,
            messages: Mutex::default(),
            changed: Notify::new(),
        }
    }

    fn messages(&self) -> MutexGuard<'_, Messages> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, max: usize, visibility: Duration) -> Vec<Received> {
        let now = self.clock.monotonic();
        self.messages()
            .take(max, now, now.saturating_add(visibility))
    }

    /// How long until a hidden message comes back by itself.
    fn until_return(&self) -> Option<Duration> {
        let next = self.messages().next_return()?;
        Some(next.saturating_sub(self.clock.monotonic()))
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, outgoing: &[Outgoing]) -> Result<(), QueueError> {
        let mut unsent = Vec::new();
        {
            let mut messages = self.messages();
            for (index, message) in outgoing.iter().enumerate() {
                let (code, retryable) = if message.body.len() > MAX_BODY {
                    ("TooLong", false)
                } else if messages.len() >= self.capacity {
                    ("Full", true)
                } else {
                    messages.add(message);
                    continue;
                };
                unsent.push(Unsent {
                    index,
                    code: code.to_owned(),
                    retryable,
                });
            }
        }
        self.changed.notify_waiters();
        if unsent.is_empty() {
            Ok(())
        } else {
            Err(QueueError::Unsent(unsent))
        }
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        let max = max.min(MAX_BATCH);
        if max == 0 {
            return Ok(Vec::new());
        }
        let end = self.clock.monotonic() + wait.min(MAX_WAIT);
        loop {
            // Listening begins before looking, so that nothing is missed in between.
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let received = self.take(max, visibility);
            let left = end.saturating_sub(self.clock.monotonic());
            if !received.is_empty() || left.is_zero() {
                return Ok(received);
            }
            let nap = self.until_return().map_or(left, |until| until.min(left));
            // A timeout is no failure: it is time to look again.
            let _ = tokio::time::timeout(nap, changed).await;
        }
    }

    fn may_be_left(&self) -> bool {
        true
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        let lease = Lease::read(receipt).ok_or(QueueError::NotHeld)?;
        let now = self.clock.monotonic();
        let until = now.saturating_add(visibility);
        let extended = self.messages().extend(lease, now, until);
        self.changed.notify_waiters();
        if extended {
            Ok(())
        } else {
            Err(QueueError::NotHeld)
        }
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let mut messages = self.messages();
        for lease in receipts.iter().filter_map(Lease::read) {
            messages.delete(lease);
        }
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let now = self.clock.monotonic();
        let (visible, in_flight) = self.messages().count(now);
        Ok(Depth { visible, in_flight })
    }
}

#[cfg(test)]
mod tests;
