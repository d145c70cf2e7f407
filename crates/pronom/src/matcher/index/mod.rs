//! Which signatures are worth a look, from the first bytes of a file.
//!
//! Owns the dispatch: by bytes at a fixed offset where a signature has them (`fixed`), else by a literal that
//! must lie in a window from the start (`tiers`). Does not own the verdict: everything returned here is still
//! to be checked.
//!
//! Always: a signature that matches is among the returned ones, unless only the end of the file can tell it.

mod fixed;
mod tiers;

use super::{Prepared, chain::Chain};
use crate::{model::Alternatives, pattern::Pattern};
use fixed::{Fixed, Key};
use tiers::{Literal, Probe, Tier};

#[derive(Debug)]
pub(super) struct Index {
    fixed: Vec<Fixed>,
    tiers: Vec<Tier>,
    /// Signatures that neither way can dispatch.
    always: Vec<u32>,
    signatures: usize,
}

impl Index {
    pub(super) fn new(signatures: &[Prepared]) -> Self {
        let mut keys: Vec<(usize, Key, u32)> = Vec::new();
        let mut probes: Vec<(Vec<u8>, Probe)> = Vec::new();
        let mut always = Vec::new();
        for (at, signature) in (0_u32..).zip(signatures) {
            let starts = signature.starts().filter_map(fixed::keys);
            let best = starts.max_by_key(|(_, keys)| keys.iter().map(Key::weight).min());
            if let Some((offset, best)) = best {
                keys.extend(best.into_iter().map(|key| (offset, key, at)));
                continue;
            }
            let windowed = signature.starts().min_by_key(|chain| chain.sub.max);
            match windowed.map(tiers::literals) {
                // What may lie anywhere is always worth a look; what lies at the end is looked for there.
                None if signature.is_tail_led() => {}
                None => always.push(at),
                Some(literals) if literals.is_empty() => always.push(at),
                Some(literals) => {
                    let probe = |literal: Literal| {
                        (literal.bytes, Probe::new(literal.from, literal.to, at))
                    };
                    probes.extend(literals.into_iter().map(probe));
                }
            }
        }
        Self {
            fixed: fixed::group(keys),
            tiers: tiers::group(probes),
            always,
            signatures: signatures.len(),
        }
    }

    /// So many bytes of a file are enough for [`lookup`](Self::lookup).
    pub(super) fn reach(&self) -> usize {
        let fixed = self.fixed.iter().map(Fixed::reach);
        let tiers = self.tiers.iter().map(Tier::reach);
        fixed.chain(tiers).max().unwrap_or(0)
    }

    /// Signatures that may match a file that begins with `head`; each once, in order.
    pub(super) fn lookup(&self, head: &[u8]) -> Vec<u32> {
        let mut found = Found {
            seen: vec![0; self.signatures.div_ceil(64)],
            list: self.always.clone(),
        };
        for group in &self.fixed {
            group.lookup(head, &mut found);
        }
        for tier in &self.tiers {
            tier.lookup(head, &mut found);
        }
        found.list.sort_unstable();
        found.list
    }
}

/// The signatures that were dispatched so far.
struct Found {
    seen: Vec<u64>,
    list: Vec<u32>,
}

impl Found {
    fn add(&mut self, signature: u32) {
        let (word, bit) = (signature as usize / 64, 1_u64 << (signature % 64));
        if self.seen[word] & bit == 0 {
            self.seen[word] |= bit;
            self.list.push(signature);
        }
    }
}

/// The patterns of a subsequence from left to right, each with the gap before it.
fn elements(chain: &Chain) -> Vec<((u32, u32), Vec<&Pattern>)> {
    fn gap(level: &Alternatives) -> (u32, u32) {
        let min = level.iter().map(|fragment| fragment.min).min();
        let max = level.iter().map(|fragment| fragment.max).max();
        (min.unwrap_or(0), max.unwrap_or(0))
    }
    fn patterns(level: &Alternatives) -> Vec<&Pattern> {
        level.iter().map(|fragment| &fragment.pattern).collect()
    }
    let mut elements = Vec::new();
    let mut before = (0, 0);
    for level in chain.sub.left.iter().rev() {
        elements.push((before, patterns(level)));
        before = gap(level);
    }
    elements.push((before, vec![&chain.sub.anchor]));
    for level in &chain.sub.right {
        elements.push((gap(level), patterns(level)));
    }
    elements
}
