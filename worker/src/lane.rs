//! Work on a stream of bytes, on a thread of its own.
//!
//! Always: a lane holds at most [`AHEAD`] blocks that it has not looked at yet; it ends when its
//! feed is dropped, so an abandoned job leaves no thread behind.

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// How many blocks may wait for a lane.
pub(crate) const AHEAD: usize = 2;

/// A thread that looks at blocks of bytes as they come.
#[derive(Debug)]
pub(crate) struct Lane<T> {
    feed: mpsc::Sender<Bytes>,
    result: JoinHandle<T>,
}

/// The thread ended before its bytes did: it panicked, or the process is stopping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a lane ended early")]
pub(crate) struct LaneEnded;

impl<T: Send + 'static> Lane<T> {
    /// Starts `work` on the blocks that are going to be fed.
    pub(crate) fn start<F>(work: F) -> Self
    where
        F: FnOnce(&mut dyn Iterator<Item = Bytes>) -> T + Send + 'static,
    {
        let (feed, mut blocks) = mpsc::channel(AHEAD);
        let result = tokio::task::spawn_blocking(move || {
            work(&mut std::iter::from_fn(|| blocks.blocking_recv()))
        });
        Self { feed, result }
    }

    /// Gives the lane its next block, as soon as it has room.
    pub(crate) async fn feed(&self, block: Bytes) -> Result<(), LaneEnded> {
        self.feed.send(block).await.map_err(|_| LaneEnded)
    }

    /// Ends the bytes and waits for the result.
    pub(crate) async fn finish(self) -> Result<T, LaneEnded> {
        drop(self.feed);
        self.result.await.map_err(|_| LaneEnded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lane_sees_the_blocks_in_their_order() {
        let lane = Lane::start(|blocks| blocks.map(|block| block.len()).collect::<Vec<_>>());
        for size in 0..10 {
            assert_eq!(lane.feed(Bytes::from(vec![0; size])).await, Ok(()));
        }
        assert_eq!(lane.finish().await, Ok((0..10).collect()));
    }

    #[tokio::test]
    async fn a_lane_that_panics_is_reported() {
        let lane = Lane::start(|blocks| assert!(blocks.next().is_none(), "on purpose"));
        let fed = lane.feed(Bytes::from_static(b"x")).await;
        assert_eq!(fed.and(lane.finish().await), Err(LaneEnded));
    }
}
