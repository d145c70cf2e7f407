//! Searches that were made in a window, so that signatures with the same subsequence share them.
//!
//! Always: a memo is used for one window and one horizon only.

use super::{
    chain::{Chain, Search},
    window::Window,
};

/// What was searched for in a window, and what came of it.
#[derive(Debug)]
pub(crate) struct Memo<'w> {
    window: &'w Window<'w>,
    horizon: u64,
    forward: Vec<(Key, Search)>,
    backward: Vec<(Key, Option<(u64, u64)>)>,
}

/// The subsequence and from where it was searched for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    chain: u32,
    marker: u64,
    resume: u64,
    bounded: bool,
}

impl<'w> Memo<'w> {
    /// For searches up to the end of a window.
    pub(crate) fn new(window: &'w Window<'w>) -> Self {
        Self::up_to(window, u64::MAX)
    }

    /// For searches whose anchor lies before `horizon`.
    pub(crate) fn up_to(window: &'w Window<'w>, horizon: u64) -> Self {
        Self {
            window,
            horizon,
            forward: Vec::new(),
            backward: Vec::new(),
        }
    }

    pub(super) fn window(&self) -> &'w Window<'w> {
        self.window
    }

    pub(super) fn find(
        &mut self,
        chain: &Chain,
        marker: u64,
        bounded: bool,
        resume: u64,
    ) -> Search {
        let key = Key {
            chain: chain.id,
            marker,
            resume,
            bounded,
        };
        if let Some((_, known)) = self.forward.iter().find(|(known, _)| *known == key) {
            return *known;
        }
        let found = chain.find(self.window, marker, bounded, resume, self.horizon);
        self.forward.push((key, found));
        found
    }

    pub(super) fn find_back(
        &mut self,
        chain: &Chain,
        marker: u64,
        bounded: bool,
    ) -> Option<(u64, u64)> {
        let key = Key {
            chain: chain.id,
            marker,
            resume: 0,
            bounded,
        };
        if let Some((_, known)) = self.backward.iter().find(|(known, _)| *known == key) {
            return *known;
        }
        let found = chain.find_back(self.window, marker, bounded);
        self.backward.push((key, found));
        found
    }
}
