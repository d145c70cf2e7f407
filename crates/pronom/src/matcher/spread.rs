//! Where the fragments beside anchors can lie.
//!
//! Owns following fragments outwards from one anchor, and finding among many anchors the ones whose fragments
//! are all there. Both are linear in the window: positions are kept as sorted sets, so that no combination
//! of fragments is tried twice. (Trying them one after the other is exponential.)

use crate::model::{Alternatives, Fragment};

/// To which side of the anchor the fragments lie.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Left,
    Right,
}

/// A part of the bytes that fragments have to stay in.
#[derive(Clone, Copy)]
pub(super) struct Region<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Region<'_> {
    /// Where `fragment` can begin if the inner edge next to it is at `edge`: first and last place.
    fn places(&self, side: Side, edge: usize, fragment: &Fragment) -> Option<(usize, usize)> {
        let (min, max) = (fragment.min as usize, fragment.max as usize);
        let length = fragment.pattern.len();
        match side {
            Side::Right => {
                let last = (edge + max).min(self.to.checked_sub(length)?);
                let first = edge + min;
                (first <= last).then_some((first, last))
            }
            Side::Left => {
                let last = edge.checked_sub(min + length)?;
                let first = edge.saturating_sub(max + length).max(self.from);
                (first <= last).then_some((first, last))
            }
        }
    }
}

/// The outer edges that the fragments can reach from an inner `edge`, nearest first; none if they are not there.
pub(super) fn outer_edges(
    region: Region<'_>,
    side: Side,
    levels: &[Alternatives],
    edge: usize,
) -> Vec<usize> {
    let mut edges = vec![edge];
    for level in levels {
        let mut next = Vec::new();
        for fragment in level {
            collect(region, side, fragment, &edges, &mut next);
        }
        next.sort_unstable();
        next.dedup();
        if next.is_empty() {
            return next;
        }
        edges = next;
    }
    if side == Side::Left {
        edges.reverse();
    }
    edges
}

/// Adds the outer edges of every place of `fragment` next to one of the sorted `edges`.
fn collect(
    region: Region<'_>,
    side: Side,
    fragment: &Fragment,
    edges: &[usize],
    next: &mut Vec<usize>,
) {
    let outer = match side {
        Side::Right => fragment.pattern.len(),
        Side::Left => 0,
    };
    let mut seen = None;
    for edge in edges {
        let Some((first, last)) = region.places(side, *edge, fragment) else {
            continue;
        };
        let mut from = seen.map_or(first, |seen: usize| first.max(seen + 1));
        while let Some(at) = fragment.pattern.find(region.bytes, from, last) {
            next.push(at + outer);
            from = at + 1;
        }
        seen = Some(seen.map_or(last, |seen| seen.max(last)));
    }
}

/// For each of the sorted inner `edges` whether the fragments can be reached from it. The outermost fragment
/// on the left begins no later than `latest`.
pub(super) fn reachable(
    region: Region<'_>,
    side: Side,
    levels: &[Alternatives],
    edges: &[usize],
    latest: usize,
) -> Vec<bool> {
    let (Some(first), Some(last)) = (edges.first(), edges.last()) else {
        return Vec::new();
    };
    let mut spans = vec![(*first, *last)];
    for level in levels {
        let (low, high) = spans[spans.len() - 1];
        let reach = level
            .iter()
            .map(|fragment| fragment.max as usize + fragment.pattern.len())
            .max()
            .unwrap_or(0);
        spans.push(match side {
            Side::Right => (low, (high + reach).min(region.to)),
            Side::Left => (low.saturating_sub(reach).max(region.from), high),
        });
    }
    // From the outermost level inwards: begins of the fragments that have all that lies outside of them.
    let mut outside: Option<Vec<Vec<usize>>> = None;
    for (at, level) in levels.iter().enumerate().rev() {
        let (low, high) = spans[at + 1];
        let begins = level.iter().map(|fragment| {
            let mut begins = Vec::new();
            let searcher = fragment.pattern.searcher();
            let mut from = low;
            let high = if outside.is_none() {
                high.min(latest)
            } else {
                high
            };
            let last = high.min(region.to.saturating_sub(fragment.pattern.len()));
            while let Some(begin) = searcher.find(region.bytes, from, last) {
                from = begin + 1;
                let edge = match side {
                    Side::Right => begin + fragment.pattern.len(),
                    Side::Left => begin,
                };
                let fits = outside.as_ref().is_none_or(|outside| {
                    any_in_reach(region, side, &levels[at + 1], outside, edge)
                });
                if fits {
                    begins.push(begin);
                }
            }
            begins
        });
        outside = Some(begins.collect());
    }
    match (&outside, levels.first()) {
        (Some(outside), Some(level)) => edges
            .iter()
            .map(|edge| any_in_reach(region, side, level, outside, *edge))
            .collect(),
        _ => vec![true; edges.len()],
    }
}

fn any_in_reach(
    region: Region<'_>,
    side: Side,
    level: &Alternatives,
    begins: &[Vec<usize>],
    edge: usize,
) -> bool {
    level.iter().zip(begins).any(|(fragment, begins)| {
        region
            .places(side, edge, fragment)
            .is_some_and(|(first, last)| {
                let next = begins.partition_point(|begin| *begin < first);
                begins.get(next).is_some_and(|begin| *begin <= last)
            })
    })
}
