//! Messages that could not be dealt with now.
//!
//! Always: the queue gives a message up after a number of receives, and they must not be used up by an API that is
//! away for some minutes: the more often a message was received, the longer it stays hidden.

use std::num::NonZeroU32;
use std::time::Duration;

use runtime::backoff::Policy;
use runtime::queue::{Queue, Receipt};

/// By how often it was received; twenty receives, as the templates have it, are more than an hour.
const AGAIN: Policy = Policy {
    first: Duration::from_millis(500),
    cap: Duration::from_mins(5),
    attempts: NonZeroU32::MAX,
};

/// Hides a message until it may be tried again.
pub(crate) async fn later(queue: &dyn Queue, receipt: &Receipt, received: u32) {
    if let Err(error) = queue.extend(receipt, AGAIN.ceiling(received)).await {
        // It comes again when its time is over.
        tracing::debug!(%error, "a message was not put off");
    }
}
