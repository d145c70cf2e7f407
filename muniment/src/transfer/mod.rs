//! `muniment transfer`: a folder through the whole system.
//!
//! Owns the order of the steps and what a person is told. Does not own any decision about a file:
//! this command is a client of the API like any other.
//!
//! Always: the same command again goes on where the last one ended; what could not be
//! transferred is listed with its reason and never passes as success.

mod batch;
mod deposit;
mod hash;
mod ledger;
mod names;
mod source;
mod summary;
mod table;
mod tally;
mod upload;
mod walk;
mod watch;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests;

use std::path::{Path, PathBuf};

use clap::Args;
use futures::stream::Stream;
use runtime::clock::{Clock, SystemClock};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

use self::ledger::{Account, Ledger, Listed};
use self::summary::HandingIn;
use self::tally::Tally;
use self::walk::{Entry, Folder, LeftOut};
use crate::client::{
    Client, ClientError, FoundTransfer, Selection, StoreError, Target, VersionStatus,
};
use crate::export::{self, Saved};
use crate::failure::{Failure, Outcome, io_reason};
use crate::interrupt;
use crate::progress::{Screen, Stage, Unit};
use crate::text::{counted, grouped, plain, size};

/// The options of `muniment transfer`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
What happens: every file is hashed, announced, uploaded straight to the object store and checked
(checksum, virus scan, file format); then a table shows the verdict on each.

The same command again goes on where the last one ended; files that changed become new versions.
With --submit, the transfer is handed in once every file is there; after that, the same command
begins a new transfer.
Links are not followed; Thumbs.db, desktop.ini and .DS_Store are left out; both are said. A name
that is not UTF-8 is spelt out with %XX, and its bytes are kept in the record's metadata.

Exit status: 0 every file is accepted; 2 something is refused, needs review or was left out
unread; 1 the transfer could not be carried out; 130 interrupted.

Examples:
  muniment transfer samples --bag out.tar
  muniment transfer Letters --collection MH-7 --server http://127.0.0.1:8080 --token \"$TOKEN\"")]
pub(crate) struct Arguments {
    /// The folder to transfer
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,

    /// Code of the collection that takes it
    #[arg(long, value_name = "CODE", default_value = "DEFAULT")]
    collection: String,

    /// Title of the transfer; without it, the folder's name
    #[arg(long, value_name = "TITLE")]
    pub(crate) title: Option<String>,

    /// Write what was accepted as a `BagIt` bag (tar) to this file
    #[arg(long, value_name = "OUT")]
    bag: Option<PathBuf>,

    /// Hand the transfer in when every file is there: it takes no more files
    #[arg(long)]
    submit: bool,

    /// Print the result as JSON
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    target: Target,
}

const AGAIN: &str = "nothing is lost: the same command again goes on from here";

/// What ends the whole run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stop {
    /// The API.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The object store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Nothing moves.
    #[error("{0}")]
    Stuck(String),
}

/// The progress of a run.
#[derive(Debug, Clone)]
pub(crate) struct Bars {
    hashing: Stage,
    uploading: Stage,
    checking: Stage,
}

/// How many files there are to transfer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Count {
    files: u64,
    bytes: u64,
    left_out: Listed<LeftOut>,
}

/// Carries the command out.
pub(crate) async fn run(arguments: &Arguments, screen: &Screen) -> Result<Outcome, Failure> {
    let root = root(&arguments.folder)?;
    let mut folder = Folder::new(root.clone());
    if arguments.target.is_own() {
        folder = folder.without(arguments.target.data(), "the data folder of this program");
    }
    if let Some(bag) = &arguments.bag {
        export::check_destination(bag)?;
        folder = folder.without_bag(bag);
    }
    let count = count(&folder).await?;
    if count.files == 0 {
        return Err(nothing_to_transfer(&arguments.folder, &count.left_out));
    }
    let session = interrupt::or(arguments.target.connect(screen)).await?;
    let step = carry_out(&session.client, arguments, &root, &folder, &count, screen);
    let result = session.unless_broken(step).await;
    screen.clear();
    interrupt::unless_again(session.close()).await;
    result.map_err(|failure| {
        if failure == Failure::interrupted() {
            failure.hint(AGAIN)
        } else {
            failure
        }
    })
}

