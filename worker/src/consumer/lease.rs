//! Keeping a job, and its message, while it runs.
//!
//! Always: a job whose lease may have run out is told to end, also when the API does not answer.

use std::time::Duration;

use runtime::queue::{Queue, QueueError, Receipt};
use tokio::time::{Instant, sleep, timeout_at};

use crate::client::{Api, LeaseKey};
use crate::job::Interrupt;

/// Extends the lease, and hides the message, until one of them says that the job is to end.
pub(super) async fn keep(
    api: &dyn Api,
    queue: &dyn Queue,
    key: &LeaseKey,
    receipt: Option<&Receipt>,
    lease: Duration,
) -> Interrupt {
    let third = lease / 3;
    let mut until = Instant::now() + lease;
    let mut pause = third;
    loop {
        sleep(pause).await;
        pause = third;
        let asked = Instant::now();
        let message = async {
            if let Some(receipt) = receipt {
                hide(queue, receipt, lease).await;
            }
        };
        let keys = [key.clone()];
        let extended = timeout_at(until.min(asked + third), api.extend_leases(&keys, lease));
        let (extended, ()) = tokio::join!(extended, message);
        match extended {
            Ok(Ok(outcomes)) => match outcomes.iter().find(|outcome| outcome.job == key.job) {
                Some(outcome) if outcome.lost => return Interrupt::Lost,
                Some(outcome) if outcome.cancelled => return Interrupt::Cancelled,
                Some(_) => until = asked + lease,
                None => {}
            },
            Ok(Err(error)) if !error.is_retryable() => return Interrupt::Lost,
            Ok(Err(error)) => tracing::warn!(job = %key.job, %error, "the lease was not extended"),
            // A connection that died unnoticed is left for another.
            Err(_) => pause = Duration::ZERO,
        }
        if Instant::now() >= until {
            return Interrupt::Lost;
        }
    }
}

async fn hide(queue: &dyn Queue, receipt: &Receipt, visibility: Duration) {
    match queue.extend(receipt, visibility).await {
        Ok(()) => {}
        // It is delivered again, and the one who gets it finds the job taken.
        Err(QueueError::NotHeld) => tracing::debug!("the message is no longer ours"),
        Err(error) => tracing::warn!(%error, "the message was not hidden for longer"),
    }
}

#[cfg(test)]
mod tests;
