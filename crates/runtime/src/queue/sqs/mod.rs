//! The queue as SQS has it.
//!
//! Owns batching within SQS's limits, long polling, and what each of SQS's errors means to
//! us. Does not own the queue itself: its redrive policy and dead letters are configuration.
//!
//! Always: every call is bounded in time; a batch of which some entries failed names them.

mod error;

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry,
};

use super::{
    Depth, MAX_BATCH, MAX_BODY, MAX_WAIT, Outgoing, Queue, QueueError, Receipt, Received, Unsent,
};
use crate::aws::Access;

/// The longest that SQS hides a message.
const MAX_VISIBILITY: Duration = Duration::from_hours(12);
/// How long one attempt of a call may take, beyond what it was told to wait.
const ATTEMPT: Duration = Duration::from_secs(10);

/// One queue of SQS.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// The queue at `url`. It is reached with the first call.
    pub async fn new(access: &Access, url: impl Into<String>) -> Self {
        let shared = access.load().await;
        Self {
            client: Client::new(&shared),
            url: url.into(),
        }
    }

    async fn send_batch(&self, batch: &[(usize, &Outgoing)]) -> Result<Vec<Unsent>, QueueError> {
        let mut entries = Vec::with_capacity(batch.len());
        for (index, message) in batch {
            let entry = SendMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .message_body(&message.body)
                .set_message_group_id(message.group.clone());
            entries.push(entry.build().map_err(error::built)?);
        }
        let sent = self.client.send_message_batch().queue_url(&self.url);
        let sent = sent.set_entries(Some(entries)).customize();
        let sent = sent.config_override(timeouts(Duration::ZERO)).send().await;
        let failed = sent.map_err(error::call)?.failed;
        Ok(failed.iter().filter_map(error::entry).collect())
    }

    async fn delete_batch(&self, batch: &[Receipt]) -> Result<(), QueueError> {
        let mut entries = Vec::with_capacity(batch.len());
        for (index, receipt) in batch.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(receipt.as_str());
            entries.push(entry.build().map_err(error::built)?);
        }
        let deleted = self.client.delete_message_batch().queue_url(&self.url);
        let deleted = deleted.set_entries(Some(entries)).customize();
        let deleted = deleted.config_override(timeouts(Duration::ZERO));
        let failed = deleted.send().await.map_err(error::call)?.failed;
        error::undeleted(&failed)
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, messages: &[Outgoing]) -> Result<(), QueueError> {
        let (mut unsent, batches) = batches(messages);
        for batch in batches {
            match self.send_batch(&batch).await {
                Ok(failed) => unsent.extend(failed),
                Err(error) => unsent.extend(batch.iter().map(|(index, _)| Unsent {
                    index: *index,
                    code: error.to_string(),
                    retryable: error.is_retryable(),
                })),
            }
        }
        if unsent.is_empty() {
            return Ok(());
        }
        Err(QueueError::Unsent(unsent))
    }

    async fn receive(
        &self,
        max: usize,
        wait: Duration,
        visibility: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        if max == 0 {
            return Ok(Vec::new());
        }
        let wait = Duration::from_secs(wait.min(MAX_WAIT).as_secs());
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(i32::try_from(max.min(MAX_BATCH)).unwrap_or(1))
            .wait_time_seconds(seconds(wait))
            .visibility_timeout(seconds(visibility.min(MAX_VISIBILITY)))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .customize()
            .config_override(timeouts(wait))
            .send()
            .await
            .map_err(error::call)?;
        Ok(answer
            .messages
            .unwrap_or_default()
            .into_iter()
            .filter_map(received)
            .collect())
    }

    async fn extend(&self, receipt: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        self.client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(receipt.as_str())
            .visibility_timeout(seconds(visibility.min(MAX_VISIBILITY)))
            .customize()
            .config_override(timeouts(Duration::ZERO))
            .send()
            .await
            .map_err(error::call)?;
        Ok(())
    }

    async fn delete(&self, receipts: &[Receipt]) -> Result<(), QueueError> {
        let mut undeleted = Ok(());
        for batch in receipts.chunks(MAX_BATCH) {
            match self.delete_batch(batch).await {
                Ok(()) | Err(QueueError::NotHeld) => {}
                Err(error) => undeleted = Err(error),
            }
        }
        undeleted
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        let visible = QueueAttributeName::ApproximateNumberOfMessages;
        let in_flight = QueueAttributeName::ApproximateNumberOfMessagesNotVisible;
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(visible.clone())
            .attribute_names(in_flight.clone())
            .customize()
            .config_override(timeouts(Duration::ZERO))
            .send()
            .await
            .map_err(error::call)?;
        let attributes = answer.attributes.unwrap_or_default();
        let count = |name| attributes.get(name).and_then(|text| text.parse().ok());
        Ok(Depth {
            visible: count(&visible).unwrap_or(0),
            in_flight: count(&in_flight).unwrap_or(0),
        })
    }
}