async fn carry_out(
    client: &Client,
    arguments: &Arguments,
    root: &Path,
    folder: &Folder,
    count: &Count,
    screen: &Screen,
) -> Result<Outcome, Failure> {
    let begun = Instant::now();
    let explain = |error: ClientError| client.explain(&error, SystemClock.now());
    let collection = client
        .collection(&arguments.collection)
        .await
        .map_err(explain)?
        .ok_or_else(|| no_collection(&arguments.collection))?;
    let (transfer, resumed) = source::find_or_open(client, &collection, root, arguments)
        .await
        .map_err(explain)?;
    screen.say(format!(
        "{} {} into collection {}: {}, {}",
        if resumed {
            "going on with transfer"
        } else {
            "transfer"
        },
        plain(&transfer.reference),
        plain(&collection.code),
        counted(count.files, "file"),
        size(count.bytes),
    ));
    let bars = Bars {
        hashing: screen.stage("hashing", Unit::Bytes),
        uploading: screen.stage("uploading", Unit::Bytes),
        checking: screen.stage("checking", Unit::Files),
    };
    bars.hashing.expect(count.bytes);
    bars.uploading.expect(count.bytes);
    bars.checking.expect(count.files);
    let ledger = Ledger::default();
    let work = async {
        let entries = stream(folder.clone());
        let depositing = deposit::deposit(client, &transfer.id, entries, &ledger, &bars, screen);
        tokio::select! {
            done = depositing => done?,
            never = watch::follow(client, &transfer.id, &bars.checking) => match never {},
        }
        watch::until_decided(
            client,
            &transfer.id,
            &bars.checking,
            screen,
            watch::PATIENCE,
        )
        .await
    };
    let totals = tokio::select! {
        totals = work => totals.map_err(|stop| stopped(client, stop))?,
        never = screen.lines() => match never {},
    };
    let took = begun.elapsed();
    let account = ledger.account();
    let tally = tally::take(client, &transfer.id, &totals)
        .await
        .map_err(explain)?;
    let bag = match &arguments.bag {
        Some(out) => bag(client, &transfer, &tally, out, screen).await?,
        None => None,
    };
    let handing_in = match arguments.submit.then(|| incomplete(&account, &tally)) {
        None => HandingIn::NotAsked,
        Some(Some(why)) => HandingIn::Held(why),
        Some(None) => {
            let submitting = client.submit_transfer(&transfer.id);
            submitting.await.map_err(explain)?;
            HandingIn::Done
        }
    };
    screen.clear();
    let summary = summary::Summary {
        transfer: &transfer,
        handing_in,
        account: &account,
        tally: &tally,
        bag: bag.as_ref().zip(arguments.bag.as_deref()),
        bag_wanted: arguments.bag.is_some(),
        took,
        elsewhere: elsewhere(client, &arguments.target),
    };
    summary.print(arguments.json)?;
    Ok(summary.outcome())
}

