//! One subsequence: its anchor, and the fragments on both sides of it.
//!
//! Owns which anchor counts: the first one, in the direction of the search, whose fragments are all there. Does
//! not own where the search begins (`sequence`).
//!
//! Always: the time is linear in the window, whatever the bytes are.

use memchr::memmem;

use super::{
    spread::{self, Region, Side},
    window::Window,
};
use crate::model::{SubSequence, lengths};

/// The outcome of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Search {
    /// It lies from here to there.
    Found(u64, u64),
    /// It is not there.
    Absent,
    /// The window ends too early; look on from this place of the anchor.
    More(u64),
}

/// A subsequence with what follows from its fragments' lengths.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    /// Equal for equal subsequences of one set of signatures.
    pub(crate) id: u32,
    pub(crate) sub: SubSequence,
    pub(crate) left: (u64, u64),
    pub(crate) right: (u64, u64),
    finder: Option<memmem::Finder<'static>>,
}

/// Anchors that are tried one by one before the rest is tried together.
const SINGLE_TRIES: usize = 16;
/// A gap that varies no more than this is looked over at once.
const NARROW: usize = 8;
/// Anchors that are tried together.
const BATCH: usize = 64 << 10;

impl Chain {
    pub(crate) fn new(sub: SubSequence) -> Self {
        Self {
            id: 0,
            left: lengths(&sub.left),
            right: lengths(&sub.right),
            finder: sub.anchor.owned_finder(),
            sub,
        }
    }

    fn next_anchor(&self, bytes: &[u8], from: usize, last: usize) -> Option<usize> {
        let finder = self.finder.as_ref();
        self.sub.anchor.find_with(finder, bytes, from, last)
    }

    /// A quick look at the fragments next to the anchor, if they have few places to be at.
    fn plausible(&self, bytes: &[u8], at: usize) -> bool {
        let end = at + self.sub.anchor.len();
        let right = self.sub.right.first().is_none_or(|level| {
            level.iter().any(|fragment| {
                let (min, max) = (fragment.min as usize, fragment.max as usize);
                max - min > NARROW
                    || (min..=max).any(|gap| fragment.pattern.matches_at(bytes, end + gap))
            })
        });
        right
            && self.sub.left.first().is_none_or(|level| {
                level.iter().any(|fragment| {
                    let (min, max) = (fragment.min as usize, fragment.max as usize);
                    let place = |gap| at.checked_sub(gap + fragment.pattern.len());
                    let fits = |at| fragment.pattern.matches_at(bytes, at);
                    max - min > NARROW || (min..=max).filter_map(place).any(fits)
                })
            })
    }

    fn anchor_len(&self) -> u64 {
        self.sub.anchor.len() as u64
    }

    /// The most bytes that the whole can take.
    pub(crate) fn span(&self) -> u64 {
        self.left.1 + self.anchor_len() + self.right.1
    }

    /// The most bytes from the begin of the anchor to the end of the whole.
    pub(crate) fn lookahead(&self) -> u64 {
        self.anchor_len() + self.right.1
    }

    /// The bytes around an anchor that the next window needs, if this one ends too early for it.
    pub(crate) fn context(&self) -> u64 {
        self.left.1 + self.lookahead()
    }

    /// The first place at or after `from` where an anchor may be, for a search that begins after `marker`.
    pub(crate) fn first_anchor(&self, marker: u64) -> u64 {
        marker + self.left.0 + u64::from(self.sub.min)
    }

    /// Forwards from `marker`, which is the end of what came before; `resume` is where an earlier window ended.
    /// Anchors at or after `horizon` are left for later.
    pub(crate) fn find(
        &self,
        window: &Window<'_>,
        marker: u64,
        bounded: bool,
        resume: u64,
        horizon: u64,
    ) -> Search {
        let first = self.first_anchor(marker).max(resume);
        let mut last = u64::MAX;
        let mut latest_start = u64::MAX;
        if bounded {
            last = marker + self.left.1 + u64::from(self.sub.max);
            latest_start = marker + u64::from(self.sub.max);
        }
        let complete = if window.is_last() {
            window.end().checked_sub(self.right.0 + self.anchor_len())
        } else {
            window.end().checked_sub(self.right.1 + self.anchor_len())
        };
        let Some(complete) = complete else {
            return if window.is_last() {
                Search::Absent
            } else {
                Search::More(first)
            };
        };
        let (ends, complete) = if complete < horizon {
            (window.is_last(), complete)
        } else {
            (false, horizon.saturating_sub(1))
        };
        if first <= complete.min(last) {
            let places = Places {
                window,
                from: window.index(marker),
                to: window.bytes.len(),
                latest_start,
            };
            let (low, high) = (window.index(first), window.index(complete.min(last)));
            if let Some(found) = self.first_in(&places, low, high) {
                return found;
            }
        }
        if ends || last <= complete {
            Search::Absent
        } else {
            Search::More(first.max(complete + 1))
        }
    }

