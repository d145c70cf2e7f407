//! The queue between those who make work and those who do it.
//!
//! Owns what both sides may expect of a queue, and [`sqs::SqsQueue`]. Does not own what a
//! message says (`contract`) or the queue within the process (`embedded`).
//!
//! Always: delivery is at least once and in no order. A message that was received is hidden
//! from others for a time, and comes back unless it is deleted before that time is over.

pub mod sqs;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

/// A queue of messages that are delivered at least once.
#[async_trait]
pub trait Queue: Send + Sync + 'static {
    /// Sends any number of messages. If some were not taken, [`QueueError::Unsent`] names them.
    async fn send(&self, messages: &[Outgoing]) -> Result<(), QueueError>;

    /// Takes up to `max` messages (no more than [`MAX_BATCH`] come at once), waiting for the
    /// first as long as `wait` (at most [`MAX_WAIT`]), and hides them from others for `visibility`.
    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError>;

    /// Whether a receive may be given up while it waits, and nothing is hidden that nobody got. Of a queue behind
    /// a network it is not certain: a message may be given to a connection that is gone.
    fn may_be_left(&self) -> bool {
        false
    }

    /// Hides a received message for `visibility` from now. Zero hands it back.
    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError>;

    /// Deletes any number of received messages. Deleting what is gone already is no error; if some were not
    /// deleted, they come again.
    async fn delete(&self, receipts: &[Receipt]) -> Result<(), QueueError>;

    /// About how many messages there are.
    async fn depth(&self) -> Result<Depth, QueueError>;
}

/// The most messages that come with one receive.
pub const MAX_BATCH: usize = 10;

/// The longest that a receive waits.
pub const MAX_WAIT: Duration = Duration::from_secs(20);

/// The longest text of a message, in bytes.
pub const MAX_BODY: usize = 256 * 1024;

/// A message to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Its text.
    pub body: String,
    /// Whose message it is. Groups take turns, so that a long one does not delay the others.
    pub group: Option<String>,
}

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// What to extend and delete it by.
    pub receipt: Receipt,
    /// Its text.
    pub body: String,
    /// How often it has been received, this time included.
    pub receive_count: u32,
}

/// Names one delivery of a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Receipt(String);

impl Receipt {
    /// A receipt as the queue wrote it.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text that the queue knows it by.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How many messages there are, roughly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    /// Waiting to be received.
    pub visible: u64,
    /// Received, and neither deleted nor back yet.
    pub in_flight: u64,
}

/// A message that was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// Its place among the messages given to [`Queue::send`].
    pub index: usize,
    /// Why, as a code.
    pub code: String,
    /// Whether it may be sent again as it is.
    pub retryable: bool,
}

/// Why the queue did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// Some messages were sent, these were not.
    #[error("{} messages were not sent: {}", .0.len(), Codes(.0))]
    Unsent(Vec<Unsent>),
    /// The receipt no longer names a message that is ours.
    #[error("the message is no longer held by this receipt")]
    NotHeld,
    /// The queue was not reached, or could not answer now.
    #[error("the queue does not answer: {0}")]
    Unavailable(String),
    /// The queue was reached and refuses.
    #[error("the queue refuses: {0}")]
    Refused(String),
}

impl QueueError {
    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unsent(unsent) => unsent.iter().all(|unsent| unsent.retryable),
            Self::Unavailable(_) => true,
            Self::NotHeld | Self::Refused(_) => false,
        }
    }
}

struct Codes<'a>(&'a [Unsent]);

impl fmt::Display for Codes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut codes: Vec<&str> = self.0.iter().map(|unsent| &*unsent.code).collect();
        codes.sort_unstable();
        codes.dedup();
        f.write_str(&codes.join(", "))
    }
}
