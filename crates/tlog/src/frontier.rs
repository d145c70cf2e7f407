//! A tree that grows, of which only the right edge is in memory.

use crate::{Hash, NodeId, hash, tree};

/// The full subtrees of a tree, and nothing below them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    peaks: Vec<Hash>,
}

impl Frontier {
    /// Of a tree of `size` leaves. `None`: these are not as many hashes as it has [`peaks`](crate::peaks).
    pub fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == tree::peaks(size).count()).then_some(Self { size, peaks })
    }

    /// How many leaves there are.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf, and tells of every subtree that became full by it.
    pub fn push(&mut self, leaf: Hash, mut full: impl FnMut(NodeId, Hash)) {
        let (mut level, mut index, mut hash) = (0, self.size, leaf);
        while index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = hash::node(&left, &hash);
            level += 1;
            index >>= 1;
            full(NodeId { level, index }, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        tree::fold(&self.peaks).unwrap_or_else(hash::empty)
    }
}
