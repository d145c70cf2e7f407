//! Notifications of the object store, from the queue to the API.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use runtime::queue::{Depth, Outgoing, Queue, QueueError, Receipt, Received};
use runtime::shutdown::Shutdown;
use serde_json::json;
use worker::uploads;

use crate::world::{FakeApi, LONG, World};

fn event(keys: &[&str]) -> String {
    let record = |key: &&str| {
        json!({
            "eventSource": "aws:s3",
            "eventName": "ObjectCreated:Put",
            "s3": {"bucket": {"name": "incoming"}, "object": {"key": key}},
        })
    };
    json!({"Records": keys.iter().map(record).collect::<Vec<_>>()}).to_string()
}

/// Passes on what is in the queue until so many objects were told of.
async fn pass_on(world: &World, objects: usize) -> Vec<String> {
    let shutdown = Shutdown::new();
    let queue: Arc<dyn Queue> = world.queue.clone();
    let loop_ = uploads::run(
        world.api.clone(),
        queue,
        Duration::from_millis(50),
        &shutdown,
    );
    let script = async {
        world
            .api
            .until(|api| api.state().uploads.len() >= objects)
            .await;
        shutdown.begin();
    };
    let both = async { tokio::join!(script, loop_) };
    tokio::time::timeout(LONG, both).await.unwrap();
    let state = world.api.state();
    let mut keys: Vec<String> = state.uploads.iter().map(|(_, key)| key.clone()).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn what_the_store_tells_of_reaches_the_api_in_one_call_and_nonsense_delays_nothing() {
    let world = World::new().await;
    for text in [
        "nonsense",
        "{}",
        r#"{"Service":"Amazon S3","Event":"s3:TestEvent"}"#,
    ] {
        world.say(text).await;
    }
    world.say(&event(&["version_1", "version_2"])).await;
    world.say(&event(&["version_3"])).await;
    assert_eq!(
        pass_on(&world, 3).await,
        ["version_1", "version_2", "version_3"]
    );
    assert_eq!(world.api.state().calls["reportUploads"], 1);
}

#[tokio::test]
async fn what_could_not_be_told_is_told_again() {
    let world = World::new().await;
    world.say(&event(&["version_1"])).await;
    world.api.state().unreachable = 1;
    assert_eq!(pass_on(&world, 1).await, ["version_1"]);
}

/// A queue with one message, which counts up to 20 receives; then the shutdown begins.
struct Patient {
    hidden: Mutex<Vec<Duration>>,
    shutdown: Shutdown,
}

#[async_trait]
impl Queue for Patient {
    async fn send(&self, _: &[Outgoing]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn receive(
        &self,
        _: usize,
        _: Duration,
        _: Duration,
    ) -> Result<Vec<Received>, QueueError> {
        Ok(vec![Received {
            receipt: Receipt::new("r"),
            body: event(&["version_1"]),
            receive_count: u32::try_from(self.hidden.lock().unwrap().len()).unwrap() + 1,
        }])
    }

    async fn extend(&self, _: &Receipt, visibility: Duration) -> Result<(), QueueError> {
        let mut hidden = self.hidden.lock().unwrap();
        hidden.push(visibility);
        if hidden.len() == 20 {
            self.shutdown.begin();
        }
        Ok(())
    }

    async fn delete(&self, _: &[Receipt]) -> Result<(), QueueError> {
        Ok(())
    }

    async fn depth(&self) -> Result<Depth, QueueError> {
        Ok(Depth::default())
    }
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_away_for_most_of_an_hour_uses_up_no_message() {
    let shutdown = Shutdown::new();
    let api = Arc::new(FakeApi::default());
    api.state().unreachable = u32::MAX;
    let queue = Arc::new(Patient {
        hidden: Mutex::default(),
        shutdown: shutdown.clone(),
    });
    uploads::run(api, queue.clone(), Duration::ZERO, &shutdown).await;
    let hidden = queue.hidden.lock().unwrap();
    assert_eq!(hidden[..3], [500, 1_000, 2_000].map(Duration::from_millis));
    assert_eq!(hidden[19], Duration::from_mins(5));
    assert!(hidden.iter().sum::<Duration>() >= Duration::from_mins(55));
}

#[tokio::test]
async fn what_could_not_be_looked_at_stays_in_the_queue() {
    let world = World::new().await;
    world.api.state().not_now.insert("version_1".to_owned());
    world.say(&event(&["version_1"])).await;
    world.say(&event(&["version_2"])).await;
    assert_eq!(pass_on(&world, 1).await, ["version_2"]);
    let depth = world.queue.depth().await.unwrap();
    assert_eq!(depth.visible + depth.in_flight, 1, "one is to come again");
}