/// Messages with their places among those that were given.
type Batch<'a> = Vec<(usize, &'a Outgoing)>;

/// Batches that SQS takes: no more than ten messages, and no more bytes in all than one
/// message may have. Messages that are too long by themselves come first.
fn batches(messages: &[Outgoing]) -> (Vec<Unsent>, Vec<Batch<'_>>) {
    let mut unsent = Vec::new();
    let mut batches: Vec<Batch<'_>> = Vec::new();
    let mut bytes = 0;
    for (index, message) in messages.iter().enumerate() {
        let length = message.body.len();
        if length > MAX_BODY {
            unsent.push(Unsent {
                index,
                code: "TooLong".to_owned(),
                retryable: false,
            });
            continue;
        }
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_BATCH && bytes + length <= MAX_BODY => {
                bytes += length;
                batch.push((index, message));
            }
            _ => {
                bytes = length;
                batches.push(vec![(index, message)]);
            }
        }
    }
    (unsent, batches)
}

/// A message without a receipt could never be deleted: it is left to come again.
fn received(message: aws_sdk_sqs::types::Message) -> Option<Received> {
    let count = message.attributes.as_ref().and_then(|attributes| {
        let count = attributes.get(&MessageSystemAttributeName::ApproximateReceiveCount)?;
        count.parse().ok()
    });
    Some(Received {
        receipt: Receipt::new(message.receipt_handle?),
        body: message.body.unwrap_or_default(),
        receive_count: count.unwrap_or(1),
    })
}

fn timeouts(wait: Duration) -> aws_sdk_sqs::config::Builder {
    let attempt = wait + ATTEMPT;
    aws_sdk_sqs::Config::builder().timeout_config(
        TimeoutConfig::builder()
            .read_timeout(attempt)
            .operation_attempt_timeout(attempt)
            .operation_timeout(attempt * 3)
            .build(),
    )
}

fn seconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_secs()).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Outgoing {
        Outgoing {
            body: "x".repeat(length),
            group: None,
        }
    }

    fn lengths(messages: &[Outgoing]) -> (usize, Vec<usize>) {
        let (unsent, batches) = batches(messages);
        (unsent.len(), batches.iter().map(Vec::len).collect())
    }

    #[test]
    fn a_batch_stays_within_the_limits_of_sqs() {
        for (messages, expected) in [
            (vec![], (0, vec![])),
            (vec![message(1); 10], (0, vec![10])),
            (vec![message(1); 25], (0, vec![10, 10, 5])),
            (vec![message(MAX_BODY / 2); 5], (0, vec![2, 2, 1])),
            (vec![message(MAX_BODY), message(1)], (0, vec![1, 1])),
            (
                vec![message(1), message(MAX_BODY + 1), message(1)],
                (1, vec![2]),
            ),
        ] {
            assert_eq!(lengths(&messages), expected);
        }
    }

    #[test]
    fn every_message_keeps_its_place_in_what_was_given() {
        let messages = vec![message(1); 25];
        let (_, batches) = batches(&messages);
        let indexes = batches.iter().flatten().map(|(index, _)| *index);
        assert!(indexes.eq(0..25));
    }
}
