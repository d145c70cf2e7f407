//! The object store, reached by the presigned URLs that the API gives.
//!
//! Owns sending and fetching bytes, and telling apart why the store refuses them. Does not own
//! what is done about it (`transfer`, `export`).
//!
//! Always: a request carries exactly the headers that were signed; a file is streamed, so memory
//! does not grow with its size.

mod body;
mod refusal;

use std::time::Duration;

use futures::StreamExt;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

pub(crate) use body::Slice;
pub(crate) use refusal::StoreError;

use super::patience::Patience;

/// How long a silent connection is waited for.
const SILENCE: Duration = Duration::from_mins(1);
/// The slowest connection that is put up with, in bytes a second.
const SLOWEST: u64 = 50_000;

/// The most bytes that the system may have taken and not sent yet.
const BUFFERED: u64 = 8 << 20;

/// How often bytes are sent again at once when no answer to them arrived.
const ASKED_AT_ONCE: u32 = 4;

/// The object store.
#[derive(Debug, Clone)]
pub(crate) struct Objects {
    http: reqwest::Client,
    patience: Patience,
}

/// Where bytes go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The presigned URL.
    pub(crate) url: &'a str,
    /// The method that was signed.
    pub(crate) method: Option<&'a str>,
    /// The headers that were signed.
    pub(crate) headers: &'a [(String, String)],
}

/// An object on its way here.
#[derive(Debug)]
pub(crate) struct Get {
    response: reqwest::Response,
    /// The position of the first byte that comes.
    pub(crate) from: u64,
}

impl Objects {
    pub(super) fn new(http: reqwest::Client, patience: Patience) -> Self {
        Self { http, patience }
    }

    /// Sends a slice of a file, and again while the store is away.
    pub(crate) async fn put(&self, place: Place<'_>, slice: &Slice) -> Result<(), StoreError> {
        self.patience
            .retry(StoreError::is_passing, || self.put_answered(place, slice))
            .await
    }

    /// A store that refuses a body in its middle, such as one whose disk is full, answers and closes
    /// the connection; whether the answer arrives before the break is a matter of luck. So it is asked
    /// again at once before it is called away.
    async fn put_answered(&self, place: Place<'_>, slice: &Slice) -> Result<(), StoreError> {
        let mut asked = 0;
        loop {
            asked += 1;
            match self.put_once(place, slice).await {
                Err(StoreError::BrokenOff(_)) if asked < ASKED_AT_ONCE => {}
                result => return result,
            }
        }
    }

    async fn put_once(&self, place: Place<'_>, slice: &Slice) -> Result<(), StoreError> {
        let method = place.method.unwrap_or("PUT").as_bytes();
        let method = reqwest::Method::from_bytes(method).map_err(StoreError::request)?;
        let slowest = SILENCE + Duration::from_secs(slice.length / SLOWEST);
        let (taken, pieces) = watch::channel(());
        let request = self
            .http
            .request(method, place.url)
            .headers(headers(place.headers, slice.length)?)
            .timeout(slowest)
            .body(slice.body(taken).await?);
        let answer = tokio::select! {
            answer = request.send() => answer.map_err(StoreError::from_http),
            () = stalled(pieces, slice.length) => Err(StoreError::stalled()),
        };
        let error = match answer {
            Ok(response) if response.status().is_success() => return Ok(()),
            Ok(response) => StoreError::of(response).await,
            Err(error) => error,
        };
        // A file that became shorter breaks off the request, and one that was rewritten has
        // another digest: the file is the cause, whatever the store makes of it.
        match slice.changed().await {
            Some(how) => Err(StoreError::FileChanged(how)),
            None => Err(error),
        }
    }

    /// Begins to fetch an object, from a position on if the store can.
    pub(crate) async fn get(&self, url: &str, from: u64) -> Result<Get, StoreError> {
        let mut request = self.http.get(url);
        if from > 0 {
            request = request.header("range", format!("bytes={from}-"));
        }
        let response = tokio::time::timeout(SILENCE, request.send())
            .await
            .map_err(|_| StoreError::silent())?
            .map_err(StoreError::from_http)?;
        match response.status() {
            reqwest::StatusCode::PARTIAL_CONTENT => Ok(Get { response, from }),
            status if status.is_success() => Ok(Get { response, from: 0 }),
            _ => Err(StoreError::of(response).await),
        }
    }

