//! All signatures that nothing has refused yet, on their way through one file.
//!
//! Owns the order in which windows are shown: the head, then the tail if it is at hand, then what lies between,
//! as long as a signature still looks for something. Does not own where windows come from (`stream`, `file`).

use super::{
    Matcher,
    candidate::{Candidate, State},
    needles::Needles,
    window::Window,
};

/// A part of a window that is searched for all needles at once.
const BLOCK: usize = 64 << 10;
/// With fewer sequences than this each is searched for by itself.
const FEW: usize = 4;

/// The signatures that are still possible for a file.
#[derive(Debug)]
pub(crate) struct Scan<'m> {
    matcher: &'m Matcher,
    pub(crate) candidates: Vec<Candidate>,
    /// Signatures that begin at the tail, once it was seen.
    late: Vec<Candidate>,
}

impl<'m> Scan<'m> {
    /// Begins with the first window of a file.
    pub(crate) fn new(matcher: &'m Matcher, head: &Window<'_>) -> Self {
        let mut candidates = Vec::new();
        for signature in matcher.index.lookup(head.bytes) {
            let mut candidate = Candidate::new(matcher, signature);
            if candidate.start(&matcher.signatures[signature as usize], head) {
                candidates.push(candidate);
            }
        }
        Self {
            matcher,
            candidates,
            late: Vec::new(),
        }
    }

    /// Checks what is bound to the end of the file, which `tail` holds.
    pub(crate) fn tail(&mut self, tail: &Window<'_>) {
        let signatures = &self.matcher.signatures;
        self.candidates
            .retain_mut(|candidate| candidate.end(&signatures[candidate.signature as usize], tail));
        for signature in &self.matcher.tail_led {
            let mut candidate = Candidate::new(self.matcher, *signature);
            if candidate.end(&signatures[*signature as usize], tail) {
                self.late.push(candidate);
            }
        }
    }

    /// Takes the signatures that began at the tail among the others, to be shown the file from its start.
    pub(crate) fn admit_late(&mut self) {
        self.candidates.append(&mut self.late);
        self.candidates.sort_by_key(|candidate| candidate.signature);
    }

    /// Puts aside all signatures but those that began at the tail, to show these the file from its start.
    pub(crate) fn only_late(&mut self) -> Vec<Candidate> {
        std::mem::replace(&mut self.candidates, std::mem::take(&mut self.late))
    }

    pub(crate) fn late_is_looking(&self) -> bool {
        self.late.iter().any(Candidate::is_looking)
    }

    /// Whether what comes next in the file can change anything.
    pub(crate) fn is_looking(&self) -> bool {
        self.candidates.iter().any(Candidate::is_looking)
    }

    /// Looks on in the next window, which overlaps the last one by the matcher's context.
    pub(crate) fn advance(&mut self, window: &Window<'_>) {
        let signatures = &self.matcher.signatures;
        let looking = self.looking();
        if looking.len() >= FEW {
            let from = looking.iter().map(|task| task.next).min().unwrap_or(window.base);
            self.advance_in_blocks(window, from);
        }
        self.candidates
            .retain_mut(|candidate| candidate.advance(&signatures[candidate.signature as usize], window));
    }

    /// As long as many sequences are looked for, one pass over each block tells which of them to look for there.
    fn advance_in_blocks(&mut self, window: &Window<'_>, from: u64) {
        let signatures = &self.matcher.signatures;
        let mut known: Vec<Task> = Vec::new();
        let mut needles = Needles::new(&[]);
        let mut present: Vec<bool> = Vec::new();
        let mut at = window.index(from);
        let limit = if window.is_last() {
            window.bytes.len()
        } else {
            window.bytes.len().saturating_sub(self.matcher.context)
        };
        while at < limit {
            let tasks = self.looking();
            if tasks.len() < FEW {
                return;
            }
            let literal = |task: &Task| {
                let prepared = &signatures[self.candidates[task.candidate].signature as usize];
                prepared.sequences[task.sequence].chains[task.subsequence].sub.anchor.literal()
            };
            let same = known.len() == tasks.len() && known.iter().zip(&tasks).all(|(a, b)| a.is_same(b));
            if !same {
                let literals: Vec<&[u8]> = tasks.iter().map(|task| literal(task).1).collect();
                needles = Needles::new(&literals);
            }
            let end = (at + BLOCK).min(limit);
            let longest = tasks.iter().map(|task| {
                let (offset, literal) = literal(task);
                offset + literal.len()
            });
            let to = (end + longest.max().unwrap_or(0)).min(window.bytes.len());
            present.clear();
            present.resize(tasks.len(), false);
            needles.search(window.bytes, at, to, |needle| present[needle] = true);
            // Equal literals share their occurrences, but the search names only one of them.
            for one in 0..tasks.len() {
                if present[one] {
                    for other in 0..tasks.len() {
                        present[other] |= literal(&tasks[other]).1.starts_with(literal(&tasks[one]).1);
                    }
                }
            }
            let horizon = window.position(end);
            for (task, present) in tasks.iter().zip(&present) {
                let candidate = &mut self.candidates[task.candidate];
                let prepared = &signatures[candidate.signature as usize];
                let sequence = &prepared.sequences[task.sequence];
                if *present {
                    while candidate.step(sequence, task.sequence, window, horizon) {}
                } else if let State::Looking(looking) = &mut candidate.states[task.sequence] {
                    looking.resume = looking.resume.max(horizon);
                }
            }
            self.candidates.retain(|candidate| !candidate.is_lost());
            known = tasks;
            at = end;
        }
    }

    fn looking(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for (at, candidate) in self.candidates.iter().enumerate() {
            let signature = candidate.signature;
            for (sequence, state) in candidate.states.iter().enumerate() {
                if let State::Looking(looking) = state {
                    tasks.push(Task {
                        candidate: at,
                        signature,
                        sequence,
                        subsequence: looking.subsequence,
                        next: looking.next(),
                    });
                }
            }
        }
        tasks
    }

    /// The signatures that the whole file matches, and where.
    pub(crate) fn hits(self) -> Vec<Candidate> {
        let mut hits = self.candidates;
        hits.retain(Candidate::is_complete);
        hits
    }
}

#[derive(Clone, Copy, Debug)]
struct Task {
    candidate: usize,
    signature: u32,
    sequence: usize,
    subsequence: usize,
    next: u64,
}

impl Task {
    fn is_same(&self, other: &Self) -> bool {
        (self.candidate, self.signature, self.sequence, self.subsequence)
            == (other.candidate, other.signature, other.sequence, other.subsequence)
    }
}
