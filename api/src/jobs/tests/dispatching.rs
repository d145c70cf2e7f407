//! Whose turn it is.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use contract::messages::{JOBS_QUEUE, JobMessage};
use entity::job;
use runtime::queue::{Depth, Outgoing, Queue, QueueError, Receipt, Received};
use uuid::Uuid;

use super::shop::Shop;
use crate::{
    jobs::{Kind, Status, dispatcher::Dispatcher},
    unit::NewJob,
};

/// Keeps what was sent; or refuses everything.
#[derive(Default)]
struct Sent {
    messages: Mutex<Vec<Outgoing>>,
    down: bool,
}

impl Sent {
    fn lanes(&self) -> Vec<String> {
        let sent = self.messages.lock().expect("nobody panicked");
        sent.iter()
            .filter_map(|message| message.group.clone())
            .collect()
    }
}

#[async_trait]
impl Queue for Sent {
    async fn send(&self, messages: &[Outgoing]) -> Result<(), QueueError> {
        if self.down {
            return Err(QueueError::Unavailable("on purpose".into()));
        }
        self.messages
            .lock()
            .expect("nobody panicked")
            .extend_from_slice(messages);
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

    async fn delete(&self, _: &[Receipt]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(Depth::default())
    }
}

fn dispatcher(shop: &Shop, queue: Arc<Sent>) -> Dispatcher {
    let queue: Arc<dyn Queue> = queue;
    Dispatcher::new(
        shop.app().clone(),
        HashMap::from([(JOBS_QUEUE.to_owned(), queue)]),
    )
}

async fn add(shop: &Shop, lane: u128, jobs: usize, queue: &str) {
    let mut unit = shop.app().begin_internal().await.expect("a unit begins");
    for _ in 0..jobs {
        let subject = unit.id();
        unit.job(NewJob {
            kind: job::Kind::Check,
            queue: queue.into(),
            subject_id: subject,
            lane: Uuid::from_u128(lane),
            lease: None,
        });
    }
    unit.commit().await.expect("it commits");
}

#[tokio::test]
async fn a_job_is_marked_and_announced_once() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let queue = Arc::<Sent>::default();
    let mut dispatcher = dispatcher(&shop, queue.clone());
    assert_eq!(dispatcher.round().await.ok(), Some(1));
    assert_eq!(dispatcher.round().await.ok(), Some(0));
    let job = shop.open(version.id, Kind::Check).await.remove(0);
    assert_eq!(job.status, Status::Published);
    let sent = queue.messages.lock().expect("nobody panicked").clone();
    let message = JobMessage::decode(&sent[0].body).expect("it is a message");
    assert_eq!(message.job_id.0, job.id);
    assert_eq!(sent[0].group, Some(shop.transfer.id.simple().to_string()));
}

#[tokio::test]
async fn a_long_lane_does_not_delay_a_short_one() {
    let shop = Shop::new().await;
    add(&shop, 1, 1_000, JOBS_QUEUE).await;
    add(&shop, 2, 1, JOBS_QUEUE).await;
    let queue = Arc::<Sent>::default();
    let mut dispatcher = dispatcher(&shop, queue.clone());
    // As many as a lane may have in flight, and the one of the other lane.
    assert_eq!(dispatcher.round().await.ok(), Some(65));
    assert_eq!(dispatcher.round().await.ok(), Some(0));
    let other = Uuid::from_u128(2).simple().to_string();
    assert_eq!(
        queue.lanes().iter().position(|lane| *lane == other),
        Some(1)
    );
}

#[tokio::test]
async fn every_lane_gets_its_turn_however_many_there_are() {
    let shop = Shop::new().await;
    for lane in 1..=450 {
        add(&shop, lane, 2, JOBS_QUEUE).await;
    }
    let queue = Arc::<Sent>::default();
    let mut dispatcher = dispatcher(&shop, queue.clone());
    let mut announced = 0;
    for _ in 0..4 {
        announced += dispatcher.round().await.expect("it dispatches");
    }
    assert_eq!(announced, 900);
    let mut lanes = queue.lanes();
    lanes.sort_unstable();
    lanes.dedup();
    assert_eq!(lanes.len(), 450);
}

#[tokio::test]
async fn jobs_of_a_queue_that_nobody_serves_do_not_hold_up_the_others() {
    let shop = Shop::new().await;
    add(&shop, 1, 100, "OCR").await;
    add(&shop, 1, 1, JOBS_QUEUE).await;
    let mut dispatcher = dispatcher(&shop, Arc::default());
    assert_eq!(dispatcher.round().await.ok(), Some(1));
}

#[tokio::test]
async fn a_send_that_fails_loses_nothing() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let down = Arc::new(Sent {
        down: true,
        ..Sent::default()
    });
    assert_eq!(dispatcher(&shop, down).round().await.ok(), Some(1));
    shop.pass(121);
    crate::jobs::reconciler::reconcile(shop.app()).await;
    let up = Arc::<Sent>::default();
    assert_eq!(dispatcher(&shop, up.clone()).round().await.ok(), Some(1));
    assert_eq!(up.lanes().len(), 1);
    assert_eq!(shop.open(version.id, Kind::Check).await[0].attempt, 1);
}

#[tokio::test]
async fn what_is_not_due_waits() {
    let shop = Shop::new().await;
    let version = shop.uploaded("a.pdf").await;
    let held = shop.take(version.id, Kind::Check).await;
    shop.pass(60);
    crate::jobs::reconciler::reconcile(shop.app()).await;
    let mut dispatcher = dispatcher(&shop, Arc::default());
    assert_eq!(dispatcher.round().await.ok(), Some(0));
    shop.pass(1);
    assert_eq!(dispatcher.round().await.ok(), Some(1));
    assert_eq!(shop.job(held.job).await.attempt, 2);
}
