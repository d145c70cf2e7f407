#![expect(clippy::unwrap_used, reason = "a test may")]

use std::sync::Arc;
use std::time::Duration;

use runtime::clock::ManualClock;
use runtime::queue::{Depth, Outgoing, Queue, QueueError, Received};

use super::MemoryQueue;

const HIDDEN: Duration = Duration::from_secs(30);

struct World {
    clock: Arc<ManualClock>,
    queue: MemoryQueue,
}

impl World {
    fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let queue = MemoryQueue::new(Arc::<ManualClock>::clone(&clock), 100);
        Self { clock, queue }
    }

    async fn send(&self, group: &str, bodies: &[&str]) {
        let messages: Vec<Outgoing> = bodies.iter().map(|body| message(group, body)).collect();
        self.queue.send(&messages).await.unwrap();
    }

    async fn receive(&self, max: usize) -> Vec<Received> {
        self.queue
            .receive(max, Duration::ZERO, HIDDEN)
            .await
            .unwrap()
    }

    async fn bodies(&self, max: usize) -> Vec<String> {
        let received = self.receive(max).await;
        received.into_iter().map(|received| received.body).collect()
    }
}

fn message(group: &str, body: &str) -> Outgoing {
    Outgoing {
        body: body.to_owned(),
        group: Some(group.to_owned()),
    }
}

#[tokio::test]
async fn a_received_message_is_hidden_until_its_time_is_over() {
    let world = World::new();
    world.send("g", &["m"]).await;
    assert_eq!(world.receive(1).await[0].receive_count, 1);
    world
        .clock
        .advance(HIDDEN.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(world.receive(1).await, []);
    world.clock.advance(Duration::from_millis(1));
    assert_eq!(world.receive(1).await[0].receive_count, 2);
}

#[tokio::test]
async fn a_deleted_message_does_not_come_back() {
    let world = World::new();
    world.send("g", &["m"]).await;
    let received = world.receive(1).await;
    world
        .queue
        .delete(std::slice::from_ref(&received[0].receipt))
        .await
        .unwrap();
    world
        .queue
        .delete(std::slice::from_ref(&received[0].receipt))
        .await
        .unwrap();
    world.clock.advance(HIDDEN * 2);
    assert_eq!(world.receive(1).await, []);
    assert_eq!(world.queue.depth().await.unwrap(), Depth::default());
}

#[tokio::test]
async fn a_message_whose_time_is_over_can_still_be_deleted_by_who_had_it() {
    let world = World::new();
    world.send("g", &["late", "other"]).await;
    let received = world.receive(1).await;
    world.clock.advance(HIDDEN);
    assert_eq!(world.queue.depth().await.unwrap().visible, 2);
    world
        .queue
        .delete(std::slice::from_ref(&received[0].receipt))
        .await
        .unwrap();
    assert_eq!(world.bodies(2).await, ["other"]);
}

#[tokio::test]
async fn an_old_receipt_does_not_delete_what_another_has_received() {
    let world = World::new();
    world.send("g", &["m"]).await;
    let old = world.receive(1).await.remove(0).receipt;
    world.clock.advance(HIDDEN);
    world.receive(1).await;
    world
        .queue
        .delete(std::slice::from_ref(&old))
        .await
        .unwrap();
    assert!(matches!(
        world.queue.extend(&old, HIDDEN).await,
        Err(QueueError::NotHeld)
    ));
    assert_eq!(world.queue.depth().await.unwrap().in_flight, 1);
}

#[tokio::test]
async fn extending_keeps_a_message_hidden_from_now() {
    let world = World::new();
    world.send("g", &["m"]).await;
    let receipt = world.receive(1).await.remove(0).receipt;
    world.clock.advance(HIDDEN / 2);
    world.queue.extend(&receipt, HIDDEN).await.unwrap();
    world
        .clock
        .advance(HIDDEN.checked_sub(Duration::from_millis(1)).unwrap());
    assert_eq!(world.receive(1).await, []);
    world.clock.advance(Duration::from_millis(1));
    assert!(matches!(
        world.queue.extend(&receipt, HIDDEN).await,
        Err(QueueError::NotHeld)
    ));
}

#[tokio::test]
async fn extending_by_nothing_hands_a_message_back_at_once() {
    let world = World::new();
    world.send("g", &["m"]).await;
    let receipt = world.receive(1).await.remove(0).receipt;
    world.queue.extend(&receipt, Duration::ZERO).await.unwrap();
    assert_eq!(world.bodies(1).await, ["m"]);
}

#[tokio::test]
async fn one_group_does_not_starve_another() {
    let world = World::new();
    world.send("long", &["a1", "a2", "a3", "a4"]).await;
    world.send("short", &["b1"]).await;
    assert_eq!(world.bodies(2).await, ["a1", "b1"]);
    world.send("late", &["c1"]).await;
    assert_eq!(world.bodies(10).await, ["a2", "c1", "a3", "a4"]);
}

#[tokio::test]
async fn a_full_queue_names_what_it_did_not_take() {
    let world = World::new();
    let queue = MemoryQueue::new(Arc::<ManualClock>::clone(&world.clock), 2);
    let messages = [message("g", "1"), message("g", "2"), message("g", "3")];
    let Err(QueueError::Unsent(unsent)) = queue.send(&messages).await else {
        panic!("it took more than it may");
    };
    assert_eq!(
        unsent
            .iter()
            .map(|u| (u.index, u.retryable))
            .collect::<Vec<_>>(),
        [(2, true)]
    );
    assert_eq!(queue.depth().await.unwrap().visible, 2);
}

#[tokio::test]
async fn a_message_that_is_too_long_is_refused_for_good() {
    let world = World::new();
    let long = message("g", &"x".repeat(runtime::queue::MAX_BODY + 1));
    let refused = world.queue.send(&[message("g", "short"), long]).await;
    assert!(refused.is_err_and(|error| !error.is_retryable()));
    assert_eq!(world.bodies(2).await, ["short"]);
}

#[tokio::test]
async fn a_receive_that_waits_is_woken_by_a_message() {
    let world = World::new();
    let waiting = world.queue.receive(1, Duration::from_secs(20), HIDDEN);
    let sending = world.send("g", &["m"]);
    let (received, ()) = tokio::join!(waiting, sending);
    assert_eq!(received.unwrap()[0].body, "m");
}

#[tokio::test]
async fn at_most_ten_messages_come_at_once() {
    let world = World::new();
    world.send("g", &["m"; 12]).await;
    assert_eq!(world.receive(usize::MAX).await.len(), 10);
    assert_eq!(world.receive(0).await, []);
}

#[tokio::test]
async fn every_message_is_received_once_by_many_who_receive_at_once() {
    let world = World::new();
    let bodies: Vec<String> = (0..90).map(|n| n.to_string()).collect();
    let borrowed: Vec<&str> = bodies.iter().map(String::as_str).collect();
    world.send("g", &borrowed).await;
    let workers = (0..30).map(|_| world.bodies(3));
    let mut received: Vec<String> = futures::future::join_all(workers).await.concat();
    received.sort_by_key(|body| body.parse::<u32>().unwrap());
    assert_eq!(received, bodies);
}
