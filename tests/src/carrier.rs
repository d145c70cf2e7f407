//! A queue that does to messages whatever SQS may do to them: it stands between two queues.

use std::time::Duration;

use aws_sdk_sqs::{
    Client,
    types::{DeleteMessageBatchRequestEntry, SendMessageBatchRequestEntry},
};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng, seq::SliceRandom as _};

/// What becomes of a message.
#[derive(Debug, Clone)]
pub struct Mood {
    /// How often it is delivered, drawn from these.
    pub copies: std::ops::RangeInclusive<usize>,
    /// How many of all never are, 0 to 1.
    pub lost: f64,
    /// How late it may be.
    pub late: Duration,
}

/// Carries messages from one queue to another, in another order, for ever.
pub async fn carry(sqs: Client, from: String, to: String, seed: u64, mood: Mood) {
    let mut random = StdRng::seed_from_u64(seed);
    loop {
        let received = sqs
            .receive_message()
            .queue_url(&from)
            .max_number_of_messages(10)
            .wait_time_seconds(1)
            .send()
            .await;
        let messages = received.map(|answer| answer.messages.unwrap_or_default());
        let messages = messages.unwrap_or_default();
        let mut copies: Vec<&str> = Vec::new();
        for message in &messages {
            if !random.random_bool(mood.lost) {
                let times = random.random_range(mood.copies.clone());
                copies.extend((0..times).filter_map(|_| message.body.as_deref()));
            }
        }
        copies.shuffle(&mut random);
        for chunk in copies.chunks(10) {
            let mut entries = Vec::with_capacity(chunk.len());
            for (nth, body) in chunk.iter().enumerate() {
                let late = random.random_range(0..=mood.late.as_secs());
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(nth.to_string())
                    .message_body(*body)
                    .delay_seconds(i32::try_from(late).unwrap_or_default());
                entries.push(entry.build().expect("an entry is whole"));
            }
            // Lost on the way is what may happen to it.
            let sent = sqs.send_message_batch().queue_url(&to);
            drop(sent.set_entries(Some(entries)).send().await);
        }
        let gone = messages.into_iter().enumerate().map(|(nth, message)| {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(nth.to_string())
                .set_receipt_handle(message.receipt_handle);
            entry.build().expect("an entry is whole")
        });
        let gone: Vec<_> = gone.collect();
        if !gone.is_empty() {
            let deleted = sqs.delete_message_batch().queue_url(&from);
            drop(deleted.set_entries(Some(gone)).send().await);
        }
    }
}
