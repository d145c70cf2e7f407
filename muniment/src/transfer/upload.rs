//! Getting a version's bytes into the object store.
//!
//! Owns tickets, parts and what a refusal means for the file. Does not own announcing the file or
//! saying that it is there (`deposit`).
//!
//! Always: tickets are renewed and rounds repeated a bounded number of times; a file that is no
//! longer what was announced is never called uploaded, as far as can be seen from here.

use futures::stream::{self, StreamExt};
use tokio::sync::Semaphore;

use super::walk::Found;
use super::{Stop, hash::Hashed};
use crate::client::{
    Client, ClientError, Part, Place, Slice, StoreError, Ticket, UploadKind, Uploading,
    VersionStatus,
};
use crate::progress::Stage;

/// Requests with bytes on their way at the same time.
const REQUESTS: usize = 16;
/// Parts of one file on their way at the same time.
const PARTS: usize = 4;
/// How often a ticket is renewed, or a round of parts may bring nothing.
const RENEWALS: u32 = 3;

/// How sending ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The store has the bytes.
    There,
    /// The file is not what was announced, or the store says so.
    Changed(String),
    /// It did not work, and will not.
    Failed(String),
}

/// What is said of an upload that came too late, or was left waiting too long.
const TOO_LATE: &str = "the time for this upload had run out; run the same command again";

/// Sends files, a bounded number at a time.
#[derive(Debug)]
pub(crate) struct Uploader<'a> {
    client: &'a Client,
    slots: Semaphore,
    stage: Stage,
}

impl<'a> Uploader<'a> {
    /// Progress is told to `stage`, in bytes.
    pub(crate) fn new(client: &'a Client, stage: Stage) -> Self {
        Self {
            client,
            slots: Semaphore::new(REQUESTS),
            stage,
        }
    }

    /// Sends the bytes of a version.
    pub(crate) async fn send(
        &self,
        file: &Found,
        hashed: &Hashed,
        version: &Uploading,
    ) -> Result<Sent, Stop> {
        let whole = Slice {
            file: file.file.clone(),
            offset: 0,
            length: hashed.size,
            file_size: hashed.size,
            modified: hashed.modified,
        };
        let mut version = version.clone();
        for _ in 0..=RENEWALS {
            if version.status == VersionStatus::Abandoned {
                return Ok(Sent::Failed(TOO_LATE.to_owned()));
            }
            if version.status != VersionStatus::AwaitingUpload {
                return Ok(Sent::There);
            }
            let ticket = match &version.ticket {
                Some(ticket) if ticket.kind == UploadKind::Multipart => {
                    return self.in_parts(&version.id, &whole).await;
                }
                Some(ticket) if ticket.kind == UploadKind::Single => ticket,
                Some(_) => return Ok(Sent::Failed("the server gave no upload address".to_owned())),
                None => return Ok(Sent::Failed(TOO_LATE.to_owned())),
            };
            match self.at_once(ticket, &whole).await? {
                Attempt::Ended(sent) => return Ok(sent),
                Attempt::Expired => match self.client.upload_ticket(&version.id).await {
                    Ok(renewed) => version = renewed,
                    Err(error) => return Ok(Sent::Failed(of_one_file(error)?)),
                },
            }
        }
        let reason = "the object store does not take the upload addresses that the server gives";
        Ok(Sent::Failed(reason.to_owned()))
    }

    async fn at_once(&self, ticket: &Ticket, whole: &Slice) -> Result<Attempt, Stop> {
        let Some(url) = &ticket.url else {
            let reason = "the server gave no upload address".to_owned();
            return Ok(Attempt::Ended(Sent::Failed(reason)));
        };
        let place = Place {
            url,
            method: ticket.method.as_deref(),
            headers: &ticket.headers,
        };
        match self.put(place, whole).await {
            Ok(()) | Err(StoreError::AlreadyThere) => {
                self.stage.advance(whole.length);
                Ok(Attempt::Ended(Sent::There))
            }
            Err(error) => meaning(error),
        }
    }

    async fn in_parts(&self, version: &str, whole: &Slice) -> Result<Sent, Stop> {
        let mut barren = 0;
        let mut shown: Option<u64> = None;
        let mut reason = String::new();
        while barren <= RENEWALS {
            let parts = match self.client.upload_parts(version).await {
                Ok(parts) => parts,
                Err(error) => return Ok(Sent::Failed(of_one_file(error)?)),
            };
            // What an earlier run sent is done. The last part is shorter, and may be one of these.
            let done = shown.get_or_insert_with(|| {
                let there = parts.present.saturating_mul(parts.size).min(whole.length);
                self.stage.advance(there);
                there
            });
            if parts.missing.is_empty() {
                self.stage.advance(whole.length - *done);
                return Ok(match whole.changed().await {
                    Some(how) => Sent::Changed(how),
                    None => Sent::There,
                });
            }
            let mut results = stream::iter(&parts.missing)
                .map(|part| async {
                    let sent = self.part(part, parts.size, whole).await;
                    sent.map(|()| part.size)
                })
                .buffer_unordered(PARTS);
            barren += 1;
            while let Some(result) = results.next().await {
                match result {
                    Ok(size) => {
                        barren = 0;
                        let size = size.min(whole.length - *done);
                        self.stage.advance(size);
                        *done += size;
                    }
                    Err(error @ StoreError::AlreadyThere) => reason = error.to_string(),
                    Err(error) => {
                        reason = error.to_string();
                        // The next round brings new addresses; what is no question of the
                        // address ends the file or the run.
                        if !matches!(error, StoreError::Refused { .. } | StoreError::Digest(_))
                            && let Attempt::Ended(sent) = meaning(error)?
                        {
                            return Ok(sent);
                        }
                    }
                }
            }
        }
        Ok(Sent::Failed(reason))
    }

