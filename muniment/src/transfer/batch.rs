//! Many questions, asked together.
//!
//! Owns gathering what single files ask for into requests, and giving each its answer. Does not
//! own the requests.
//!
//! Always: a question waits for company no longer than [`LONGEST_WAIT`], so one slow file never
//! holds back the others; one answer comes for each question, or the whole run ends.

use std::future::Future;
use std::time::Duration;

use futures::stream::{self, StreamExt, TryStreamExt};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::client::ClientError;

/// Well below the 500 that the API takes, so that a request stays small and quick.
const MOST: usize = 200;
const LONGEST_WAIT: Duration = Duration::from_millis(50);
/// Requests on their way at the same time.
const AT_ONCE: usize = 2;

/// Takes questions. When all of them are dropped, [`Answerer::run`] ends.
#[derive(Debug)]
pub(crate) struct Asker<Q, A>(mpsc::Sender<(Q, oneshot::Sender<A>)>);

/// Sends gathered questions.
#[derive(Debug)]
pub(crate) struct Answerer<Q, A>(mpsc::Receiver<(Q, oneshot::Sender<A>)>);

/// Both ends.
pub(crate) fn pair<Q, A>() -> (Asker<Q, A>, Answerer<Q, A>) {
    let (sender, receiver) = mpsc::channel(MOST);
    (Asker(sender), Answerer(receiver))
}

impl<Q, A> Asker<Q, A> {
    /// Asks, and waits for the answer.
    pub(crate) async fn ask(&self, question: Q) -> Result<A, ClientError> {
        let ended = || ClientError::Transport("the run was ended".to_owned());
        let (sender, receiver) = oneshot::channel();
        self.0.send((question, sender)).await.map_err(|_| ended())?;
        receiver.await.map_err(|_| ended())
    }
}

impl<Q, A> Answerer<Q, A> {
    /// Sends what is asked, some together, until nobody can ask any more.
    pub(crate) async fn run<F, Fut>(self, send: F) -> Result<(), ClientError>
    where
        F: Fn(Vec<Q>) -> Fut,
        Fut: Future<Output = Result<Vec<A>, ClientError>>,
    {
        let batches = stream::unfold(self, |mut answerer| async {
            let batch = answerer.gather().await;
            (!batch.is_empty()).then_some((batch, answerer))
        });
        batches
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |batch| answer(batch, &send))
            .await
    }

    /// The next questions; none when nobody can ask any more.
    async fn gather(&mut self) -> Vec<(Q, oneshot::Sender<A>)> {
        let mut batch = Vec::new();
        let Some(first) = self.0.recv().await else {
            return batch;
        };
        batch.push(first);
        let deadline = Instant::now() + LONGEST_WAIT;
        while batch.len() < MOST {
            match tokio::time::timeout_at(deadline, self.0.recv()).await {
                Ok(Some(next)) => batch.push(next),
                Ok(None) | Err(_) => break,
            }
        }
        batch
    }
}

async fn answer<Q, A, F, Fut>(
    batch: Vec<(Q, oneshot::Sender<A>)>,
    send: &F,
) -> Result<(), ClientError>
where
    F: Fn(Vec<Q>) -> Fut,
    Fut: Future<Output = Result<Vec<A>, ClientError>>,
{
    let (questions, askers): (Vec<Q>, Vec<_>) = batch.into_iter().unzip();
    let answers = send(questions).await?;
    if answers.len() != askers.len() {
        return Err(ClientError::malformed("not one outcome for each item"));
    }
    for (asker, answer) in askers.into_iter().zip(answers) {
        // Who no longer waits was ended with the run.
        let _ = asker.send(answer);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::future::{join, join_all};

    use super::*;

    async fn doubled(numbers: Vec<u32>) -> Result<Vec<u32>, ClientError> {
        Ok(numbers.into_iter().map(|number| number * 2).collect())
    }

    #[tokio::test(start_paused = true)]
    async fn each_question_gets_its_own_answer() {
        let (asker, answerer) = pair();
        let ask = async move { join_all((0..1_000).map(|number| asker.ask(number))).await };
        let (answers, run) = join(ask, answerer.run(doubled)).await;
        assert_eq!(run, Ok(()));
        let expected: Vec<_> = (0..1_000).map(|number| Ok(number * 2)).collect();
        assert_eq!(answers, expected);
    }

    #[tokio::test(start_paused = true)]
    async fn a_question_does_not_wait_long_for_company() {
        let (asker, answerer) = pair();
        let begun = Instant::now();
        let ask = async move {
            let answer = asker.ask(21).await;
            (answer, begun.elapsed())
        };
        let ((answer, waited), _) = join(ask, answerer.run(doubled)).await;
        assert_eq!(answer, Ok(42));
        assert!(waited <= LONGEST_WAIT * 2, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn questions_asked_together_are_sent_together() {
        let sizes = Mutex::new(Vec::new());
        let (asker, answerer) = pair();
        let ask = async move { join_all((0..500).map(|number| asker.ask(number))).await };
        let run = answerer.run(|batch: Vec<u32>| {
            if let Ok(mut sizes) = sizes.lock() {
                sizes.push(batch.len());
            }
            doubled(batch)
        });
        let _ = join(ask, run).await;
        assert_eq!(sizes.into_inner().unwrap_or_default(), [200, 200, 100]);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_too_few_ends_the_run() {
        let (asker, answerer) = pair::<u32, u32>();
        let ask = async move { asker.ask(1).await };
        let (answer, run) = join(ask, answerer.run(|_| async { Ok(Vec::new()) })).await;
        assert!(answer.is_err());
        assert!(matches!(run, Err(ClientError::Malformed(_))));
    }
}
