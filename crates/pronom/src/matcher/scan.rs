//! All signatures that nothing has refused yet, on their way through one file.
//!
//! Owns the order in which windows are shown: the head, then the tail if it is at hand, then what lies between,
//! as long as a signature still looks for something. Does not own where windows come from (`stream`, `file`).

use super::{
    Matcher,
    candidate::{Candidate, State},
    chain::Chain,
    memo::Memo,
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
    /// Signatures that were refused, if that is to be explained.
    refused: Option<Vec<Candidate>>,
}

impl<'m> Scan<'m> {
    /// Begins with the first window of a file.
    pub(crate) fn new(matcher: &'m Matcher, head: &Window<'_>) -> Self {
        Self::begin(matcher, head, None)
    }

    /// Begins with the first window of a file, and keeps what is refused.
    pub(crate) fn explaining(matcher: &'m Matcher, head: &Window<'_>) -> Self {
        Self::begin(matcher, head, Some(Vec::new()))
    }

    fn begin(matcher: &'m Matcher, head: &Window<'_>, mut refused: Option<Vec<Candidate>>) -> Self {
        let mut candidates = Vec::new();
        let mut memo = Memo::new(head);
        for signature in matcher.index.lookup(head.bytes) {
            let mut candidate = Candidate::new(matcher, signature);
            if candidate.start(&matcher.signatures[signature as usize], &mut memo) {
                candidates.push(candidate);
            } else if let Some(refused) = &mut refused {
                refused.push(candidate);
            }
        }
        Self {
            matcher,
            candidates,
            late: Vec::new(),
            refused,
        }
    }

    /// Keeps the candidates that `fits` says yes to.
    fn sift(&mut self, mut fits: impl FnMut(&mut Candidate) -> bool) {
        let out = self.candidates.extract_if(.., |candidate| !fits(candidate));
        match &mut self.refused {
            Some(refused) => refused.extend(out),
            None => out.for_each(drop),
        }
    }

    /// What was refused, if it was kept.
    pub(crate) fn take_refused(&mut self) -> Vec<Candidate> {
        self.refused.take().unwrap_or_default()
    }

    /// Checks what is bound to the end of the file, which `tail` holds.
    pub(crate) fn tail(&mut self, tail: &Window<'_>) {
        let signatures = &self.matcher.signatures;
        let mut memo = Memo::new(tail);
        self.sift(|candidate| candidate.end(&signatures[candidate.signature as usize], &mut memo));
        for signature in &self.matcher.tail_led {
            let mut candidate = Candidate::new(self.matcher, *signature);
            if candidate.end(&signatures[*signature as usize], &mut memo) {
                self.late.push(candidate);
            }
        }
    }

    /// Takes the signatures that began at the tail among the others, to be shown the file from its start.
    pub(crate) fn admit_late(&mut self) {
        self.candidates.append(&mut self.late);
        self.candidates.sort_by_key(|candidate| candidate.signature);
    }

    /// Whether what comes next in the file can change anything.
    pub(crate) fn is_looking(&self) -> bool {
        self.candidates.iter().any(Candidate::is_looking)
    }

    /// So many bytes of the last window have to be in the next one as well.
    pub(crate) fn context(&self) -> usize {
        let signatures = &self.matcher.signatures;
        let needs = self
            .candidates
            .iter()
            .map(|candidate| candidate.context(&signatures[candidate.signature as usize]));
        usize::try_from(needs.max().unwrap_or(0)).unwrap_or(usize::MAX)
    }

    /// Looks on in the next window, which overlaps the last one by the [`context`](Self::context).
    pub(crate) fn advance(&mut self, window: &Window<'_>) {
        let signatures = &self.matcher.signatures;
        self.drop_needless();
        let looking = self.looking();
        if looking.len() >= FEW {
            let from = looking
                .iter()
                .map(|task| task.next)
                .min()
                .unwrap_or(window.base);
            self.advance_in_blocks(window, from);
        }
        let mut memo = Memo::new(window);
        self.sift(|candidate| {
            candidate.advance(&signatures[candidate.signature as usize], &mut memo)
        });
    }