    /// Patience with the store, for what is more than one request.
    pub(crate) fn patience(&self) -> &Patience {
        &self.patience
    }
}

impl Get {
    /// The next bytes; nothing at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, StoreError> {
        tokio::time::timeout(SILENCE, self.response.chunk())
            .await
            .map_err(|_| StoreError::silent())?
            .map_err(StoreError::from_http)
    }
}

/// Returns when no piece of a body was taken for [`SILENCE`], or when no answer can come any more after the last.
async fn stalled(mut pieces: watch::Receiver<()>, length: u64) {
    while let Ok(piece) = timeout(SILENCE, pieces.changed()).await {
        if piece.is_err() {
            let buffered = Duration::from_secs(length.min(BUFFERED) / SLOWEST);
            return sleep(SILENCE + buffered).await;
        }
    }
}

fn headers(signed: &[(String, String)], length: u64) -> Result<HeaderMap, StoreError> {
    let mut headers = HeaderMap::new();
    headers.insert(reqwest::header::CONTENT_LENGTH, length.into());
    for (name, value) in signed {
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(StoreError::request)?;
        // The URL says it, and a second one would be refused.
        if name != reqwest::header::HOST {
            let value = HeaderValue::from_str(value).map_err(StoreError::request)?;
            headers.insert(name, value);
        }
    }
    Ok(headers)
}

/// The beginning of a refused request's answer, which names the reason.
async fn beginning(response: reqwest::Response) -> String {
    const ENOUGH: usize = 16 * 1024;
    let mut text = Vec::new();
    let mut chunks = response.bytes_stream();
    while let Ok(Some(Ok(chunk))) = tokio::time::timeout(SILENCE, chunks.next()).await {
        text.extend_from_slice(&chunk);
        if text.len() >= ENOUGH {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use runtime::shutdown::Shutdown;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::progress::Screen;

    /// A store that reads the beginning of an upload and goes away, twice, and then has no room.
    async fn full_store() -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        Shutdown::new().spawn("store", async move {
            for request in 0.. {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut some = vec![0; 64 * 1024];
                connection.read_exact(&mut some).await.unwrap();
                if request >= 2 {
                    let answer = b"HTTP/1.1 507 Insufficient Storage\r\ncontent-length: 0\r\n\r\n";
                    connection.write_all(answer).await.unwrap();
                    // Until the client has read it and closes.
                    while connection.read(&mut some).await.is_ok_and(|read| read > 0) {}
                }
            }
        });
        format!("http://{address}/objects/1")
    }

    #[tokio::test(start_paused = true)]
    async fn a_store_that_stops_taking_a_large_file_is_left_after_a_minute() {
        const LENGTH: u64 = 1 << 30;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/objects/1", listener.local_addr().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("film.bin");
        std::fs::File::create(&file)
            .and_then(|file| file.set_len(LENGTH))
            .unwrap();
        let slice = Slice {
            modified: file.metadata().unwrap().modified().ok(),
            file,
            offset: 0,
            length: LENGTH,
            file_size: LENGTH,
        };
        let patience = Patience::new(Screen::recording(), Duration::ZERO);
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let objects = Objects::new(http, patience);
        let place = Place {
            url: &url,
            method: None,
            headers: &[],
        };
        let begun = tokio::time::Instant::now();
        // Nobody reads what the system takes for the listener.
        let put = objects.put_once(place, &slice).await;
        assert_eq!(put, Err(StoreError::stalled()));
        assert!(begun.elapsed() < SILENCE * 3, "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn a_refusal_in_mid_body_is_told_although_its_first_answers_are_lost() {
        const LENGTH: u64 = 16 << 20;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("film.bin");
        std::fs::write(&file, vec![7; 16 << 20]).unwrap();
        let slice = Slice {
            modified: file.metadata().unwrap().modified().ok(),
            file,
            offset: 0,
            length: LENGTH,
            file_size: LENGTH,
        };
        let screen = Screen::recording();
        let patience = Patience::new(screen.clone(), Duration::from_mins(2));
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let place = Place {
            url: &full_store().await,
            method: None,
            headers: &[],
        };
        let put = Objects::new(http, patience).put(place, &slice).await;
        assert_eq!(put, Err(StoreError::Full));
        assert_eq!(screen.recorded(), Vec::<String>::new());
    }
}
