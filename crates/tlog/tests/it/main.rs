//! The published test vectors, and what must hold of all trees, proofs, notes and texts.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod canonical;
mod evidence;
mod notes;
mod trees;

use tlog::{Frontier, Hash, NodeId, Range};

/// A tree that remembers everything.
#[derive(Default)]
struct Tree {
    frontier: Frontier,
    nodes: std::collections::HashMap<NodeId, Hash>,
}

impl Tree {
    fn of(entries: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let mut tree = Self::default();
        for entry in entries {
            let leaf = tlog::leaf(&entry);
            let index = tree.frontier.size();
            tree.nodes.insert(NodeId { level: 0, index }, leaf);
            let nodes = &mut tree.nodes;
            tree.frontier.push(leaf, |node, hash| {
                nodes.insert(node, hash);
            });
        }
        tree
    }

    fn hashes(&self, ranges: Option<Vec<Range>>) -> Vec<Hash> {
        let known = |node: NodeId| self.nodes.get(&node).copied();
        let ranges = ranges.unwrap().into_iter();
        ranges.map(|range| range.hash(known).unwrap()).collect()
    }
}

fn numbered(size: u64) -> Tree {
    Tree::of((0..size).map(|number| number.to_be_bytes().to_vec()))
}
