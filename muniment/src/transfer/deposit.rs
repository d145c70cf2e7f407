//! The way of one file, from the folder to "the bytes are there".
//!
//! Owns its steps and what is done when one of them fails. Does not own the verdict.
//!
//! Always: the number of files on their way, and of bytes between announcement and arrival, is
//! bounded; a failure of one file never stops the others, and a failure of the server stops all.

use std::sync::Arc;

use futures::stream::{Stream, StreamExt, TryStreamExt};
use tokio::sync::Semaphore;

use super::batch::{self, Asker};
use super::hash::{self, HashError, Hashed};
use super::ledger::Ledger;
use super::source::key;
use super::upload::{Sent, Uploader, of_one_file};
use super::walk::{Entry, Found, LeftOut, Reason};
use super::{Bars, Stop};
use crate::client::{
    Added, Client, ClientError, Completed, Completion, NewFile, Patience, Uploading, VersionStatus,
};
use crate::progress::Screen;

/// Files on their way at the same time.
const FILES: usize = 512;
/// Bytes announced and not yet arrived, in units: enough to keep the line busy, so little that
/// no ticket runs out while its file waits.
const ROOM: u32 = 256 * 1024;
const ROOM_UNIT: u64 = 1024;
/// What one file takes of that at most, so that a huge one leaves room for others.
const MOST_ROOM: u32 = ROOM / 4;
/// Files above this are few at a time.
const LARGE: u64 = 64 * 1024 * 1024;
const LARGE_AT_ONCE: usize = 2;
/// Single requests for new versions at the same time.
const VERSIONS_AT_ONCE: usize = 8;
/// How often bytes that did not arrive are sent again.
const RESENDS: u32 = 2;

/// What all files on their way share.
struct Deposit<'a> {
    client: &'a Client,
    ledger: &'a Ledger,
    bars: &'a Bars,
    screen: &'a Screen,
    uploader: Uploader<'a>,
    add: Asker<NewFile, Added>,
    complete: Asker<Completion, Completed>,
    confirming: Patience,
    readers: Arc<Semaphore>,
    room: Semaphore,
    large: Semaphore,
    versions: Semaphore,
}

/// Brings all files of a folder into a transfer.
pub(crate) async fn deposit(
    client: &Client,
    transfer: &str,
    entries: impl Stream<Item = Entry>,
    ledger: &Ledger,
    bars: &Bars,
    screen: &Screen,
) -> Result<(), Stop> {
    let (add, add_queue) = batch::pair();
    let (complete, complete_queue) = batch::pair();
    let readers = std::thread::available_parallelism().map_or(2, |cores| cores.get().max(2));
    let deposit = Deposit {
        client,
        ledger,
        bars,
        screen,
        uploader: Uploader::new(client, bars.uploading.clone()),
        add,
        complete,
        confirming: client.patience().anew(),
        readers: Arc::new(Semaphore::new(readers)),
        room: Semaphore::new(ROOM as usize),
        large: Semaphore::new(LARGE_AT_ONCE),
        versions: Semaphore::new(VERSIONS_AT_ONCE),
    };
    let files = async move {
        // Owned here: when the last file is done, the queues have nobody left to wait for.
        let deposit = deposit;
        entries
            .map(Ok)
            .try_for_each_concurrent(FILES, |entry| deposit.entry(entry))
            .await
    };
    let adding = add_queue
        .run(|files: Vec<NewFile>| async move { client.add_records(transfer, &files).await });
    let completing = complete_queue.run(|completions: Vec<Completion>| async move {
        client.complete_uploads(&completions).await
    });
    // The queues first: their errors name what happened, the files' only that they were ended.
    futures::try_join!(
        async { adding.await.map_err(Stop::from) },
        async { completing.await.map_err(Stop::from) },
        files,
    )
    .map(drop)
}

/// A file with what is known of it now.
struct Current {
    hashed: Hashed,
    record: String,
    version: Uploading,
}

