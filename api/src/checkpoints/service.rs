//! Adding to the tree, and proving by it.

use std::collections::{BTreeSet, HashMap};

use contract::EventId;
use sea_orm::ConnectionTrait;
use tlog::{Frontier, Hash, NodeId, Range, VerifierKey};

use super::{
    Checkpoint, from_row,
    store::{self, Addition, Placed},
};
use crate::{
    App, Error,
    auth::{Action, Caller, Resource},
    events::{self, chain},
    page::{Args, Page},
};

/// The most events that one transaction puts into the tree.
const BATCH: usize = 1_000;
/// The most batches of one pass of the reconciler.
pub const PASS: usize = 10;
/// The most batches before an export is packed: a million events.
pub const ALL: usize = 1_000;

/// Puts events into the tree that are not in it yet, and signs what comes of it, up to a number of batches. Answers
/// how many there were. Several processes may do so at the same time: each event is put there once.
pub async fn seal(app: &App, batches: usize) -> Result<usize, Error> {
    chain::adopt(app).await?;
    let mut sealed = 0;
    for _ in 0..batches {
        if !store::any_pending(app.database()).await? {
            break;
        }
        let count = seal_batch(app).await?;
        sealed += count;
        if count < BATCH {
            break;
        }
    }
    Ok(sealed)
}

async fn seal_batch(app: &App) -> Result<usize, Error> {
    let unit = app.begin_internal().await?;
    let db = unit.db();
    store::lock_tree(db).await?;
    let pending = store::pending(db, BATCH as u64).await?;
    if pending.is_empty() {
        return Ok(0);
    }
    let key = app.checkpoint_key();
    let mut tree = signed_last(db, key.verifier()).await?;
    let mut addition = Addition::default();
    for one in pending {
        let hash: Hash = one
            .hash
            .try_into()
            .map_err(|_| damaged(EventId(one.event_id)))?;
        addition.leaves.push((tree.size(), one.event_id, hash));
        tree.push(hash, |node, hash| addition.nodes.push((node, hash)));
    }
    let sealed = addition.leaves.len();
    store::add(db, addition).await?;
    let checkpoint = tlog::Checkpoint {
        origin: key.verifier().name().to_owned(),
        size: tree.size(),
        root: tree.root(),
    };
    let note = checkpoint.sign(key);
    store::insert_checkpoint(db, unit.id(), tree.size(), note, unit.now()).await?;
    unit.commit().await?;
    Ok(sealed)
}

/// Events are in the tree after seconds: after this many something is wrong.
const LATE: f64 = 600.0;

/// Measures how long the oldest event waits to come into the tree, for Prometheus.
pub async fn measure(app: &App) -> Result<(), Error> {
    let since = store::waiting_since(app.database()).await?;
    let waits = since.map(|since| app.clock().now() - since);
    let seconds = waits.and_then(|waits| waits.to_std().ok());
    let seconds = seconds.unwrap_or_default().as_secs_f64();
    metrics::gauge!("muniment_log_waiting_seconds").set(seconds);
    if seconds > LATE {
        tracing::error!(
            seconds,
            "an event does not come into the tree: `muniment verify-log` says why"
        );
    }
    Ok(())
}

/// Refuses another key than the one that has signed the log so far: packages would pair what the one has signed with
/// the other. There is no way yet to go over to another key.
pub async fn check_key(app: &App) -> Result<(), Error> {
    let Some(latest) = store::latest(app.database()).await? else {
        return Ok(());
    };
    let key = app.checkpoint_key().verifier();
    match tlog::Checkpoint::open(&latest.note, std::slice::from_ref(key)) {
        Ok(_) => Ok(()),
        Err(error) => Err(Error::Precondition(format!(
            "the log of events was not signed with this key, {key} ({error}): start with the key that has signed it; \
             going over to another is not possible yet"
        ))),
    }
}

/// The tree as it is, which must be the one that was signed last: nothing else is ever signed on.
async fn signed_last(db: &impl ConnectionTrait, key: &VerifierKey) -> Result<Frontier, Error> {
    let leaves = store::leaves(db).await?;
    let tree = match store::latest(db).await? {
        None if leaves == 0 => return Ok(Frontier::default()),
        None => return Err(damaged("a tree that was never signed")),
        Some(latest) => {
            let known = store::hashes(db, tlog::peaks(leaves)).await?;
            let peaks = tlog::peaks(leaves).filter_map(|node| known.get(&node).copied());
            let signed = tlog::Checkpoint::open(&latest.note, std::slice::from_ref(key));
            Frontier::new(leaves, peaks.collect()).filter(|tree| {
                signed.is_ok_and(|signed| (signed.size, signed.root) == (leaves, tree.root()))
            })
        }
    };
    tree.ok_or_else(|| damaged("the tree is not the one that was signed last"))
}

