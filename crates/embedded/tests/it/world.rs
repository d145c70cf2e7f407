//! A server of its own for each test.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::{AggregatedBytes, ByteStream};
use embedded::objects::ObjectServer;
use runtime::aws::{Access, Keys};
use runtime::s3::S3Settings;
use runtime::shutdown::Shutdown;
use tempfile::TempDir;

pub(crate) const BUCKET: &str = "records";
pub(crate) const MIB: usize = 1 << 20;

/// A server over a folder, and a client of it.
pub(crate) struct World {
    pub(crate) client: Client,
    pub(crate) server: ObjectServer,
    shutdown: Shutdown,
    dir: Option<TempDir>,
}

impl World {
    pub(crate) async fn new() -> Self {
        let dir = TempDir::new().unwrap();
        let mut world = Self::over(dir.path()).await;
        world
            .client
            .create_bucket()
            .bucket(BUCKET)
            .send()
            .await
            .unwrap();
        world.dir = Some(dir);
        world
    }

    pub(crate) async fn over(dir: &Path) -> Self {
        let shutdown = Shutdown::new();
        let any_port: SocketAddr = ([127, 0, 0, 1], 0).into();
        let server = ObjectServer::start(dir, any_port, &keys(), &shutdown)
            .await
            .unwrap();
        Self {
            client: client(&server.endpoint(), keys()).await,
            server,
            shutdown,
            dir: None,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.as_ref().unwrap().path()
    }

    /// Stops the server and starts another one over the same folder.
    pub(crate) async fn restart(self) -> Self {
        let Self { shutdown, dir, .. } = self;
        shutdown.drain(Duration::from_secs(5)).await;
        let dir = dir.unwrap();
        let mut world = Self::over(dir.path()).await;
        world.dir = Some(dir);
        world
    }

    pub(crate) async fn put(&self, key: &str, body: impl Into<Vec<u8>>) -> String {
        let put = self.client.put_object().bucket(BUCKET).key(key);
        let put = put
            .body(ByteStream::from(body.into()))
            .send()
            .await
            .unwrap();
        put.e_tag.unwrap()
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Vec<u8>, String> {
        let got = self
            .client
            .get_object()
            .bucket(BUCKET)
            .key(key)
            .send()
            .await;
        let body = got.map_err(|error| code(&error))?.body.collect().await;
        body.map(AggregatedBytes::to_vec)
            .map_err(|error| error.to_string())
    }

    /// How many chunk files there are.
    pub(crate) fn chunks(&self) -> usize {
        std::fs::read_dir(self.path().join("chunks"))
            .unwrap()
            .count()
    }
}

pub(crate) fn keys() -> Keys {
    Keys {
        access_key: "test".to_owned(),
        secret_key: "secret".into(),
    }
}

pub(crate) async fn client(endpoint: &str, keys: Keys) -> Client {
    let access = Access {
        endpoint: Some(endpoint.to_owned()),
        keys: Some(keys),
        // A test of an error would otherwise wait for the client to try again.
        attempts: NonZeroU32::MIN,
        ..Access::default()
    };
    let settings = S3Settings {
        access,
        path_style: true,
        kms_key: None,
    };
    runtime::s3::client(&settings).await
}

/// S3's code of an error, or the HTTP status where there is no body to hold one.
pub(crate) fn code<E: ProvideErrorMetadata>(
    error: &SdkError<E, aws_sdk_s3::config::http::HttpResponse>,
) -> String {
    let status = error
        .raw_response()
        .map(|raw| raw.status().as_u16().to_string());
    let code = error.as_service_error().and_then(|service| service.code());
    code.map(str::to_owned)
        .or(status)
        .unwrap_or_else(|| "no answer".to_owned())
}

/// Bytes that differ from place to place.
pub(crate) fn bytes(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_be_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}
