//! Tells subscriptions within this process what has changed, after it was committed.
//!
//! Does not carry the change itself: a subscriber reads again, under its own access rule. A subscriber that
//! is too slow misses announcements, never a state: it is told to read again.

use contract::{ExportId, RecordId, TaskId, TransferId, VersionId};
use tokio::sync::broadcast;

/// Something changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A transfer, or a total of it.
    Transfer(TransferId),
    /// A version of a record.
    Version(VersionId, RecordId),
    /// A task.
    Task(TaskId),
    /// An export.
    Export(ExportId),
    /// More than could be told: read again.
    Missed,
}

const CAPACITY: usize = 4096;

/// The announcements.
#[derive(Debug, Clone)]
pub struct Changes(broadcast::Sender<Change>);

impl Changes {
    pub(crate) fn new() -> Self {
        Self(broadcast::channel(CAPACITY).0)
    }

    pub(crate) fn announce(&self, change: Change) {
        // Nobody listening is no error.
        drop(self.0.send(change));
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        Listener(self.0.subscribe())
    }
}

/// One listener.
#[derive(Debug)]
pub struct Listener(broadcast::Receiver<Change>);

impl Listener {
    /// The next change; `None` when the process ends.
    pub async fn next(&mut self) -> Option<Change> {
        match self.0.recv().await {
            Ok(change) => Some(change),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(Change::Missed),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
