//! One signature on its way through a file.
//!
//! Owns how far each of its byte sequences has come. Does not own which windows it is shown (`scan`).

use super::{Matcher, Prepared, Sequence, chain::Search, memo::Memo};
use crate::model::Reference;

/// How far a byte sequence has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Found,
    /// Waits for the end of the file.
    AtEnd,
    /// Looks for one of its subsequences.
    Looking(Looking),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(super) struct Looking {
    pub(super) subsequence: usize,
    /// The end of what was found before.
    marker: u64,
    /// The anchor lies at or after this.
    pub(super) resume: u64,
}

impl Looking {
    /// Nothing is looked for before this place.
    pub(super) fn next(&self) -> u64 {
        self.marker.max(self.resume)
    }
}

/// A signature that nothing has refused yet.
#[derive(Clone, Debug)]
pub(crate) struct Candidate {
    pub(crate) signature: u32,
    pub(super) states: Vec<State>,
    pub(crate) ranges: Vec<(u64, u64)>,
}

impl Candidate {
    pub(super) fn new(matcher: &Matcher, signature: u32) -> Self {
        Self {
            signature,
            ..Self::of(&matcher.signatures[signature as usize])
        }
    }

    /// For a signature by itself.
    pub(crate) fn of(prepared: &Prepared) -> Self {
        let states = prepared
            .sequences
            .iter()
            .map(|sequence| match sequence.reference {
                Reference::End => State::AtEnd,
                Reference::Start | Reference::Anywhere => State::Looking(Looking::default()),
            });
        Self {
            signature: 0,
            states: states.collect(),
            ranges: Vec::new(),
        }
    }

    /// Begins with what is bound to the start; `false` if it refuses the signature.
    pub(crate) fn start(&mut self, prepared: &Prepared, memo: &mut Memo<'_>) -> bool {
        (0..self.states.len()).all(|at| {
            let sequence = &prepared.sequences[at];
            sequence.reference != Reference::Start || self.look(sequence, at, memo, true)
        })
    }

    /// Looks on in `window`; `false` if it refuses the signature.
    pub(crate) fn advance(&mut self, prepared: &Prepared, memo: &mut Memo<'_>) -> bool {
        (0..self.states.len()).all(|at| self.look(&prepared.sequences[at], at, memo, false))
    }

    /// Looks for one sequence in `window`, or only for its bounded first part.
    fn look(&mut self, sequence: &Sequence, at: usize, memo: &mut Memo<'_>, first: bool) -> bool {
        while self.step(sequence, at, memo) {
            if first {
                return true;
            }
        }
        !matches!(self.states[at], State::Looking(looking) if looking.resume == u64::MAX)
    }

    /// Looks for one subsequence; `true` if it was found.
    pub(super) fn step(&mut self, sequence: &Sequence, at: usize, memo: &mut Memo<'_>) -> bool {
        let State::Looking(looking) = &mut self.states[at] else {
            return false;
        };
        let bounded = looking.subsequence == 0 && sequence.reference == Reference::Start;
        let chain = &sequence.chains[looking.subsequence];
        match memo.find(chain, looking.marker, bounded, looking.resume) {
            Search::Found(start, end) => {
                self.ranges.push((start, end));
                let next = looking.subsequence + 1;
                self.states[at] = if next == sequence.chains.len() {
                    State::Found
                } else {
                    State::Looking(Looking {
                        subsequence: next,
                        marker: end,
                        resume: 0,
                    })
                };
                true
            }
            Search::More(resume) => {
                looking.resume = resume;
                false
            }
            Search::Absent => {
                looking.resume = u64::MAX;
                false
            }
        }
    }

    /// Checks what is bound to the end; `false` if it refuses the signature.
    pub(crate) fn end(&mut self, prepared: &Prepared, memo: &mut Memo<'_>) -> bool {
        for (at, sequence) in prepared.sequences.iter().enumerate() {
            if self.states[at] != State::AtEnd {
                continue;
            }
            let mut marker = memo.window().end();
            let last = sequence.chains.len() - 1;
            for (place, chain) in sequence.chains.iter().enumerate().rev() {
                let Some((start, end)) = memo.find_back(chain, marker, place == last) else {
                    return false;
                };
                self.ranges.push((start, end));
                marker = start;
            }
            self.states[at] = State::Found;
        }
        true
    }

    /// So many bytes before the end of the last window are needed again in the next one.
    pub(super) fn context(&self, prepared: &Prepared) -> u64 {
        let needs =
            prepared
                .sequences
                .iter()
                .zip(&self.states)
                .map(|(sequence, state)| match state {
                    State::Looking(looking) => sequence.chains[looking.subsequence].context(),
                    State::Found | State::AtEnd => 0,
                });
        needs.max().unwrap_or(0)
    }

    /// Whether a sequence still looks for something, so that the rest of the file matters.
    pub(super) fn is_looking(&self) -> bool {
        self.states
            .iter()
            .any(|state| matches!(state, State::Looking(_)))
    }

    /// Whether a sequence was found to be nowhere.
    pub(super) fn is_lost(&self) -> bool {
        self.states
            .iter()
            .any(|state| matches!(state, State::Looking(looking) if looking.resume == u64::MAX))
    }

    pub(crate) fn waits_for_end(&self) -> bool {
        self.states.contains(&State::AtEnd)
    }

    /// The first sequence that was not found, and which of its subsequences it failed at.
    pub(crate) fn missing(&self) -> Option<(usize, usize)> {
        self.states
            .iter()
            .enumerate()
            .find_map(|(at, state)| match state {
                State::Found => None,
                State::AtEnd => Some((at, 0)),
                State::Looking(looking) => Some((at, looking.subsequence)),
            })
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.states.iter().all(|state| *state == State::Found)
    }
}
