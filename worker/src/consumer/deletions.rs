//! Messages that have done their service, deleted together.
//!
//! Whoever has one puts it in line and waits for their turn. Whoever's turn it is deletes all that is in line,
//! so a request's length grows with the load and a lone message never waits.
//!
//! Always: a message that could not be deleted comes again, and the API says that there is nothing to do.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runtime::queue::{MAX_BATCH, Queue, Receipt};

/// The line of messages.
pub(super) struct Deletions {
    queue: Arc<dyn Queue>,
    line: Mutex<Vec<Receipt>>,
    turn: tokio::sync::Mutex<()>,
}

impl Deletions {
    pub(super) fn new(queue: Arc<dyn Queue>) -> Self {
        Self {
            queue,
            line: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
        }
    }

    /// Deletes a message, with those of others.
    pub(super) async fn delete(&self, receipt: &Receipt) {
        self.line().push(receipt.clone());
        let _turn = self.turn.lock().await;
        while let Some(batch) = self.next(receipt) {
            if let Err(error) = self.queue.delete(&batch).await {
                tracing::warn!(%error, "messages were not deleted");
            }
        }
    }

    /// The next to be deleted; `None`: `mine` is no longer in line.
    fn next(&self, mine: &Receipt) -> Option<Vec<Receipt>> {
        let mut line = self.line();
        if !line.contains(mine) {
            return None;
        }
        let count = line.len().min(MAX_BATCH);
        Some(line.drain(..count).collect())
    }

    fn line(&self) -> MutexGuard<'_, Vec<Receipt>> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::time::Duration;

    use async_trait::async_trait;
    use futures::future::join_all;
    use runtime::queue::{Depth, Outgoing, QueueError, Received};

    use super::*;

    /// Notes what it is to delete, each time after others had time to come.
    #[derive(Default)]
    struct Noted {
        batches: Mutex<Vec<Vec<Receipt>>>,
    }

    #[async_trait]
    impl Queue for Noted {
        async fn send(&self, _: &[Outgoing]) -> Result<(), QueueError> {
            Ok(())
        }

        async fn receive(
            &self,
            _: usize,
            _: Duration,
            _: Duration,
        ) -> Result<Vec<Received>, QueueError> {
            Ok(Vec::new())
        }

        async fn extend(&self, _: &Receipt, _: Duration) -> Result<(), QueueError> {
            Ok(())
        }

        async fn delete(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
            tokio::task::yield_now().await;
            let mut batches = self.batches.lock().unwrap_or_else(PoisonError::into_inner);
            batches.push(receipts.to_vec());
            Err(QueueError::Unavailable("on purpose".to_owned()))
        }

        async fn depth(&self) -> Result<Depth, QueueError> {
            Ok(Depth::default())
        }
    }

    #[tokio::test]
    async fn messages_that_end_together_are_deleted_together_and_each_once() {
        let queue = Arc::new(Noted::default());
        let deletions = Deletions::new(queue.clone());
        let receipts: Vec<Receipt> = (0..25).map(|n| Receipt::new(n.to_string())).collect();
        join_all(receipts.iter().map(|receipt| deletions.delete(receipt))).await;
        let batches = queue.batches.lock().unwrap();
        assert!(batches.len() <= 4, "{batches:?}");
        assert!(batches.iter().all(|batch| batch.len() <= MAX_BATCH));
        assert_eq!(batches.concat(), receipts);
    }

    #[tokio::test]
    async fn one_that_gave_up_waiting_does_not_hold_up_the_others() {
        let queue = Arc::new(Noted::default());
        let deletions = Deletions::new(queue.clone());
        let first = Receipt::new("first");
        let mut ended = Box::pin(deletions.delete(&first));
        assert!(futures::poll!(&mut ended).is_pending());
        drop(ended);
        deletions.delete(&Receipt::new("second")).await;
        assert_eq!(
            queue.batches.lock().unwrap().concat(),
            [Receipt::new("second")]
        );
    }
}
