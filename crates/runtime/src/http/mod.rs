//! Serving HTTP so that nothing waits for a client without an end.
//!
//! Owns connections: how many there may be, how long one may say nothing or read nothing, and ending them in an
//! orderly way. Does not own what is answered.
//!
//! Always: a connection that is upgraded (a websocket) keeps its place until it ends.

mod unread;

use std::{sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::{OwnedSemaphorePermit, Semaphore},
};

use self::unread::Unread;
use crate::shutdown::Shutdown;

/// How long clients are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// The most connections at a time; whoever comes then waits.
    pub connections: usize,
    /// How long a connection may be idle, or take to send a request's head.
    pub head: Duration,
    /// How long a client may read nothing of what it is sent.
    pub unread: Duration,
}

/// Serves whoever comes until the shutdown begins; requests under way are finished.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    patience: Patience,
    name: &'static str,
    shutdown: Shutdown,
) {
    let most = patience.connections.min(Semaphore::MAX_PERMITS);
    let places = Arc::new(Semaphore::new(most));
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.ok()?;
            Some((place, listener.accept().await))
        };
        let (place, accepted) = tokio::select! {
            () = shutdown.soft().cancelled() => return,
            next = next => match next {
                Some(next) => next,
                None => return,
            },
        };
        match accepted {
            Ok((stream, _)) => {
                // Answers are small and written at once; waiting for more only delays them.
                let _ = stream.set_nodelay(true);
                let connection = serve_one(
                    stream,
                    Some(place),
                    router.clone(),
                    patience,
                    shutdown.clone(),
                );
                drop(shutdown.spawn(name, connection));
            }
            // Mostly too many open files: pause, or the loop would spin.
            Err(error) => {
                tracing::warn!(%error, server = name, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one connection; from the soft signal on, only to the end of its current request.
async fn serve_one<S>(
    stream: S,
    place: Option<OwnedSemaphorePermit>,
    router: Router,
    patience: Patience,
    shutdown: Shutdown,
) where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let stream = Unread::new(stream, patience.unread, place);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(patience.head)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
        .with_upgrades();
    let mut connection = std::pin::pin!(connection);
    let ended: Result<(), hyper::Error> = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.soft().cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::io;

    use axum::body::{Body, Bytes};
    use futures::stream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    const ANSWER: usize = 10_000;
    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
    const PATIENCE: Patience = Patience {
        connections: 1,
        head: Duration::from_secs(10),
        unread: Duration::from_mins(1),
    };

    /// A connection to a server whose answers are larger than what is under way between the two.
    fn connected() -> (DuplexStream, impl Future<Output = ()>) {
        let pieces = || stream::iter([Ok::<_, io::Error>(Bytes::from(vec![7; ANSWER]))]);
        let answer = move || async move { Body::from_stream(pieces()) };
        connected_to(Router::new().fallback(answer))
    }

    fn connected_to(router: Router) -> (DuplexStream, impl Future<Output = ()>) {
        let (client, server) = duplex(1_000);
        let serving = serve_one(server, None, router, PATIENCE, Shutdown::new());
        (client, serving)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_reads_is_left_after_a_minute() {
        let (mut client, serving) = connected();
        client.write_all(GET).await.unwrap();
        let begun = Instant::now();
        serving.await;
        assert!(begun.elapsed() >= PATIENCE.unread && begun.elapsed() < PATIENCE.unread * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_reads_of_what_has_no_end_is_left_and_nothing_goes_on_for_it() {
        let (told, mut ended) = tokio::sync::mpsc::channel::<()>(1);
        let answer = move || {
            let told = told.clone();
            let endless = stream::unfold(told, |told| async move {
                sleep(Duration::from_secs(1)).await;
                Some((Ok::<_, io::Error>(Bytes::from_static(&[7; 100])), told))
            });
            async move { Body::from_stream(endless) }
        };
        let (mut client, serving) = connected_to(Router::new().fallback(answer));
        client.write_all(GET).await.unwrap();
        serving.await;
        assert_eq!(ended.recv().await, None, "the stream is dropped");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_gets_the_whole_answer() {
        let (mut client, serving) = connected();
        client.write_all(GET).await.unwrap();
        let reading = async {
            let mut answer = Vec::new();
            while client.read_buf(&mut answer).await.unwrap() > 0 {
                sleep(PATIENCE.unread / 2).await;
            }
            answer
        };
        let (answer, ()) = tokio::join!(reading, serving);
        let sevens = answer.into_iter().filter(|byte| *byte == 7);
        assert_eq!(sevens.count(), ANSWER);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_no_whole_head_is_left() {
        let (mut client, serving) = connected();
        client.write_all(&GET[..10]).await.unwrap();
        let begun = Instant::now();
        serving.await;
        assert!(begun.elapsed() < PATIENCE.head * 2);
    }
}
