//! Uploads that the object store tells of, passed on to the API: so a client that vanishes after its last
//! byte loses nothing.
//!
//! Owns the loop over the queue of notifications. Does not own what follows from them (the API looks).
//!
//! Always: a message is deleted only when each of its objects was answered for, or when it says nothing; what
//! could not be told comes again by itself.

pub mod event;

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use runtime::{
    backoff::Policy,
    queue::{MAX_BATCH, Queue, Receipt},
    shutdown::Shutdown,
};

use crate::again;
use crate::client::{Api, ApiError, UploadOutcome};
use event::{Written, read};

/// How long a message stays hidden while its objects are told.
const HIDDEN: Duration = Duration::from_mins(1);
/// The most objects of one report.
const REPORT: usize = 100;
/// How far apart the attempts are while the queue or the API does not answer. They never end: there is
/// nothing else to do.
const PATIENCE: Policy = Policy {
    first: Duration::from_millis(500),
    cap: Duration::from_secs(30),
    attempts: NonZeroU32::MAX,
};

/// Passes notifications on until the shutdown begins.
pub async fn run(api: Arc<dyn Api>, queue: Arc<dyn Queue>, wait: Duration, shutdown: &Shutdown) {
    let mut failures = 0;
    while !shutdown.has_begun() {
        let turn = shutdown
            .soft()
            .run_until_cancelled(turn(api.as_ref(), queue.as_ref(), wait));
        match turn.await {
            Some(Ok(())) => failures = 0,
            Some(Err(problem)) => {
                failures += 1;
                let delay = PATIENCE.delay(failures, &mut rand::rng());
                tracing::warn!(problem, ?delay, "uploads cannot be told");
                let pause = tokio::time::sleep(delay);
                shutdown.soft().run_until_cancelled(pause).await;
            }
            None => return,
        }
    }
}

async fn turn(api: &dyn Api, queue: &dyn Queue, wait: Duration) -> Result<(), String> {
    let received = queue
        .receive(MAX_BATCH, wait, HIDDEN)
        .await
        .map_err(|error| error.to_string())?;
    let mut told = Vec::new();
    let mut settled = Vec::new();
    for message in received {
        match read(&message.body) {
            Ok(written) => told.push((message, written)),
            Err(error) => {
                // It would be as strange the next time. The body may be a stranger's: it is not repeated.
                tracing::warn!(%error, bytes = message.body.len(), "a message was passed over");
                settled.push(message.receipt);
            }
        }
    }
    let objects: Vec<Written> = told
        .iter()
        .flat_map(|(_, written)| written)
        .cloned()
        .collect();
    let outcomes = match tell(api, &objects).await {
        Ok(outcomes) => outcomes,
        Err(error) => {
            delete(queue, &settled).await;
            for (message, _) in &told {
                again::later(queue, &message.receipt, message.receive_count).await;
            }
            return Err(error.to_string());
        }
    };
    let mut outcomes = outcomes.into_iter();
    for (message, written) in told {
        let outcomes: Vec<UploadOutcome> = outcomes.by_ref().take(written.len()).collect();
        let all = outcomes.len() == written.len()
            && outcomes
                .iter()
                .all(|outcome| *outcome != UploadOutcome::Retry);
        if all {
            settled.push(message.receipt);
        } else {
            again::later(queue, &message.receipt, message.receive_count).await;
        }
    }
    delete(queue, &settled).await;
    Ok(())
}

async fn tell(api: &dyn Api, objects: &[Written]) -> Result<Vec<UploadOutcome>, ApiError> {
    let mut outcomes = Vec::with_capacity(objects.len());
    for chunk in objects.chunks(REPORT) {
        outcomes.extend(api.report_uploads(chunk).await?);
    }
    Ok(outcomes)
}

async fn delete(queue: &dyn Queue, settled: &[Receipt]) {
    if let Err(error) = queue.delete(settled).await {
        // They come again, and are as harmless as now.
        tracing::debug!(%error, "messages were not deleted");
    }
}
