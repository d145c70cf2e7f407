//! Which hashes a proof is made of.
//!
//! A proof names subtrees. Those that are full never change once they are, so they can be kept; one at the right
//! edge is folded from full ones. So a proof needs O(log n) hashes of a tree of n leaves.

use crate::{Hash, hash};

/// A full subtree: of 2^level leaves, the index-th of its size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// Its height: 0 is a leaf.
    pub level: u32,
    /// Its place among those of its level.
    pub index: u64,
}

/// The leaves `begin..end` under one node of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    begin: u64,
    end: u64,
}

impl Range {
    /// The full subtrees that it is made of, from left to right.
    pub fn nodes(self) -> impl Iterator<Item = NodeId> {
        let length = self.end - self.begin;
        let mut begin = self.begin;
        (0..u64::BITS)
            .rev()
            .filter(move |level| length >> level & 1 == 1)
            .map(move |level| {
                let index = begin >> level;
                begin += 1 << level;
                NodeId { level, index }
            })
    }

    /// Its hash, from those of full subtrees. `None`: one of them is not known.
    pub fn hash(self, mut known: impl FnMut(NodeId) -> Option<Hash>) -> Option<Hash> {
        let hashes: Option<Vec<Hash>> = self.nodes().map(&mut known).collect();
        fold(&hashes?)
    }
}

/// From the hashes of ever smaller subtrees to the one over them.
pub(crate) fn fold(hashes: &[Hash]) -> Option<Hash> {
    let (last, others) = hashes.split_last()?;
    let over = |right: Hash, left: &Hash| hash::node(left, &right);
    Some(others.iter().rev().fold(*last, over))
}

/// The full subtrees that a tree of `size` leaves is made of, from left to right.
pub fn peaks(size: u64) -> impl Iterator<Item = NodeId> {
    Range {
        begin: 0,
        end: size,
    }
    .nodes()
}

/// The largest power of two below `size`, which is at least 2.
fn split(size: u64) -> u64 {
    1 << (u64::BITS - 1 - (size - 1).leading_zeros())
}

/// What the proof that the leaf `index` is in a tree of `size` leaves consists of (RFC 6962 §2.1.1), from the leaf
/// to the root. `None`: there is no such leaf.
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Range>> {
    if index >= size {
        return None;
    }
    let (mut begin, mut end) = (0, size);
    let mut path = Vec::new();
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            path.push(Range { begin: middle, end });
            end = middle;
        } else {
            path.push(Range { begin, end: middle });
            begin = middle;
        }
    }
    path.reverse();
    Some(path)
}

/// What the proof that a tree of `new` leaves begins with the tree of `old` leaves consists of (RFC 6962 §2.1.2).
/// `None`: it does not, because it is smaller.
pub fn consistency(old: u64, new: u64) -> Option<Vec<Range>> {
    if old > new {
        return None;
    }
    if old == 0 {
        return Some(Vec::new());
    }
    let (mut begin, mut end) = (0, new);
    let mut path = Vec::new();
    while old != end {
        let middle = begin + split(end - begin);
        if old <= middle {
            path.push(Range { begin: middle, end });
            end = middle;
        } else {
            path.push(Range { begin, end: middle });
            begin = middle;
        }
    }
    // The old tree itself is known to whoever asks.
    if begin > 0 {
        path.push(Range { begin, end });
    }
    path.reverse();
    Some(path)
}