impl Deposit<'_> {
    async fn entry(&self, entry: Entry) -> Result<(), Stop> {
        match entry {
            Entry::File(found) => self.file(found).await,
            Entry::LeftOut(left) => {
                self.ledger.left_out(left);
                Ok(())
            }
        }
    }

    async fn file(&self, found: Found) -> Result<(), Stop> {
        if found.raw_path.is_some() {
            self.ledger.spelt_out(&found.path);
        }
        let hashed = match self.hash(&found, true).await {
            Ok(hashed) => hashed,
            Err(error) => {
                self.unread(found, &error);
                return Ok(());
            }
        };
        let large = hashed.size > LARGE;
        // None of the semaphores is ever closed, so there is always a permit to come.
        let _large = if large {
            self.large.acquire().await.ok()
        } else {
            None
        };
        let room = u32::try_from(hashed.size / ROOM_UNIT).unwrap_or(MOST_ROOM);
        let _room = self.room.acquire_many(room.clamp(1, MOST_ROOM)).await;
        match self.announce(&found, hashed).await? {
            Announced::Send(current) => self.send(&found, current).await,
            Announced::AlreadyThere(size) => {
                self.bars.uploading.advance(size);
                self.ledger.already_there(size);
                Ok(())
            }
            Announced::Refused(reason) => {
                self.ledger.failed(&found.path, reason);
                Ok(())
            }
        }
    }

    fn unread(&self, found: Found, error: &HashError) {
        match error {
            HashError::Unreadable(why) => self.ledger.left_out(LeftOut {
                path: found.path,
                reason: Reason::Unreadable(why.clone()),
            }),
            HashError::Changing => self.ledger.failed(&found.path, error.to_string()),
        }
    }

    async fn hash(&self, found: &Found, shown: bool) -> Result<Hashed, HashError> {
        let permit = self.readers.clone().acquire_owned().await;
        let (file, stage) = (found.file.clone(), self.bars.hashing.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            hash::hash(&file, |bytes| {
                if shown {
                    stage.advance(bytes);
                }
            })
        });
        let ended = || HashError::Unreadable("reading was ended".to_owned());
        reading.await.map_err(|_| ended())?
    }

    async fn announce(&self, found: &Found, hashed: Hashed) -> Result<Announced, Stop> {
        let file = new_file(found, &hashed);
        let size = hashed.size;
        let (record, next) = match self.add.ask(file).await? {
            Added::New { record, version } => {
                return Ok(Announced::Send(Current {
                    hashed,
                    record,
                    version,
                }));
            }
            Added::Known { record, version } => match version.status {
                VersionStatus::AwaitingUpload => {
                    return Ok(Announced::Send(Current {
                        hashed,
                        record,
                        version,
                    }));
                }
                VersionStatus::Abandoned => (record, version.number + 1),
                // A digest that was never met is no verdict on the file.
                _ if version.bytes_refused => (record, version.number + 1),
                _ => return Ok(Announced::AlreadyThere(size)),
            },
            Added::PathTaken { record, newest } => (record, newest + 1),
            Added::Refused { reason } => return Ok(Announced::Refused(reason)),
        };
        Ok(
            match self.add_version(found, &hashed, &record, next).await? {
                Ok(version) => Announced::Send(Current {
                    hashed,
                    record,
                    version,
                }),
                Err(reason) => Announced::Refused(reason),
            },
        )
    }

    /// Announces another content; the inner error concerns this file only.
    async fn add_version(
        &self,
        found: &Found,
        hashed: &Hashed,
        record: &str,
        number: u64,
    ) -> Result<Result<Uploading, String>, Stop> {
        let file = new_file(found, hashed);
        let key = key(&["version", record, &number.to_string(), &hashed.sha256]);
        let _permit = self.versions.acquire().await;
        match self.client.add_version(record, number, &file, key).await {
            Ok(version) => Ok(Ok(version)),
            Err(error) => of_one_file(error).map(Err),
        }
    }

    async fn send(&self, found: &Found, mut current: Current) -> Result<(), Stop> {
        let mut rehashed = false;
        let mut resends = 0;
        let reason = loop {
            let sent = self
                .uploader
                .send(found, &current.hashed, &current.version)
                .await?;
            match sent {
                Sent::Failed(reason) => break reason,
                Sent::There => match self.complete(&current.version.id, false).await? {
                    Completed::Done => {
                        self.ledger.uploaded(current.hashed.size);
                        return Ok(());
                    }
                    Completed::Missing(reason) | Completed::Refused(reason)
                        if resends >= RESENDS =>
                    {
                        break reason;
                    }
                    Completed::Missing(_) => {
                        resends += 1;
                        match self.ticket(&current.version.id).await? {
                            Ok(version) => current.version = version,
                            Err(reason) => break reason,
                        }
                    }
                    Completed::Refused(reason) | Completed::Later(reason) => break reason,
                },
                // It stays announced: what it settles on may be what was announced after all.
                Sent::Changed(how) if rehashed => {
                    break format!("it changed again while it was read: {how}");
                }
                Sent::Changed(how) => {
                    rehashed = true;
                    let path = crate::text::plain(&found.path);
                    self.screen.say(format!(
                        "{path} changed while it was read ({how}); it is read once more"
                    ));
                    match self.anew(found, current).await? {
                        Ok(next) => current = next,
                        Err(reason) => break reason,
                    }
                }
            }
        };
        self.ledger.failed(&found.path, reason);
        Ok(())
    }

    /// Announces what a file is now, after it turned out not to be what was announced.
    async fn anew(&self, found: &Found, old: Current) -> Result<Result<Current, String>, Stop> {
        let hashed = match self.hash(found, false).await {
            Ok(hashed) => hashed,
            // It stays announced: that it cannot be read now says nothing of its content.
            Err(error) => return Ok(Err(error.to_string())),
        };
        let same = (hashed.size, &hashed.sha256) == (old.hashed.size, &old.hashed.sha256);
        if same {
            // The bytes were spoilt on the way, or only the time changed.
            let version = self.ticket(&old.version.id).await?;
            return Ok(version.map(|version| Current {
                hashed,
                version,
                ..old
            }));
        }
        self.complete(&old.version.id, true).await?;
        let next = old.version.number + 1;
        let added = self.add_version(found, &hashed, &old.record, next).await?;
        Ok(added.map(|version| Current {
            hashed,
            version,
            ..old
        }))
    }

    /// A fresh ticket; the inner error concerns this file only.
    async fn ticket(&self, version: &str) -> Result<Result<Uploading, String>, Stop> {
        match self.client.upload_ticket(version).await {
            Ok(version) => Ok(Ok(version)),
            Err(error) => of_one_file(error).map(Err),
        }
    }

    /// Says that the bytes are there, and again while the server cannot look: they need not be
    /// sent again for that.
    async fn complete(&self, version: &str, digest_refused: bool) -> Result<Completed, Stop> {
        let completion = || Completion {
            version: version.to_owned(),
            digest_refused,
        };
        let confirm = || async {
            match self.complete.ask(completion()).await? {
                Completed::Later(reason) => Err(Unconfirmed::Later(reason)),
                completed => Ok(completed),
            }
        };
        let later = |error: &Unconfirmed| matches!(error, Unconfirmed::Later(_));
        match self.confirming.retry(later, confirm).await {
            Ok(completed) => Ok(completed),
            Err(Unconfirmed::Later(reason)) => Ok(Completed::Later(reason)),
            Err(Unconfirmed::Client(error)) => Err(error.into()),
        }
    }
}

/// Why it is not known whether an upload is complete.
#[derive(Debug, thiserror::Error)]
enum Unconfirmed {
    /// The server cannot look now.
    #[error("uploads cannot be confirmed: {0}")]
    Later(String),
    /// The request failed, however often it was sent.
    #[error(transparent)]
    Client(#[from] ClientError),
}

/// What becomes of a file after it was announced.
enum Announced {
    Send(Current),
    AlreadyThere(u64),
    Refused(String),
}

fn new_file(found: &Found, hashed: &Hashed) -> NewFile {
    NewFile {
        path: found.path.clone(),
        size: hashed.size,
        sha256: hashed.sha256.clone(),
        modified: hashed.modified.map(Into::into),
        raw_path: found.raw_path.clone(),
    }
}
