//! Stopping without losing work.
//!
//! Owns two signals and the list of running tasks. The *soft* signal says: begin nothing new.
//! The *hard* signal ends every task where it stands; it comes when the grace period is over,
//! or when the operator asks a second time. Does not own what a task hands back when it ends.
//!
//! Always: a task is started by [`Shutdown::spawn`] and nowhere else, so none outlives the
//! process's drain; a panic in one is logged with its name and ends only that task, unless the
//! process is nothing without it ([`Shutdown::spawn_vital`]).
//!
//! Parts that depend on others get a `Shutdown` of their own, and are drained first: a worker
//! before the object store that it reads from.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::FutureExt;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long tasks that ignore even the hard signal (they block a thread) are waited for.
const AFTER_HARD: Duration = Duration::from_secs(2);

/// The two signals, and the tasks that they reach. Clones share both.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    soft: CancellationToken,
    hard: CancellationToken,
    tasks: TaskTracker,
    failed: Arc<OnceLock<&'static str>>,
}

/// Why a task has no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// It panicked; the log says where.
    #[error("the task panicked")]
    Panicked,
    /// The hard signal ended it.
    #[error("the task was ended by shutdown")]
    Ended,
}

/// A vital task ended before its time, so the process is to end too, and to be started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the task \"{0}\" ended before its time; the log says why")]
pub struct EndedEarly(pub &'static str);

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drained {
    /// Every task ended by itself.
    Cleanly,
    /// This many tasks were still running when the grace period was over, and were ended.
    Cut(usize),
}

impl Shutdown {
    /// With no task yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says to begin nothing new. Repeating it is harmless.
    pub fn begin(&self) {
        self.soft.cancel();
    }

    /// Whether [`Shutdown::begin`] has been called.
    pub fn has_begun(&self) -> bool {
        self.soft.is_cancelled()
    }

    /// The signal to begin nothing new. Loops wait on it beside their work.
    pub fn soft(&self) -> &CancellationToken {
        &self.soft
    }

    /// The signal that everything ends now.
    pub fn hard(&self) -> &CancellationToken {
        &self.hard
    }

    /// Starts a task that [`Shutdown::drain`] waits for. The hard signal drops `future`
    /// where it stands, so what must be given back is given back on drop.
    #[expect(clippy::disallowed_methods, reason = "this is where tasks are started")]
    pub fn spawn<F>(&self, name: &'static str, future: F) -> JoinHandle<Result<F::Output, Lost>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let hard = self.hard.clone();
        let guarded = async move {
            tokio::select! {
                biased;
                () = hard.cancelled() => {
                    tracing::debug!(task = name, "ended by shutdown");
                    Err(Lost::Ended)
                }
                result = AssertUnwindSafe(future).catch_unwind() => result.map_err(|_| {
                    tracing::error!(task = name, "a task panicked; where and why was logged then");
                    Lost::Panicked
                }),
            }
        };
        tokio::spawn(self.tasks.track_future(guarded))
    }

    /// Starts a task that the process is nothing without: where it panics, or ends before the shutdown has begun,
    /// the shutdown begins, and [`Shutdown::outcome`] names it.
    pub fn spawn_vital<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let shutdown = self.clone();
        drop(self.spawn(name, async move {
            let end = AssertUnwindSafe(future).catch_unwind().await;
            if end.is_err() || !shutdown.has_begun() {
                shutdown.failed.get_or_init(|| name);
                shutdown.begin();
            }
            if let Err(panic) = end {
                std::panic::resume_unwind(panic);
            }
        }));
    }

    /// Whether every vital task lasted until the shutdown began.
    pub fn outcome(&self) -> Result<(), EndedEarly> {
        self.failed
            .get()
            .map_or(Ok(()), |task| Err(EndedEarly(task)))
    }

    /// Waits until a vital task ends before its time; for ever, where none does.
    pub async fn ended_early(&self) -> EndedEarly {
        self.soft.cancelled().await;
        match self.outcome() {
            Err(early) => early,
            Ok(()) => std::future::pending().await,
        }
    }

    /// Begins the shutdown, waits for the tasks as long as `grace` lasts, then ends the rest.
    pub async fn drain(&self, grace: Duration) -> Drained {
        self.soft.cancel();
        self.tasks.close();
        tokio::select! {
            () = self.tasks.wait() => return Drained::Cleanly,
            () = self.hard.cancelled() => {}
            () = tokio::time::sleep(grace) => {}
        }
        let cut = self.tasks.len();
        self.hard.cancel();
        if tokio::time::timeout(AFTER_HARD, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(tasks = self.tasks.len(), "tasks did not end");
        }
        Drained::Cut(cut)
    }

    /// Waits for Ctrl-C or SIGTERM and begins the shutdown. A second one, while the drain is
    /// going on, gives the hard signal.
    #[expect(
        clippy::disallowed_methods,
        reason = "it waits for a signal that need never come"
    )]
    pub fn listen(&self) -> std::io::Result<()> {
        let mut interrupts = Interrupts::new()?;
        let (soft, hard) = (self.soft.clone(), self.hard.clone());
        tokio::spawn(async move {
            interrupts.next().await;
            tracing::info!("stopping; interrupt again to stop at once");
            soft.cancel();
            interrupts.next().await;
            hard.cancel();
        });
        Ok(())
    }
}