/// Why a transfer is not handed in: it would take no more files, and some of the folder's are missing.
fn incomplete(account: &Account, tally: &Tally) -> Option<String> {
    let unread = account.unread;
    let awaited = tally
        .not_accepted
        .iter()
        .filter(|(status, _)| *status == VersionStatus::AwaitingUpload)
        .map(|(_, count)| count)
        .sum();
    let missing: Vec<String> = [
        (account.failed.count, "not transferred"),
        (unread, "left out unread"),
        (awaited, "not uploaded"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{} {what}", counted(count, "file")))
    .collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// Says why a folder with nothing in it that is transferred is one.
fn nothing_to_transfer(folder: &Path, left_out: &Listed<LeftOut>) -> Failure {
    const NAMED: usize = 10;
    let failure = Failure::new(format!("there is no file to transfer in {}", shown(folder)));
    if left_out.count == 0 {
        return failure;
    }
    let mut lines = vec![format!("left out: {}", grouped(left_out.count))];
    let first = left_out.first.iter().take(NAMED);
    lines.extend(first.map(|left| {
        let reason = left.reason.to_string();
        format!("  {}: {}", plain(&left.path), plain(&reason))
    }));
    let rest = left_out.count.saturating_sub(NAMED as u64);
    if rest > 0 {
        lines.push(format!("  and {} more", grouped(rest)));
    }
    failure.hint(lines.join("\n  "))
}

async fn bag(
    client: &Client,
    transfer: &FoundTransfer,
    tally: &Tally,
    out: &Path,
    screen: &Screen,
) -> Result<Option<Saved>, Failure> {
    if tally.accepted() == 0 {
        return Ok(None);
    }
    let selection = Selection::Transfer(transfer.id.clone());
    let saving = export::save(client, &selection, out, screen);
    tokio::select! {
        saved = saving => saved.map(Some),
        never = screen.lines() => match never {},
    }
}

fn root(folder: &Path) -> Result<PathBuf, Failure> {
    let trouble = |why: String| Failure::new(format!("the folder {} {why}", shown(folder)));
    let metadata = folder.metadata().map_err(|error| {
        if error.kind() == std::io::ErrorKind::NotFound {
            trouble("is not there".to_owned())
        } else {
            trouble(format!("cannot be read: {}", io_reason(&error)))
        }
    })?;
    if !metadata.is_dir() {
        return Err(Failure::new(format!("{} is no folder", shown(folder)))
            .hint("put the file into a folder of its own and transfer that"));
    }
    let unreadable =
        |error: std::io::Error| trouble(format!("cannot be read: {}", io_reason(&error)));
    std::fs::read_dir(folder).map_err(unreadable)?;
    folder.canonicalize().map_err(unreadable)
}

async fn count(folder: &Folder) -> Result<Count, Failure> {
    let folder = folder.clone();
    let counting = tokio::task::spawn_blocking(move || {
        let mut count = Count::default();
        for entry in folder.entries() {
            match entry {
                Entry::File(found) => {
                    count.files += 1;
                    count.bytes += found.size;
                }
                Entry::LeftOut(left) => count.left_out.push(left),
            }
        }
        count
    });
    counting
        .await
        .map_err(|_| Failure::new("the folder could not be counted"))
}

/// What is in a folder, read ahead by a little.
fn stream(folder: Folder) -> impl Stream<Item = Entry> {
    const AHEAD: usize = 256;
    let (sender, receiver) = tokio::sync::mpsc::channel(AHEAD);
    tokio::task::spawn_blocking(move || {
        for entry in folder.entries() {
            // Nobody listens any more when the run was ended.
            if sender.blocking_send(entry).is_err() {
                break;
            }
        }
    });
    ReceiverStream::new(receiver)
}

fn no_collection(code: &str) -> Failure {
    Failure::new(format!(
        "there is no collection {}, or this token may not see it",
        plain(code)
    ))
    .hint("name one with --collection")
}

fn stopped(client: &Client, stop: Stop) -> Failure {
    match stop {
        Stop::Client(error) if error.is_unauthenticated() || error.is_forbidden() => {
            client.explain(&error, SystemClock.now())
        }
        Stop::Client(error) => client.explain(&error, SystemClock.now()).hint(AGAIN),
        Stop::Store(error) => Failure::new(error.to_string()).hint(AGAIN),
        Stop::Stuck(what) => Failure::new(what).hint(
            "`whyWaiting` of these versions says what for; the same command again goes on from here",
        ),
    }
}

fn elsewhere(client: &Client, target: &Target) -> String {
    if target.is_own() {
        format!("`muniment serve --data {}`", shown(target.data()))
    } else {
        format!("{}/graphiql", client.url().origin().ascii_serialization())
    }
}

fn shown(path: &Path) -> String {
    plain(&path.to_string_lossy()).into_owned()
}
