//! Holding proofs to roots (RFC 9162 §2.1.3.2 and §2.1.4.2).

use crate::{Hash, hash};

/// The proof does not show what it should.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not lead to the root of the tree")]
pub struct Mismatch;

/// Whether the leaf `index` of the tree of `size` leaves with this root is the one with this hash.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), Mismatch> {
    if index >= size {
        return Err(Mismatch);
    }
    let (mut this, mut last, mut computed) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(Mismatch);
        }
        if this & 1 == 1 || this == last {
            computed = hash::node(sibling, &computed);
            while this & 1 == 0 && this != 0 {
                this >>= 1;
                last >>= 1;
            }
        } else {
            computed = hash::node(&computed, sibling);
        }
        this >>= 1;
        last >>= 1;
    }
    if last == 0 && computed == *root {
        Ok(())
    } else {
        Err(Mismatch)
    }
}

/// Whether the tree of `new` leaves begins with the tree of `old` leaves.
pub fn verify_consistency(
    old: u64,
    old_root: &Hash,
    new: u64,
    new_root: &Hash,
    proof: &[Hash],
) -> Result<(), Mismatch> {
    let so = |so: bool| if so { Ok(()) } else { Err(Mismatch) };
    if old > new {
        return Err(Mismatch);
    }
    if old == new {
        return so(proof.is_empty() && old_root == new_root);
    }
    if old == 0 {
        return so(proof.is_empty() && *old_root == hash::empty());
    }
    let mut path = proof.iter();
    let first = if old.is_power_of_two() {
        old_root
    } else {
        path.next().ok_or(Mismatch)?
    };
    let (mut this, mut last) = (old - 1, new - 1);
    while this & 1 == 1 {
        this >>= 1;
        last >>= 1;
    }
    let (mut before, mut after) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return Err(Mismatch);
        }
        if this & 1 == 1 || this == last {
            before = hash::node(sibling, &before);
            after = hash::node(sibling, &after);
            while this & 1 == 0 && this != 0 {
                this >>= 1;
                last >>= 1;
            }
        } else {
            after = hash::node(&after, sibling);
        }
        this >>= 1;
        last >>= 1;
    }
    so(last == 0 && before == *old_root && after == *new_root)
}