    async fn part(&self, part: &Part, size: u64, whole: &Slice) -> Result<(), StoreError> {
        let place = Place {
            url: &part.url,
            method: None,
            headers: &part.headers,
        };
        let slice = Slice {
            offset: part.number.saturating_sub(1).saturating_mul(size),
            length: part.size,
            ..whole.clone()
        };
        self.put(place, &slice).await
    }

    async fn put(&self, place: Place<'_>, slice: &Slice) -> Result<(), StoreError> {
        // Never closed, so there is always a permit to come.
        let _slot = self.slots.acquire().await;
        self.client.objects().put(place, slice).await
    }
}

/// What a refusal says, if it concerns this file only; else it ends the run.
pub(crate) fn of_one_file(error: ClientError) -> Result<String, Stop> {
    if error.concerns_all() {
        Err(error.into())
    } else {
        Ok(error.to_string())
    }
}

/// How one request ended.
#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    Ended(Sent),
    Expired,
}

fn meaning(error: StoreError) -> Result<Attempt, Stop> {
    match error {
        StoreError::AlreadyThere => Ok(Attempt::Ended(Sent::There)),
        StoreError::Expired(_) => Ok(Attempt::Expired),
        StoreError::Digest(how) | StoreError::FileChanged(how) => {
            Ok(Attempt::Ended(Sent::Changed(how)))
        }
        StoreError::Refused { .. } | StoreError::Unreadable(_) | StoreError::Request(_) => {
            Ok(Attempt::Ended(Sent::Failed(error.to_string())))
        }
        StoreError::Transport(_)
        | StoreError::BrokenOff(_)
        | StoreError::Busy(_)
        | StoreError::Full => Err(error.into()),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::panic, reason = "a test may")]
mod tests {
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::client::{Added, NewFile, Patience, Token};
    use crate::fake::{Fake, Faults};
    use crate::progress::{Screen, Unit};

    #[tokio::test]
    async fn parts_that_an_earlier_run_sent_count_as_done() {
        let bytes = [7; 3_333];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large.bin");
        std::fs::write(&file, bytes).unwrap();
        let hashed = super::super::hash::hash(&file, |_| ()).unwrap();
        let fake = Fake::start(Faults::default()).await;
        let screen = Screen::recording();
        let url = format!("{}/graphql", fake.url()).parse().unwrap();
        let patience = Patience::new(screen.clone(), std::time::Duration::from_secs(1));
        let client = Client::new(url, Token::Fixed("good".into()), patience).unwrap();
        let announced = NewFile {
            path: "large.bin".to_owned(),
            size: 3_333,
            sha256: hex::encode(Sha256::digest(bytes)),
            modified: None,
            raw_path: None,
        };
        let added = client.add_records("transfer_1", &[announced]).await;
        let Some(Added::New { version, .. }) = added.unwrap().pop() else {
            panic!("it is new");
        };
        {
            // The first and the last, which is shorter.
            let mut world = fake.world();
            let parts = &mut world.records.get_mut("large.bin").unwrap()[0].parts;
            parts.insert(1, vec![7; 400]);
            parts.insert(9, vec![7; 133]);
        }
        let found = Found {
            path: "large.bin".to_owned(),
            raw_path: None,
            file,
            size: 3_333,
        };
        let stage = screen.stage("uploading", Unit::Bytes);
        let uploader = Uploader::new(&client, stage.clone());
        let sent = uploader.send(&found, &hashed, &version).await;
        assert_eq!(sent.ok(), Some(Sent::There));
        assert_eq!(stage.done(), 3_333);
        assert_eq!(fake.world().uploads, 7);
    }

    #[test]
    fn what_concerns_one_file_does_not_end_the_run() {
        let text = || "x".to_owned();
        for (error, ended) in [
            (StoreError::AlreadyThere, Attempt::Ended(Sent::There)),
            (StoreError::Expired(text()), Attempt::Expired),
            (
                StoreError::Digest(text()),
                Attempt::Ended(Sent::Changed(text())),
            ),
            (
                StoreError::FileChanged(text()),
                Attempt::Ended(Sent::Changed(text())),
            ),
        ] {
            assert_eq!(meaning(error).ok(), Some(ended));
        }
        let unreadable = meaning(StoreError::Unreadable(text())).ok();
        assert!(matches!(unreadable, Some(Attempt::Ended(Sent::Failed(_)))));
    }

    #[test]
    fn a_store_that_is_away_or_full_ends_the_run() {
        for error in [
            StoreError::Transport(String::new()),
            StoreError::BrokenOff(String::new()),
            StoreError::Busy(503),
            StoreError::Full,
        ] {
            assert!(meaning(error).is_err());
        }
    }
}
