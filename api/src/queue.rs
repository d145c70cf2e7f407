//! Announcing jobs: the queues by name, and messages in groups that take turns.
//!
//! Does not own which jobs are announced (`jobs::dispatcher`). A message that was not sent is no loss: the
//! job stays in the table, and is announced again.

use std::{collections::HashMap, sync::Arc};

use contract::{JobId, messages::JobMessage};
use runtime::queue::{Outgoing, Queue, QueueError};
use uuid::Uuid;

/// The queues by name.
pub type Queues = HashMap<String, Arc<dyn Queue>>;

/// A job to announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Which.
    pub job: Uuid,
    /// Whose: the queue lets lanes take turns.
    pub lane: Uuid,
    /// The trace that caused it.
    pub traceparent: Option<String>,
}

/// Announces jobs in one queue.
pub async fn announce(queue: &dyn Queue, jobs: &[Announcement]) -> Result<(), QueueError> {
    let messages: Vec<Outgoing> = jobs
        .iter()
        .map(|announced| Outgoing {
            body: JobMessage {
                job_id: JobId(announced.job),
                traceparent: announced.traceparent.clone(),
            }
            .encode(),
            group: Some(announced.lane.simple().to_string()),
        })
        .collect();
    queue.send(&messages).await
}