    fn first_in(&self, places: &Places<'_>, low: usize, high: usize) -> Option<Search> {
        let bytes = places.window.bytes;
        let mut from = low;
        for _ in 0..SINGLE_TRIES {
            let at = self.next_anchor(bytes, from, high)?;
            if !self.plausible(bytes, at) {
                from = at + 1;
                continue;
            }
            if let Some(found) = self.around(places, at) {
                return Some(found);
            }
            from = at + 1;
        }
        loop {
            let mut anchors = Vec::new();
            while anchors.len() < BATCH {
                let Some(at) = self.next_anchor(bytes, from, high) else {
                    break;
                };
                if self.plausible(bytes, at) {
                    anchors.push(at);
                }
                from = at + 1;
            }
            if anchors.is_empty() {
                return None;
            }
            for at in self.complete(places, &anchors) {
                if let Some(found) = self.around(places, at) {
                    return Some(found);
                }
            }
        }
    }

    /// Backwards from `marker`, which is where what comes after begins.
    pub(crate) fn find_back(
        &self,
        window: &Window<'_>,
        marker: u64,
        bounded: bool,
    ) -> Option<(u64, u64)> {
        let nearest =
            marker.checked_sub(self.right.0 + self.anchor_len() + u64::from(self.sub.min))?;
        let farthest = if bounded {
            marker.saturating_sub(self.right.1 + self.anchor_len() + u64::from(self.sub.max))
        } else {
            0
        };
        let lowest = farthest.max(self.left.0).max(window.base);
        if nearest < lowest {
            return None;
        }
        let places = Places {
            window,
            from: 0,
            to: window.index(marker),
            latest_start: u64::MAX,
        };
        let (low, high) = (window.index(lowest), window.index(nearest));
        let mut to = high;
        for _ in 0..SINGLE_TRIES {
            let at = self.sub.anchor.rfind(window.bytes, low, to)?;
            if let Some(Search::Found(start, end)) = self.around(&places, at) {
                return Some((start, end));
            }
            to = at.checked_sub(1)?;
        }
        loop {
            let mut anchors = Vec::new();
            while anchors.len() < BATCH {
                let Some(at) = self.sub.anchor.rfind(window.bytes, low, to) else {
                    break;
                };
                anchors.push(at);
                let Some(next) = at.checked_sub(1) else {
                    break;
                };
                to = next;
            }
            if anchors.is_empty() {
                return None;
            }
            let exhausted = anchors.len() < BATCH;
            anchors.reverse();
            for at in self.complete(&places, &anchors).into_iter().rev() {
                if let Some(Search::Found(start, end)) = self.around(&places, at) {
                    return Some((start, end));
                }
            }
            if exhausted {
                return None;
            }
        }
    }

    /// What lies around the anchor at `at`, if it is all there.
    fn around(&self, places: &Places<'_>, at: usize) -> Option<Search> {
        let region = places.region();
        let starts = spread::outer_edges(region, Side::Left, &self.sub.left, at);
        let in_time = |start: &&usize| places.window.position(**start) <= places.latest_start;
        let start = starts.iter().find(in_time)?;
        let ends = spread::outer_edges(
            region,
            Side::Right,
            &self.sub.right,
            at + self.sub.anchor.len(),
        );
        let end = ends.first()?;
        let (start, end) = (places.window.position(*start), places.window.position(*end));
        Some(Search::Found(start, end))
    }

    /// Those of the sorted `anchors` that have fragments on both sides.
    fn complete(&self, places: &Places<'_>, anchors: &[usize]) -> Vec<usize> {
        let region = places.region();
        let latest = places
            .latest_start
            .checked_sub(places.window.base)
            .map_or(0, |latest| usize::try_from(latest).unwrap_or(usize::MAX));
        let left = spread::reachable(region, Side::Left, &self.sub.left, anchors, latest);
        let ends: Vec<usize> = anchors
            .iter()
            .map(|at| at + self.sub.anchor.len())
            .collect();
        let right = spread::reachable(region, Side::Right, &self.sub.right, &ends, usize::MAX);
        let both = left.into_iter().zip(right).zip(anchors);
        both.filter(|((left, right), _)| *left && *right)
            .map(|(_, at)| *at)
            .collect()
    }
}

struct Places<'a> {
    window: &'a Window<'a>,
    from: usize,
    to: usize,
    latest_start: u64,
}

impl Places<'_> {
    fn region(&self) -> Region<'_> {
        Region {
            bytes: self.window.bytes,
            from: self.from,
            to: self.to,
        }
    }
}

#[cfg(test)]
mod tests;
