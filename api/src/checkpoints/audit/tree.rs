//! Along the tree: leaves, nodes, checkpoints.

use std::collections::{HashMap, HashSet, VecDeque};

use contract::EventId;
use tlog::{Checkpoint, Frontier, Hash, NodeId};
use uuid::Uuid;

use super::{Finding, Look, store};
use crate::{
    Error,
    checkpoints::{self, from_row},
    events::{Event, chain},
};

/// Looks at the first `signed` leaves.
pub(super) async fn walk(look: &mut Look<'_>, signed: u64) -> Result<(), Error> {
    let mut walk = Walk {
        tree: Some(Frontier::default()),
        signed: Signed::new(look.against.kept.clone(), signed),
        dirty: HashSet::new(),
        other_root: false,
    };
    walk.signed_here(look).await?;
    let mut next = 0;
    loop {
        let leaves = store::leaves(look.db, next, signed).await?;
        let Some(last) = leaves.last() else { break };
        let end = from_row(last.position) + 1;
        walk.page(look, &leaves, next).await?;
        look.totals.leaves += leaves.len() as u64;
        look.went_on(leaves.len() as u64);
        next = end;
    }
    walk.end(look, next).await
}

struct Walk {
    /// `None` after a gap: what follows it cannot be put in its place.
    tree: Option<Frontier>,
    signed: Signed,
    /// Nodes that were found to be wrong, so that those above them are not.
    dirty: HashSet<NodeId>,
    other_root: bool,
}

impl Walk {
    async fn page(
        &mut self,
        look: &mut Look<'_>,
        leaves: &[store::Leaf],
        begin: u64,
    ) -> Result<(), Error> {
        let ids: Vec<Uuid> = leaves.iter().map(|leaf| leaf.event_id).collect();
        let events = checkpoints::store::by_ids(look.db, &ids).await?;
        let mut full: Vec<(NodeId, Hash)> = Vec::new();
        let mut next = begin;
        for leaf in leaves {
            let position = from_row(leaf.position);
            if position != next {
                let (from, to) = (next, position - 1);
                look.found(Finding::LeavesMissing { from, to });
                self.tree = None;
            }
            next = position + 1;
            let event = EventId(leaf.event_id);
            match events.get(&leaf.event_id) {
                None => look.found(Finding::Removed {
                    event,
                    leaf: position,
                }),
                Some(row) if !is_whole(row, &leaf.hash) => look.found(Finding::Edited {
                    event,
                    subject: chain::subject(row),
                    sequence: row.sequence,
                }),
                Some(_) => {}
            }
            if let Some(tree) = &mut self.tree {
                // A hash of another length is another hash.
                let hash = leaf.hash.as_slice().try_into().unwrap_or([0; 32]);
                tree.push(hash, |node, hash| full.push((node, hash)));
            }
            self.signed_here(look).await?;
        }
        if self.tree.is_some() {
            self.nodes(look, full, begin, next).await?;
        }
        Ok(())
    }

    async fn nodes(
        &mut self,
        look: &mut Look<'_>,
        mut full: Vec<(NodeId, Hash)>,
        from: u64,
        to: u64,
    ) -> Result<(), Error> {
        let stored: HashMap<NodeId, Vec<u8>> =
            store::nodes(look.db, from, to).await?.into_iter().collect();
        // The lowest first: what is above a wrong one is not wrong by itself.
        full.sort_unstable_by_key(|(node, _)| *node);
        for (node, hash) in full {
            let NodeId { level, index } = node;
            let children = [2 * index, 2 * index + 1].map(|index| NodeId {
                level: level - 1,
                index,
            });
            let inherited = children.map(|child| self.dirty.remove(&child));
            let right = stored.get(&node).is_some_and(|stored| stored[..] == hash);
            if right {
                continue;
            }
            self.dirty.insert(node);
            if inherited == [false, false] {
                let from = index << level;
                let to = from + (1 << level) - 1;
                look.found(Finding::LeavesChanged { from, to });
            }
        }
        Ok(())
    }

    /// Looks at what was signed of the tree as it is now.
    async fn signed_here(&mut self, look: &mut Look<'_>) -> Result<(), Error> {
        let Some(tree) = &self.tree else {
            return Ok(());
        };
        let size = tree.size();
        while let Some((checkpoint, kept)) = self.signed.next_of(look, size).await? {
            if checkpoint.root != tree.root() && (kept || !self.other_root) {
                // The first tells where; those after it say the same.
                self.other_root |= !kept;
                look.found(Finding::OtherRoot { size, kept });
            }
        }
        Ok(())
    }

    async fn end(mut self, look: &mut Look<'_>, found: u64) -> Result<(), Error> {
        let mut told = [false, false];
        while let Some((checkpoint, kept)) = self.signed.next_of(look, u64::MAX).await? {
            let signed = checkpoint.size;
            let told = &mut told[usize::from(kept)];
            if signed > found && !std::mem::replace(told, true) {
                look.found(Finding::RolledBack {
                    signed,
                    found,
                    kept,
                });
            }
        }
        let (leaves, signed) = store::sizes(look.db).await?;
        if leaves > signed {
            look.found(Finding::Unsigned { leaves, signed });
        }
        Ok(())
    }
}

/// Whether an event is what its leaf says, and says so itself.
fn is_whole(event: &Event, leaf: &[u8]) -> bool {
    event.hash.as_deref() == Some(leaf) && chain::hash(event)[..] == *leaf
}

/// The checkpoints, ours and those kept elsewhere, in the order of their sizes.
struct Signed {
    rows: VecDeque<checkpoints::Checkpoint>,
    after: Option<i64>,
    most: u64,
    kept: VecDeque<Checkpoint>,
}

impl Signed {
    fn new(mut kept: Vec<Checkpoint>, most: u64) -> Self {
        kept.sort_by_key(|checkpoint| checkpoint.size);
        Self {
            rows: VecDeque::new(),
            after: Some(-1),
            most,
            kept: kept.into(),
        }
    }

    /// The next of a tree of at most `size` events, and whether it was kept elsewhere. Those that are forged are
    /// told of and passed over.
    async fn next_of(
        &mut self,
        look: &mut Look<'_>,
        size: u64,
    ) -> Result<Option<(Checkpoint, bool)>, Error> {
        if let Some(kept) = self.kept.pop_front_if(|kept| kept.size <= size) {
            return Ok(Some((kept, true)));
        }
        loop {
            if self.rows.is_empty() {
                let Some(after) = self.after else {
                    return Ok(None);
                };
                self.rows = store::checkpoints(look.db, after, self.most).await?.into();
                self.after = self.rows.back().map(|row| row.size);
            }
            let Some(row) = self.rows.pop_front_if(|row| from_row(row.size) <= size) else {
                return Ok(None);
            };
            look.totals.checkpoints += 1;
            let size = from_row(row.size);
            let why = match Checkpoint::open(&row.note, &look.against.keys) {
                Ok(checkpoint) if checkpoint.size == size => return Ok(Some((checkpoint, false))),
                Ok(checkpoint) => format!("its note is of {} events", checkpoint.size),
                Err(error) => error.to_string(),
            };
            look.found(Finding::Forged { size, why });
        }
    }
}
