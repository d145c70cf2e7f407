//! Listening.
//!
//! Owns the socket, the number of connections, cross-origin answers for browsers, and ending
//! connections in an orderly way. Does not own what is answered.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleError;
use axum::http::{HeaderName, Method, StatusCode};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use runtime::aws::Keys;
use runtime::clock::SystemClock;
use runtime::ids::SystemIds;
use runtime::secrecy::ExposeSecret;
use runtime::shutdown::Shutdown;
use s3s::HttpError;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower_http::cors::{Any, CorsLayer};

use super::service::Service;
use super::store::{OpenError, Store};
use super::unread::Unread;

/// Each has a file open or two, and a process may have 1,024.
const MAX_CONNECTIONS: usize = 256;
/// How long a connection may be idle, or take to send a request's head.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client may read nothing of an answer.
const UNREAD: Duration = Duration::from_mins(1);

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The folder cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The address cannot be listened on.
    #[error("{0} cannot be listened on: {1}")]
    Listen(SocketAddr, io::Error),
}

/// An S3 server in this process.
#[derive(Debug, Clone)]
pub struct ObjectServer {
    address: SocketAddr,
}

impl ObjectServer {
    /// Serves the objects in `dir` on `listen` (port 0: any free one) to whoever has `keys`,
    /// until `shutdown` begins.
    pub async fn start(
        dir: &Path,
        listen: SocketAddr,
        keys: &Keys,
        shutdown: &Shutdown,
    ) -> Result<Self, StartError> {
        let store = Store::open(dir, Arc::new(SystemClock), Arc::new(SystemIds))?;
        let listener = TcpListener::bind(listen).await;
        let listener = listener.map_err(|error| StartError::Listen(listen, error))?;
        let address = listener.local_addr();
        let address = address.map_err(|error| StartError::Listen(listen, error))?;
        let router = router(Arc::clone(&store), keys);
        shutdown.spawn_vital("object store", accept(listener, router, shutdown.clone()));
        shutdown.spawn("object store sweep", sweep(store));
        Ok(Self { address })
    }

    /// The address that it listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where clients on this machine reach it.
    pub fn endpoint(&self) -> String {
        let mut address = self.address;
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        format!("http://{address}")
    }
}

/// The S3 API as a service, to be mounted at the root of a server: S3's addresses leave no
/// room for a prefix.
pub fn router(store: Arc<Store>, keys: &Keys) -> Router {
    let mut builder = S3ServiceBuilder::new(Service::new(store));
    builder.set_auth(SimpleAuth::from_single(
        keys.access_key.clone(),
        keys.secret_key.expose_secret(),
    ));
    let service = HandleError::new(builder.build(), |error: HttpError| async move {
        tracing::error!(?error, "the object store failed");
        StatusCode::INTERNAL_SERVER_ERROR
    });
    // Every address is signed, so who may use it does not depend on the page it came from.
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::PUT,
            Method::POST,
            Method::DELETE,
        ])
        .allow_headers(Any)
        .expose_headers([
            HeaderName::from_static("etag"),
            HeaderName::from_static("content-length"),
            HeaderName::from_static("content-range"),
            HeaderName::from_static("x-amz-checksum-sha256"),
        ])
        .max_age(Duration::from_hours(1));
    Router::new()
        .fallback_service(service)
        .layer(axum::middleware::from_fn(super::unsigned::refuse))
        .layer(cors)
}

async fn sweep(store: Arc<Store>) {
    let swept = tokio::task::spawn_blocking(move || store.sweep()).await;
    match swept
        .map_err(|error| error.to_string())
        .and_then(|done| done.map_err(|e| e.to_string()))
    {
        Ok(done) if done.chunks + done.uploads > 0 => {
            let (chunks, uploads) = (done.chunks, done.uploads);
            tracing::info!(chunks, uploads, "leftovers of objects were cleared away");
        }
        Ok(_) => {}
        Err(error) => tracing::warn!(error, "leftovers of objects are kept"),
    }
}

async fn accept(listener: TcpListener, router: Router, shutdown: Shutdown) {
    let slots = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let next = async {
            let slot = Arc::clone(&slots).acquire_owned().await.ok()?;
            Some((slot, listener.accept().await))
        };
        let (slot, accepted) = tokio::select! {
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
                let connection = serve(stream, router.clone(), shutdown.clone());
                shutdown.spawn("object store connection", async move {
                    connection.await;
                    drop(slot);
                });
            }
            // Mostly too many open files: pause, or the loop would spin.
            Err(error) => {
                tracing::warn!(%error, "a connection was not accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// Serves one connection; from the soft signal on, only to the end of its current request.
async fn serve<S>(stream: S, router: Router, shutdown: Shutdown)
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let stream = Unread::new(stream, UNREAD);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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
    use axum::body::Body;
    use bytes::Bytes;
    use futures::stream;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
    use tokio::time::{Instant, sleep};

    use super::*;

    const ANSWER: usize = 10_000;
    const GET: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";

    /// A connection to a server whose answers are larger than what is under way between the two.
    fn connected() -> (DuplexStream, impl Future<Output = ()>) {
        let (client, server) = duplex(1_000);
        let pieces = || stream::iter([Ok::<_, io::Error>(Bytes::from(vec![7; ANSWER]))]);
        let answer = move || async move { Body::from_stream(pieces()) };
        let router = Router::new().fallback(answer);
        (client, serve(server, router, Shutdown::new()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_never_reads_is_left_after_a_minute() {
        let (mut client, serving) = connected();
        client.write_all(GET).await.unwrap();
        let begun = Instant::now();
        serving.await;
        assert!(begun.elapsed() >= UNREAD && begun.elapsed() < UNREAD * 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_reads_slowly_gets_the_whole_answer() {
        let (mut client, serving) = connected();
        client.write_all(GET).await.unwrap();
        let reading = async {
            let mut answer = Vec::new();
            while client.read_buf(&mut answer).await.unwrap() > 0 {
                sleep(UNREAD / 2).await;
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
        assert!(begun.elapsed() < HEAD * 2);
    }
}