    /// As long as many sequences are looked for, one pass over each block tells which of them to look for there.
    fn advance_in_blocks(&mut self, window: &Window<'_>, from: u64) {
        let signatures = &self.matcher.signatures;
        let mut limit = window.bytes.len();
        let mut tasks: Vec<Task> = Vec::new();
        let mut needles = Needles::default();
        let mut longest = 0;
        let mut present: Vec<bool> = Vec::new();
        let mut at = window.index(from);
        while at < limit {
            if tasks.is_empty() {
                tasks = self.looking();
                if tasks.len() < FEW {
                    return;
                }
                if !window.is_last() {
                    // An anchor is left for the next window if what follows it may lie there.
                    let reach = tasks.iter().map(|task| self.chain(task).lookahead());
                    let reach = usize::try_from(reach.max().unwrap_or(0)).unwrap_or(usize::MAX);
                    limit = window.bytes.len().saturating_sub(reach);
                }
                let literals: Vec<_> = tasks
                    .iter()
                    .map(|task| self.chain(task).sub.anchor.literal())
                    .collect();
                let ends = literals
                    .iter()
                    .map(|(offset, literal)| offset + literal.len());
                longest = ends.max().unwrap_or(0);
                let literals: Vec<&[u8]> = literals.iter().map(|(_, literal)| *literal).collect();
                needles = Needles::new(&literals);
            }
            if at >= limit {
                return;
            }
            let end = (at + BLOCK).min(limit);
            let to = (end + longest).min(window.bytes.len());
            present.clear();
            present.resize(tasks.len(), false);
            needles.search(window.bytes, at, to, &mut present);
            let horizon = window.position(end);
            let mut memo = Memo::up_to(window, horizon);
            let mut changed = false;
            for (task, present) in tasks.iter().zip(&present) {
                let candidate = &mut self.candidates[task.candidate];
                let sequence = &signatures[candidate.signature as usize].sequences[task.sequence];
                if *present {
                    while candidate.step(sequence, task.sequence, &mut memo) {
                        changed = true;
                    }
                } else if let State::Looking(looking) = &mut candidate.states[task.sequence] {
                    looking.resume = looking.resume.max(horizon);
                }
            }
            let before = self.candidates.len();
            self.sift(|candidate| !candidate.is_lost());
            if changed || before != self.candidates.len() {
                self.drop_needless();
                tasks.clear();
            }
            at = end;
        }
    }

    /// Drops signatures that cannot change the answer: a hit has priority over their formats, and over every
    /// format that these have priority over.
    fn drop_needless(&mut self) {
        let Matcher {
            signatures,
            priorities,
            tail_led,
            ..
        } = self.matcher;
        let formats = |candidate: &Candidate| &signatures[candidate.signature as usize].formats;
        let late = tail_led
            .iter()
            .map(|signature| &signatures[*signature as usize].formats);
        let mut all = self.candidates.iter().map(formats).chain(late).flatten();
        if all.any(|format| priorities.containers.contains(format)) {
            return;
        }
        let complete = self
            .candidates
            .iter()
            .filter(|candidate| candidate.is_complete());
        let hits: Vec<u32> = complete.flat_map(formats).copied().collect();
        let lower: Vec<u32> = hits
            .iter()
            .flat_map(|hit| &priorities.over[*hit as usize])
            .copied()
            .collect();
        if hits.is_empty() {
            return;
        }
        self.candidates.retain(|candidate| {
            candidate.is_complete()
                || !formats(candidate).iter().all(|format| {
                    lower.contains(format)
                        && priorities.over[*format as usize]
                            .iter()
                            .all(|other| lower.contains(other))
                })
        });
    }

    fn chain(&self, task: &Task) -> &'m Chain {
        let signature =
            &self.matcher.signatures[self.candidates[task.candidate].signature as usize];
        &signature.sequences[task.sequence].chains[task.subsequence]
    }

    fn looking(&self) -> Vec<Task> {
        let mut tasks = Vec::new();
        for (at, candidate) in self.candidates.iter().enumerate() {
            for (sequence, state) in candidate.states.iter().enumerate() {
                if let State::Looking(looking) = state {
                    tasks.push(Task {
                        candidate: at,
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
    sequence: usize,
    subsequence: usize,
    next: u64,
}
