//! Fetching a file of bounded size over HTTP, or from this machine.
//!
//! Always: nothing waits longer than [`Patience`]; nothing larger than a signature file can be is read.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::StreamExt;
use muniment::signature_store::LARGEST;
use reqwest::header::{CONTENT_TYPE, LAST_MODIFIED};
use reqwest::{Response, Url};

use super::source::{Place, date_in_name};
use crate::client::http;
use crate::failure::{Failure, chain, io_reason};
use crate::progress::{Screen, Unit};
use crate::text::{plain, size};

/// How long a server is waited for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// While nothing comes.
    pub(super) silence: Duration,
    /// For a whole file.
    pub(super) whole: Duration,
}

/// Something that was fetched.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) bytes: Vec<u8>,
    /// The date that its name has, else when it was last modified, as `20260119`.
    pub(super) date: Option<String>,
}

/// Fetches files, and shows on the screen how far that is.
pub(super) struct Fetcher<'a> {
    patience: Patience,
    screen: &'a Screen,
}

impl<'a> Fetcher<'a> {
    /// Nothing is sent yet.
    pub(super) fn new(patience: Patience, screen: &'a Screen) -> Self {
        Self { patience, screen }
    }

    fn http(&self, url: &Url) -> Result<reqwest::Client, Failure> {
        let Patience { silence, whole } = self.patience;
        let builder = reqwest::Client::builder()
            .connect_timeout(silence)
            .read_timeout(silence)
            .timeout(whole);
        http::built(builder, url)
    }

    /// Fetches a file from wherever it is.
    pub(super) async fn place(
        &self,
        place: &Place,
        what: &'static str,
    ) -> Result<Fetched, Failure> {
        match place {
            Place::Path(path) => read(path),
            Place::Url(url) => self.get(url, what).await,
        }
    }

    /// Fetches the file at an address.
    pub(super) async fn get(&self, url: &Url, what: &'static str) -> Result<Fetched, Failure> {
        self.answer(self.http(url)?.get(url.clone()), url, what)
            .await
    }

    /// Asks a web service.
    pub(super) async fn ask(
        &self,
        url: &Url,
        action: &str,
        what: &'static str,
    ) -> Result<Vec<u8>, Failure> {
        let request = self
            .http(url)?
            .post(url.clone())
            .header(CONTENT_TYPE, "text/xml; charset=utf-8")
            .header(
                "SOAPAction",
                format!("\"http://pronom.nationalarchives.gov.uk:{action}In\""),
            )
            .body(super::source::soap(action));
        Ok(self.answer(request, url, what).await?.bytes)
    }

    async fn answer(
        &self,
        request: reqwest::RequestBuilder,
        url: &Url,
        what: &'static str,
    ) -> Result<Fetched, Failure> {
        let failed = |error: reqwest::Error| {
            let why = if error.is_timeout() {
                "it did not answer in time".to_owned()
            } else {
                plain(&chain(&error.without_url())).into_owned()
            };
            Failure::new(format!("{url} could not be fetched: {why}"))
        };
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        if !status.is_success() {
            return Err(Failure::new(format!("{url} answers {status}")));
        }
        let date = date_in_name(url.path().rsplit('/').next().unwrap_or_default())
            .or_else(|| modified(&response));
        let total = response.content_length().unwrap_or_default();
        let stage = self.screen.stage(what, Unit::Bytes);
        let mut bytes = Vec::new();
        let mut chunks = response.bytes_stream();
        while let Some(chunk) = chunks.next().await {
            bytes.extend_from_slice(&chunk.map_err(failed)?);
            let done = bytes.len() as u64;
            if done.max(total) > LARGEST {
                return Err(Failure::new(format!(
                    "{url} is no signature file: more than {}",
                    size(LARGEST)
                )));
            }
            stage.set(done, total.max(done));
        }
        Ok(Fetched { bytes, date })
    }
}

fn modified(response: &Response) -> Option<String> {
    let text = response.headers().get(LAST_MODIFIED)?.to_str().ok()?;
    let time = DateTime::parse_from_rfc2822(text).ok()?;
    Some(time.with_timezone(&Utc).format("%Y%m%d").to_string())
}

/// Reads a file of this machine.
pub(super) fn read(path: &Path) -> Result<Fetched, Failure> {
    let shown = path.to_string_lossy();
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes))
        .map_err(|error| {
            Failure::new(format!(
                "{} cannot be read: {}",
                plain(&shown),
                io_reason(&error)
            ))
        })?;
    if bytes.len() as u64 > LARGEST {
        return Err(Failure::new(format!(
            "{} is no signature file: more than {}",
            plain(&shown),
            size(LARGEST)
        )));
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    Ok(Fetched {
        bytes,
        date: date_in_name(&name),
    })
}
