//! Which of several literals occur in a part of a file, with one pass over it.
//!
//! Owns the vectorised search for many needles. Does not own what an occurrence means.

use std::collections::BTreeMap;

use aho_corasick::{Span, packed};
use memchr::memmem;

/// Up to this many needles are quicker looked for one after the other.
const FEW: usize = 3;
/// A shorter needle occurs too often.
const SHORTEST: usize = 3;
/// More needles than this make one pass slower than several.
const GROUP: usize = 32;
/// So many occurrences in one part, and it is quicker to look for each needle by itself.
const MAX_HITS: usize = 64;

/// A search for needles that are told apart by their number.
#[derive(Debug, Default)]
pub(super) struct Needles {
    /// Needles that are looked for one by one, and the numbers that share them.
    single: Vec<(memmem::Finder<'static>, Vec<usize>)>,
    packed: Vec<(packed::Searcher, Vec<Vec<usize>>)>,
    /// Needles that no search can take.
    other: Vec<usize>,
}

impl Needles {
    pub(super) fn new(needles: &[&[u8]]) -> Self {
        let mut searcher = Self::default();
        // A needle that begins with another one occurs only where the other one does.
        let mut shared: BTreeMap<&[u8], Vec<usize>> = BTreeMap::new();
        let mut order: Vec<usize> = (0..needles.len()).collect();
        order.sort_by_key(|at| needles[*at]);
        let mut shortest: &[u8] = &[];
        for at in order {
            let needle = needles[at];
            if needle.len() < SHORTEST {
                searcher.other.push(at);
                continue;
            }
            if shortest.is_empty() || !needle.starts_with(shortest) {
                shortest = needle;
            }
            shared.entry(shortest).or_default().push(at);
        }
        let shared: Vec<(&[u8], Vec<usize>)> = shared.into_iter().collect();
        if shared.len() <= FEW {
            let single = shared.into_iter();
            searcher.single = single
                .map(|(needle, numbers)| (memmem::Finder::new(needle).into_owned(), numbers))
                .collect();
            return searcher;
        }
        for group in shared.chunks(GROUP) {
            let built = packed::Config::new()
                .builder()
                .extend(group.iter().map(|(needle, _)| needle))
                .build();
            let numbers = group.iter().map(|(_, numbers)| numbers.clone());
            match built {
                Some(packed) => searcher.packed.push((packed, numbers.collect())),
                None => searcher.other.extend(numbers.flatten()),
            }
        }
        searcher
    }

    /// Marks every needle that occurs in `hay[from..to]`; one that does not is marked at most for speed.
    pub(super) fn search(&self, hay: &[u8], from: usize, to: usize, present: &mut [bool]) {
        let mut mark = |numbers: &[usize]| {
            for number in numbers {
                present[*number] = true;
            }
        };
        mark(&self.other);
        for (finder, numbers) in &self.single {
            if finder.find(&hay[from..to]).is_some() {
                mark(numbers);
            }
        }
        for (searcher, numbers) in &self.packed {
            let mut at = from;
            let mut hits = 0;
            while let Some(hit) = searcher.find_in(hay, Span { start: at, end: to }) {
                hits += 1;
                if hits > MAX_HITS {
                    for numbers in numbers {
                        mark(numbers);
                    }
                    break;
                }
                mark(&numbers[hit.pattern().as_usize()]);
                at = hit.start() + 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_needle_that_occurs_is_marked(
            needles in prop::collection::vec("[ab]{0,4}", 0..12),
            hay in "[ab]{0,40}",
        ) {
            let bytes: Vec<&[u8]> = needles.iter().map(String::as_bytes).collect();
            let mut present = vec![false; needles.len()];
            Needles::new(&bytes).search(hay.as_bytes(), 0, hay.len(), &mut present);
            for (needle, present) in needles.iter().zip(present) {
                prop_assert!(present || !hay.contains(needle));
            }
        }
    }
}