/// What the operating system sends to end a process.
#[cfg(unix)]
struct Interrupts {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Interrupts {
    fn new() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// What the operating system sends to end a process.
#[cfg(not(unix))]
struct Interrupts;

#[cfg(not(unix))]
impl Interrupts {
    fn new() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn draining_waits_for_work_that_ends_on_the_soft_signal() {
        let shutdown = Shutdown::new();
        let soft = shutdown.soft().clone();
        let task = shutdown.spawn("polite", async move {
            soft.cancelled().await;
            "handed back"
        });
        assert_eq!(
            shutdown.drain(Duration::from_secs(30)).await,
            Drained::Cleanly
        );
        assert_eq!(task.await.ok(), Some(Ok("handed back")));
    }

    #[tokio::test]
    async fn work_that_outlasts_the_grace_period_is_ended() {
        let shutdown = Shutdown::new();
        let task = shutdown.spawn("endless", std::future::pending::<()>());
        assert_eq!(shutdown.drain(Duration::ZERO).await, Drained::Cut(1));
        assert_eq!(task.await.ok(), Some(Err(Lost::Ended)));
    }

    #[tokio::test]
    async fn a_panicking_task_does_not_hold_up_the_drain() {
        let shutdown = Shutdown::new();
        let task = shutdown.spawn("faulty", async { panic!("on purpose") });
        assert_eq!(
            shutdown.drain(Duration::from_secs(30)).await,
            Drained::Cleanly
        );
        assert_eq!(task.await.ok(), Some(Err(Lost::Panicked)));
    }

    #[tokio::test]
    async fn a_vital_task_that_panics_or_ends_early_begins_the_shutdown_and_is_named() {
        let panics = async { panic!("on purpose") };
        let ends = std::future::ready(());
        for task in [panics.boxed(), ends.boxed()] {
            let shutdown = Shutdown::new();
            shutdown.spawn_vital("vital", task);
            shutdown.soft().cancelled().await;
            assert_eq!(shutdown.outcome(), Err(EndedEarly("vital")));
            let drained = shutdown.drain(Duration::from_secs(30)).await;
            assert_eq!(drained, Drained::Cleanly);
        }
        let shutdown = Shutdown::new();
        let soft = shutdown.soft().clone();
        shutdown.spawn_vital("polite", async move { soft.cancelled().await });
        shutdown.drain(Duration::from_secs(30)).await;
        assert_eq!(shutdown.outcome(), Ok(()));
    }

    #[tokio::test]
    async fn the_hard_signal_cuts_the_grace_period_short() {
        let shutdown = Shutdown::new();
        shutdown.spawn("endless", std::future::pending::<()>());
        shutdown.hard().cancel();
        let drain = shutdown.drain(Duration::from_hours(1));
        let drained = tokio::time::timeout(Duration::from_secs(30), drain).await;
        assert!(drained.is_ok());
    }

    #[tokio::test]
    async fn a_task_started_while_draining_is_waited_for_too() {
        let shutdown = Shutdown::new();
        let inner = shutdown.clone();
        shutdown.spawn("outer", async move {
            inner.soft().cancelled().await;
            inner.spawn("inner", std::future::pending::<()>());
        });
        assert_eq!(
            shutdown.drain(Duration::from_millis(10)).await,
            Drained::Cut(1)
        );
    }
}
