//! A search finds what trying everything finds.
#![expect(clippy::unwrap_used, reason = "a test may")]

use proptest::prelude::*;

use super::*;
use crate::{
    model::{Alternatives, Fragment},
    pattern::{Atom, Pattern},
};

fn pattern() -> impl Strategy<Value = Pattern> {
    "[ab]{1,2}".prop_map(|text| {
        let atoms: Vec<Atom> = text.bytes().map(Atom::Byte).collect();
        Pattern::new(&atoms).unwrap()
    })
}

fn side() -> impl Strategy<Value = Vec<Alternatives>> {
    let fragment = (0_u32..3, 0_u32..12, pattern());
    let fragment = fragment.prop_map(|(min, more, pattern)| Fragment {
        min,
        max: min + more,
        pattern,
    });
    prop::collection::vec(prop::collection::vec(fragment, 1..3), 0..3)
}

fn chain() -> impl Strategy<Value = Chain> {
    (0_u32..4, 0_u32..30, pattern(), side(), side()).prop_map(|(min, more, anchor, left, right)| {
        Chain::new(SubSequence {
            min,
            max: min + more,
            anchor,
            left,
            right,
        })
    })
}

/// All ends that the fragments can reach to the right of `edge`, by trying everything.
fn all_ends(hay: &[u8], levels: &[Alternatives], edge: usize) -> Vec<usize> {
    let Some((level, outer)) = levels.split_first() else {
        return vec![edge];
    };
    let mut ends = Vec::new();
    for fragment in level {
        for gap in fragment.min..=fragment.max {
            let at = edge + gap as usize;
            if fragment.pattern.matches_at(hay, at) {
                ends.extend(all_ends(hay, outer, at + fragment.pattern.len()));
            }
        }
    }
    ends
}

/// All starts to the left of `edge`, by trying everything.
fn all_starts(hay: &[u8], levels: &[Alternatives], edge: usize) -> Vec<usize> {
    let Some((level, outer)) = levels.split_first() else {
        return vec![edge];
    };
    let mut starts = Vec::new();
    for fragment in level {
        for gap in fragment.min..=fragment.max {
            let Some(at) = edge.checked_sub(gap as usize + fragment.pattern.len()) else {
                continue;
            };
            if fragment.pattern.matches_at(hay, at) {
                starts.extend(all_starts(hay, outer, at));
            }
        }
    }
    starts
}

/// The answer by trying everything; `back` from the end of the file.
fn naive(chain: &Chain, hay: &[u8], bounded: bool, back: bool) -> Option<(u64, u64)> {
    let (min, max) = (u64::from(chain.sub.min), u64::from(chain.sub.max));
    let length = chain.anchor_len();
    let fits = |at: &usize| {
        let at = *at as u64;
        if back {
            let Some(nearest) = (hay.len() as u64).checked_sub(chain.right.0 + length + min) else {
                return false;
            };
            let farthest = (hay.len() as u64).saturating_sub(chain.right.1 + length + max);
            at <= nearest && (!bounded || at >= farthest)
        } else {
            at >= chain.left.0 + min && (!bounded || at <= chain.left.1 + max)
        }
    };
    let latest = if bounded && !back { max } else { u64::MAX };
    let mut anchors: Vec<usize> = (0..hay.len())
        .filter(|at| chain.sub.anchor.matches_at(hay, *at))
        .filter(fits)
        .collect();
    if back {
        anchors.reverse();
    }
    anchors.into_iter().find_map(|at| {
        let starts = all_starts(hay, &chain.sub.left, at).into_iter();
        let start = starts
            .map(|start| start as u64)
            .filter(|start| *start <= latest)
            .max()?;
        let end = all_ends(hay, &chain.sub.right, at + chain.sub.anchor.len())
            .into_iter()
            .min()?;
        Some((start, end as u64))
    })
}

proptest! {
    #[test]
    fn a_search_finds_what_trying_everything_finds(
        chain in chain(),
        hay in "[ab]{0,20}[abc]{0,160}",
        bounded: bool,
    ) {
        let hay = hay.as_bytes();
        let window = Window::whole(hay);
        let found = chain.find(&window, 0, bounded, 0, u64::MAX);
        let expected = naive(&chain, hay, bounded, false)
            .map_or(Search::Absent, |(start, end)| Search::Found(start, end));
        prop_assert_eq!(found, expected);
        let back = chain.find_back(&window, hay.len() as u64, bounded);
        prop_assert_eq!(back, naive(&chain, hay, bounded, true));
    }
}
