//! The whole look at the log of events: what `muniment verify-log` does.
//!
//! Two passes, in pages, so that memory does not grow with the log. The first goes along the tree: every leaf is
//! there, its event is there and has the hash of the leaf, every node is that over its children, every checkpoint is
//! signed and has the root of the leaves (`tree`). The second goes along the chains: every event is the next of its
//! subject, follows the one before it, and is in the tree or waits for it (`chains`).
//!
//! Events may be written meanwhile: what is looked at is what was signed when the look began. Who may write to the
//! database can add events as the API does; and what was removed together with its leaves and every later checkpoint
//! is found only by a checkpoint that is kept elsewhere.

mod chains;
mod finding;
mod store;
mod tree;

use sea_orm::DatabaseConnection;
use tlog::{Checkpoint, VerifierKey};

pub use finding::Finding;

use super::from_row;
use crate::Error;

/// How many rows are read at once.
const PAGE: u64 = 1_000;

/// What is held against the log.
#[derive(Debug, Clone, Default)]
pub struct Against {
    /// The keys that may have signed checkpoints.
    pub keys: Vec<VerifierKey>,
    /// Checkpoints that were kept elsewhere, whose signatures were verified.
    pub kept: Vec<Checkpoint>,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Totals {
    /// Events in chains.
    pub events: u64,
    /// Chains.
    pub subjects: u64,
    /// Leaves of the tree.
    pub leaves: u64,
    /// Checkpoints.
    pub checkpoints: u64,
    /// Events that are not in the tree yet.
    pub waiting: u64,
    /// What is wrong.
    pub findings: u64,
}

/// Who is told while it goes on.
pub trait Listener {
    /// Something is wrong.
    fn found(&mut self, finding: Finding);

    /// So many rows of about so many were looked at.
    fn progress(&mut self, done: u64, of: u64);
}

/// Looks at all of it.
pub async fn audit(
    db: &DatabaseConnection,
    against: &Against,
    listener: &mut dyn Listener,
) -> Result<Totals, Error> {
    let mut look = Look {
        db,
        against,
        listener,
        totals: Totals::default(),
        done: 0,
        of: 0,
    };
    let signed = super::store::latest(db).await?;
    let signed = signed.map_or(0, |row| from_row(row.size));
    look.of = 2 * signed;
    tree::walk(&mut look, signed).await?;
    chains::walk(&mut look).await?;
    Ok(look.totals)
}

struct Look<'a> {
    db: &'a DatabaseConnection,
    against: &'a Against,
    listener: &'a mut dyn Listener,
    totals: Totals,
    done: u64,
    of: u64,
}

impl Look<'_> {
    fn found(&mut self, finding: Finding) {
        self.totals.findings += 1;
        self.listener.found(finding);
    }

    fn went_on(&mut self, rows: u64) {
        self.done += rows;
        self.of = self.of.max(self.done);
        self.listener.progress(self.done, self.of);
    }
}
