//! Which of several literals occur in a part of a file, with one pass over it.
//!
//! Owns the vectorised search for many needles. Does not own what an occurrence means.

use aho_corasick::{Span, packed};

/// More needles than this make the search slower than several of it.
const GROUP: usize = 32;
/// So many occurrences in one part, and it is quicker to look for each needle by itself.
const MAX_HITS: usize = 64;

/// A search for needles that are told apart by their number.
pub(super) struct Needles {
    groups: Vec<(packed::Searcher, Vec<usize>)>,
    /// Needles that the search cannot take.
    other: Vec<usize>,
}

impl Needles {
    pub(super) fn new(needles: &[&[u8]]) -> Self {
        let mut searcher = Self {
            groups: Vec::new(),
            other: Vec::new(),
        };
        let mut order: Vec<usize> = (0..needles.len()).filter(|at| needles[*at].len() > 1).collect();
        searcher.other.extend((0..needles.len()).filter(|at| needles[*at].len() < 2));
        order.sort_by_key(|at| needles[*at]);
        for group in order.chunks(GROUP) {
            let built = packed::Config::new()
                .builder()
                .extend(group.iter().map(|at| needles[*at]))
                .build();
            match built {
                Some(packed) => searcher.groups.push((packed, group.to_vec())),
                None => searcher.other.extend(group),
            }
        }
        searcher
    }

    /// Calls `occurs` for every needle that may occur in `hay[from..to]`; for a needle that does not, perhaps.
    pub(super) fn search(&self, hay: &[u8], from: usize, to: usize, mut occurs: impl FnMut(usize)) {
        self.other.iter().for_each(|needle| occurs(*needle));
        for (searcher, numbers) in &self.groups {
            let mut at = from;
            let mut hits = 0;
            while let Some(hit) = searcher.find_in(hay, Span { start: at, end: to }) {
                hits += 1;
                if hits > MAX_HITS {
                    numbers.iter().for_each(|needle| occurs(*needle));
                    break;
                }
                let found = hit.pattern().as_usize();
                occurs(numbers[found]);
                at = hit.start() + 1;
            }
        }
    }
}
