//! The loop between the queue and the jobs.
//!
//! Owns how many jobs run, how long a message stays hidden, and what becomes of it afterwards.
//! Does not own what a job does (`checks`, `dispositions`, `exports`, `fixity`) or how a result reaches the
//! database (the API).
//!
//! Always: no place, no receive; each message is settled alone; a message is deleted only when it
//! says nothing or nothing new, when there is nothing to do now, or when its job returned `Ok` or was
//! reported as failed; after the soft signal no receive begins, and what one brings that was under way is handed
//! back at once.

mod deletions;
mod lease;
mod slots;
mod task;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use contract::JobId;
use contract::messages::JobMessage;
use runtime::backoff::Policy;
use runtime::queue::{MAX_BATCH, MAX_WAIT, Queue, QueueError, Receipt, Received};
use runtime::shutdown::Shutdown;
use runtime::telemetry::trace;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::again;
use crate::client::{ApiError, Claim, ClaimOutcome, Granted};
use crate::deps::Deps;
use deletions::Deletions;
use slots::{Permit, Slots};
use task::Crew;

/// How far apart the attempts are while the queue or the API does not answer. They never end:
/// there is nothing else to do.
const PATIENCE: Policy = Policy {
    first: Duration::from_millis(500),
    cap: Duration::from_secs(30),
    attempts: NonZeroU32::MAX,
};

/// How long a receive may take that was under way when the worker was told to stop.
const LAST_RECEIVE: Duration = MAX_WAIT.saturating_add(Duration::from_secs(2));

/// A message that names a job.
struct Message {
    job: JobId,
    receipt: Receipt,
    receive_count: u32,
    traceparent: Option<String>,
}

/// The loop.
pub(crate) struct Consumer {
    crew: Crew,
    shutdown: Shutdown,
    running: TaskTracker,
}

impl Consumer {
    pub(crate) fn new(deps: Arc<Deps>, queue: Arc<dyn Queue>, shutdown: &Shutdown) -> Self {
        let slots = Slots::new(deps.config.jobs, deps.config.exports, deps.config.fixity);
        Self {
            crew: Crew {
                deps,
                deletions: Arc::new(Deletions::new(queue.clone())),
                queue,
                slots,
                stop: shutdown.soft().clone(),
            },
            shutdown: shutdown.clone(),
            running: TaskTracker::new(),
        }
    }

    /// Takes jobs until the soft signal, then waits for those that run. That wait is bounded by
    /// [`crate::Config::grace`] and what handing back takes.
    pub(crate) async fn run(&self) {
        let soft = self.shutdown.soft();
        let mut failures = 0;
        while !soft.is_cancelled() {
            match self.turn().await {
                Ok(()) => failures = 0,
                Err(problem) => {
                    failures += 1;
                    let delay = PATIENCE.delay(failures, &mut rand::rng());
                    tracing::warn!(problem, ?delay, "no jobs can be taken");
                    soft.run_until_cancelled(tokio::time::sleep(delay)).await;
                }
            }
        }
        self.running.close();
        self.running.wait().await;
    }

    /// Waits for a place, then for messages, and starts their jobs.
    async fn turn(&self) -> Result<(), String> {
        let Crew {
            deps, queue, slots, ..
        } = &self.crew;
        let soft = self.shutdown.soft();
        let receive = async {
            let permits = slots.take(MAX_BATCH).await;
            if soft.is_cancelled() {
                return (permits, Ok(Vec::new()));
            }
            let (wait, hidden) = (deps.config.receive_wait, deps.config.lease);
            let received = queue.receive(permits.len(), wait, hidden).await;
            (permits, received)
        };
        let mut receive = std::pin::pin!(receive);
        let Some((permits, received)) = soft.run_until_cancelled(receive.as_mut()).await else {
            self.last_receive(receive).await;
            return Ok(());
        };
        let received = received.map_err(|error| error.to_string())?;
        let messages = self.decode(received).await;
        if messages.is_empty() {
            return Ok(());
        }
        let jobs: Vec<JobId> = messages.iter().map(|message| message.job).collect();
        let Some(claims) = self.crew.in_time(self.claim(&jobs)).await else {
            return Ok(());
        };
        let claims = match claims {
            Ok(claims) => claims,
            Err(error) => {
                for message in &messages {
                    let received = message.receive_count;
                    again::later(queue.as_ref(), &message.receipt, received).await;
                }
                return Err(error.to_string());
            }
        };
        let mut permits = permits.into_iter();
        let mut done = Vec::new();
        for message in messages {
            let job = message.job;
            let claim = claims.iter().find(|claim| claim.job == job);
            match claim {
                Some(Claim {
                    outcome: ClaimOutcome::Claimed,
                    granted: Some(granted),
                    ..
                }) => {
                    if let Some(permit) = permits.next() {
                        self.start(granted.clone(), message, permit);
                    }
                }
                Some(claim) if claim.outcome == ClaimOutcome::NothingToDo => {
                    done.push(message.receipt);
                }
                // Another has it, or it waits for its next attempt. When it is due, it is announced anew: this
                // message would only come again and again, and be a dead letter in the end.
                Some(claim) if claim.outcome == ClaimOutcome::Busy => done.push(message.receipt),
                // Nothing was said of it, so it comes again.
                _ => tracing::warn!(%job, "left in the queue"),
            }
        }
        self.delete(&done).await;
        Ok(())
    }

