//! Listening.
//!
//! Owns the socket, how long it waits for whom, and cross-origin answers for browsers. Does not own what is
//! answered, or connections (`runtime::http`).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::error_handling::HandleError;
use axum::http::{HeaderName, Method, StatusCode};
use runtime::aws::Keys;
use runtime::clock::SystemClock;
use runtime::http::{self, Patience};
use runtime::ids::SystemIds;
use runtime::secrecy::ExposeSecret;
use runtime::shutdown::Shutdown;
use s3s::HttpError;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tower_http::cors::{Any, CorsLayer};

use super::service::Service;
use super::store::{OpenError, Store};

const PATIENCE: Patience = Patience {
    // Each has a file open or two, and a process may have 1,024.
    connections: 256,
    head: Duration::from_secs(10),
    unread: Duration::from_mins(1),
};

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
        let serving = http::serve(
            listener,
            router,
            PATIENCE,
            "object store connection",
            shutdown.clone(),
        );
        shutdown.spawn_vital("object store", serving);
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
