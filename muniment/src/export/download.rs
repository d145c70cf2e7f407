//! Fetching a package.
//!
//! Owns going on after a connection broke, and comparing what came with what the server said.
//!
//! Always: a file whose digest or length is not the server's never gets its name.

use sha2::{Digest, Sha256};

use super::destination::Destination;
use crate::client::{Client, Export, StoreError};
use crate::failure::Failure;
use crate::progress::Stage;

/// How often a new address is asked for without a byte coming.
const RENEWALS: u32 = 5;

/// What has come so far.
struct Received {
    destination: Destination,
    hasher: Sha256,
    bytes: u64,
}

/// Downloads a finished package; gives its length and SHA-256.
pub(super) async fn download(
    client: &Client,
    export: &Export,
    destination: Destination,
    stage: &Stage,
) -> Result<(u64, String), Failure> {
    let size = export.size.unwrap_or(0);
    let mut url = export.url.clone();
    let mut received = Received {
        destination,
        hasher: Sha256::new(),
        bytes: 0,
    };
    let mut renewals = 0;
    // The most that ever came: a store that begins anew each time does not get far by that.
    let mut furthest = 0;
    loop {
        let Some(address) = &url else {
            return Err(Failure::new("the server gives no address for the bag"));
        };
        let ended = fetch(client, address, &mut received, (stage, size)).await?;
        if received.bytes > furthest {
            furthest = received.bytes;
            renewals = 0;
        }
        match ended {
            Ended::Whole => break,
            Ended::Broken(error) if renewals < RENEWALS && may_be_renewed(&error) => {
                renewals += 1;
                url = renewed(client, export).await?;
            }
            Ended::Broken(error) => {
                return Err(Failure::new(format!(
                    "the bag could not be downloaded: {error}"
                )));
            }
        }
    }
    let digest = hex::encode(received.hasher.finalize());
    compare(export, received.bytes, &digest)?;
    let destination = received.destination;
    tokio::task::spawn_blocking(|| destination.finish())
        .await
        .map_err(|_| Failure::new("saving was ended"))??;
    Ok((received.bytes, digest))
}

enum Ended {
    Whole,
    Broken(StoreError),
}

fn may_be_renewed(error: &StoreError) -> bool {
    error.is_passing() || matches!(error, StoreError::Expired(_))
}

async fn renewed(client: &Client, export: &Export) -> Result<Option<String>, Failure> {
    use runtime::clock::{Clock, SystemClock};
    let fresh = client.export(&export.id).await;
    fresh
        .map(|fresh| fresh.url)
        .map_err(|error| client.explain(&error, SystemClock.now()))
}

/// Fetches what is missing. The outer error is final.
async fn fetch(
    client: &Client,
    url: &str,
    received: &mut Received,
    (stage, size): (&Stage, u64),
) -> Result<Ended, Failure> {
    let objects = client.objects();
    let from = received.bytes;
    let begun = objects
        .patience()
        .retry(StoreError::is_passing, || objects.get(url, from))
        .await;
    let mut get = match begun {
        Ok(get) => get,
        Err(error) => return Ok(Ended::Broken(error)),
    };
    if get.from < received.bytes {
        received.destination.restart()?;
        received.hasher = Sha256::new();
        received.bytes = 0;
    }
    loop {
        let chunk = match get.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Ok(Ended::Whole),
            Err(error) => return Ok(Ended::Broken(error)),
        };
        received.hasher.update(&chunk);
        // On this thread: a write to a file is as quick as handing it to another, mostly.
        received.destination.write(&chunk)?;
        received.bytes += chunk.len() as u64;
        stage.set(received.bytes, size.max(received.bytes));
    }
}

fn compare(export: &Export, bytes: u64, digest: &str) -> Result<(), Failure> {
    let size_differs = export.size.is_some_and(|size| size != bytes);
    let digest_differs = export
        .sha256
        .as_ref()
        .is_some_and(|known| !known.eq_ignore_ascii_case(digest));
    if size_differs || digest_differs {
        return Err(Failure::new(format!(
            "what was downloaded is not what the server made: {bytes} bytes with SHA-256 {digest}, \
             not {} bytes with {}; nothing is saved",
            export.size.unwrap_or(bytes),
            export.sha256.as_deref().unwrap_or(digest),
        )));
    }
    Ok(())
}