    /// Beside the jobs that still run, a receive that was under way comes to its end: given up, it may be given the
    /// very messages of the jobs that are handed back, and hide them from the other workers for the time of a lease.
    async fn last_receive<T>(
        &self,
        receive: impl Future<Output = (T, Result<Vec<Received>, QueueError>)>,
    ) {
        let queue = &self.crew.queue;
        if queue.may_be_left() || self.running.is_empty() {
            return;
        }
        let Ok((_, Ok(received))) = tokio::time::timeout(LAST_RECEIVE, receive).await else {
            return;
        };
        for message in received {
            if let Err(error) = queue.extend(&message.receipt, Duration::ZERO).await {
                tracing::debug!(%error, "a message was not handed back");
            }
        }
    }

    /// The jobs that the messages name, each once. A message that says nothing would come again
    /// for ever, so it is deleted; of a job that is named twice one message is enough.
    async fn decode(&self, received: Vec<Received>) -> Vec<Message> {
        let mut messages: Vec<Message> = Vec::new();
        let mut superfluous = Vec::new();
        for message in received {
            match JobMessage::decode(&message.body) {
                Ok(decoded) if messages.iter().any(|one| one.job == decoded.job_id) => {
                    superfluous.push(message.receipt);
                }
                Ok(decoded) => messages.push(Message {
                    job: decoded.job_id,
                    receipt: message.receipt,
                    receive_count: message.receive_count,
                    traceparent: decoded.traceparent,
                }),
                Err(error) => {
                    tracing::error!(%error, bytes = message.body.len(), "a message that says nothing");
                    metrics::counter!("muniment_worker_undecodable_messages_total").increment(1);
                    superfluous.push(message.receipt);
                }
            }
        }
        self.delete(&superfluous).await;
        messages
    }

    /// Claims the jobs together, or one by one where the API refuses them together, so that one
    /// job that it does not know leaves the others alone.
    async fn claim(&self, jobs: &[JobId]) -> Result<Vec<Claim>, ApiError> {
        let deps = &self.crew.deps;
        match deps.api.claim_jobs(jobs, deps.config.lease).await {
            Err(error) if !error.is_retryable() => {}
            answer => return answer,
        }
        let mut claims = Vec::new();
        for job in jobs {
            match deps.api.claim_jobs(&[*job], deps.config.lease).await {
                Ok(claim) => claims.extend(claim),
                Err(error) if error.is_retryable() => return Err(error),
                Err(error) => {
                    tracing::error!(%job, %error, "the API does not have this job");
                    claims.push(Claim {
                        job: *job,
                        outcome: ClaimOutcome::NothingToDo,
                        granted: None,
                    });
                }
            }
        }
        Ok(claims)
    }

    fn start(&self, granted: Granted, message: Message, permit: Permit) {
        let span = tracing::info_span!(
            "job",
            job = %message.job,
            kind = granted.work.kind(),
            attempt = granted.lease.attempt,
        );
        trace::go_on(&span, message.traceparent.as_deref());
        let work = self.crew.clone().work(granted, message.receipt, permit);
        let work = self.running.track_future(work.instrument(span));
        self.shutdown.spawn("job", work);
    }

    async fn delete(&self, receipts: &[Receipt]) {
        if let Err(error) = self.crew.queue.delete(receipts).await {
            // They come again, and there is as little to do.
            tracing::warn!(%error, "messages were not deleted");
        }
    }
}