fn damaged(what: impl std::fmt::Display) -> Error {
    Error::Internal(format!(
        "the log of events was tampered with: {what}; `muniment verify-log` says where"
    ))
}

/// A page of checkpoints, newest first.
pub async fn list(app: &App, caller: &Caller, args: &Args) -> Result<Page<Checkpoint>, Error> {
    caller.may(Action::ReadCheckpoints, &Resource::default())?;
    store::list(app.database(), args).await
}

/// That an event is in a signed tree.
#[derive(Debug, Clone)]
pub struct Inclusion {
    /// The event as the text whose hash is the leaf.
    pub entry: String,
    /// Its place.
    pub leaf: u64,
    /// From the leaf to the root.
    pub proof: Vec<Hash>,
}

/// Shows that an event is in the tree of `size` leaves, or in the newest. `None`: it is not, or the viewer does not
/// see it.
pub async fn inclusion(
    app: &App,
    caller: &Caller,
    event: EventId,
    size: Option<u64>,
) -> Result<Option<(Inclusion, Checkpoint)>, Error> {
    let db = app.database();
    let Some(event) = events::store::lookup(db, &caller.actor, event.0).await? else {
        return Ok(None);
    };
    let checkpoint = match size {
        Some(size) => Some(signed(db, "treeSize", size).await?),
        None => store::latest(db).await?,
    };
    let leaf = store::places(db, &[event.id]).await?.remove(&event.id);
    let (Some(checkpoint), Some(leaf)) = (checkpoint, leaf) else {
        return Ok(None);
    };
    if leaf >= from_row(checkpoint.size) {
        return Ok(None);
    }
    let placed = Placed {
        item: 0,
        leaf,
        event,
    };
    let shown = show(db, &checkpoint, vec![placed]).await?.pop();
    let Some((placed, shown)) = shown else {
        return Ok(None);
    };
    let root = tlog::Checkpoint::read(&checkpoint.note)
        .map_err(|_| damaged("a checkpoint is none"))?
        .root;
    let hash = tlog::leaf(shown.entry.as_bytes());
    // What was changed after it was sealed is not passed on as if it were whole.
    tlog::verify_inclusion(&hash, leaf, from_row(checkpoint.size), &shown.proof, &root)
        .map_err(|_| damaged(EventId(placed.event.id)))?;
    Ok(Some((shown, checkpoint)))
}

/// The checkpoint of a size that a client names.
async fn signed(db: &impl ConnectionTrait, path: &str, size: u64) -> Result<Checkpoint, Error> {
    store::of_size(db, size).await?.ok_or_else(|| {
        Error::input(
            path,
            "no tree of this size was signed: take a size from `checkpoints`",
        )
    })
}

/// What shows that events are in a signed tree, as far as they are. For one that was tampered with it shows that they
/// are not: content is handed out all the same, and whoever verifies it sees.
pub async fn show(
    db: &impl ConnectionTrait,
    checkpoint: &Checkpoint,
    events: Vec<Placed>,
) -> Result<Vec<(Placed, Inclusion)>, Error> {
    let size = from_row(checkpoint.size);
    let paths: Vec<Vec<Range>> = events
        .iter()
        .map(|placed| tlog::inclusion(placed.leaf, size).unwrap_or_default())
        .collect();
    let known = nodes_of(db, paths.iter().flatten()).await?;
    let mut shown = Vec::with_capacity(events.len());
    for (placed, path) in events.into_iter().zip(paths) {
        let entry = chain::canonical(&placed.event);
        let proof = hashes(&path, &known).unwrap_or_default();
        let leaf = placed.leaf;
        shown.push((placed, Inclusion { entry, leaf, proof }));
    }
    Ok(shown)
}

/// Shows that a signed tree begins with an earlier one.
pub async fn consistency(
    app: &App,
    caller: &Caller,
    from: u64,
    to: u64,
) -> Result<Vec<Hash>, Error> {
    caller.may(Action::ReadCheckpoints, &Resource::default())?;
    let db = app.database();
    signed(db, "toSize", to).await?;
    let path = tlog::consistency(from, to)
        .ok_or_else(|| Error::input("fromSize", "this is larger than `toSize`"))?;
    let known = nodes_of(db, path.iter()).await?;
    hashes(&path, &known).ok_or_else(|| damaged("nodes of the tree are missing"))
}

async fn nodes_of(
    db: &impl ConnectionTrait,
    path: impl Iterator<Item = &Range>,
) -> Result<HashMap<NodeId, Hash>, Error> {
    let nodes: BTreeSet<NodeId> = path.flat_map(|range| range.nodes()).collect();
    Ok(store::hashes(db, nodes).await?)
}

fn hashes(path: &[Range], known: &HashMap<NodeId, Hash>) -> Option<Vec<Hash>> {
    path.iter()
        .map(|range| range.hash(|node| known.get(&node).copied()))
        .collect()
}
