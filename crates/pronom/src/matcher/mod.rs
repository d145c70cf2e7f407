//! Signatures arranged for speed.
//!
//! Owns which signatures can match at all (`index`), and whether one does (`chain`, `candidate`, `scan`). Does
//! not own what follows from a match (`decide`).

pub(crate) mod candidate;
pub(crate) mod chain;
mod index;
pub(crate) mod memo;
mod needles;
pub(crate) mod scan;
mod spread;
pub(crate) mod window;

use std::collections::HashMap;

use crate::model::{Reference, Signature, SubSequence};
use chain::Chain;
use index::Index;

/// A byte sequence, ready to be matched.
#[derive(Clone, Debug)]
pub(crate) struct Sequence {
    pub(crate) reference: Reference,
    pub(crate) chains: Vec<Chain>,
}

/// A signature, ready to be matched.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// The number that the signature file gives it.
    pub(crate) id: u32,
    pub(crate) sequences: Vec<Sequence>,
    /// Indexes of the formats that it identifies.
    pub(crate) formats: Vec<u32>,
}

impl Prepared {
    pub(crate) fn new(signature: &Signature, formats: Vec<u32>) -> Self {
        let sequences = signature.sequences.iter().map(|sequence| Sequence {
            reference: sequence.reference,
            chains: sequence
                .subsequences
                .iter()
                .cloned()
                .map(Chain::new)
                .collect(),
        });
        let mut sequences: Vec<_> = sequences.collect();
        // What refuses most for the least comes first.
        sequences.sort_by_key(|sequence| match sequence.reference {
            Reference::Start => (0, sequence.reach()),
            Reference::End => (1, sequence.reach()),
            Reference::Anywhere => (2, 0),
        });
        Self {
            id: signature.id,
            sequences,
            formats,
        }
    }

    /// Whether it says nothing of the start of the file, so that only the end can tell.
    fn is_tail_led(&self) -> bool {
        let says = |reference| {
            self.sequences
                .iter()
                .any(|sequence| sequence.reference == reference)
        };
        !says(Reference::Start) && says(Reference::End)
    }

    fn starts(&self) -> impl Iterator<Item = &Chain> {
        self.sequences
            .iter()
            .filter(|sequence| sequence.reference == Reference::Start)
            .filter_map(|sequence| sequence.chains.first())
    }
}

impl Sequence {
    /// How far from its end of the file the bounded part reaches.
    pub(crate) fn reach(&self) -> u64 {
        let first = match self.reference {
            Reference::Start => self.chains.first(),
            Reference::End => self.chains.last(),
            Reference::Anywhere => None,
        };
        first.map_or(0, |chain| u64::from(chain.sub.max) + chain.span())
    }
}

/// Gives equal subsequences the same number.
pub(crate) fn number_chains<'p>(signatures: impl IntoIterator<Item = &'p mut Prepared>) {
    let mut numbers: HashMap<SubSequence, u32> = HashMap::new();
    let sequences = signatures
        .into_iter()
        .flat_map(|signature| &mut signature.sequences);
    for chain in sequences.flat_map(|sequence| &mut sequence.chains) {
        let next = u32::try_from(numbers.len()).unwrap_or(u32::MAX);
        chain.id = *numbers.entry(chain.sub.clone()).or_insert(next);
    }
}

/// What tells that a signature cannot change the answer any more.
#[derive(Debug, Default)]
pub(crate) struct Priorities {
    /// For each format those that it has priority over.
    pub(crate) over: Vec<Vec<u32>>,
    /// Formats that are opened as containers. With one of them among the hits, priorities may not count.
    pub(crate) containers: Vec<u32>,
}

/// All binary signatures.
#[derive(Debug)]
pub(crate) struct Matcher {
    pub(crate) signatures: Vec<Prepared>,
    priorities: Priorities,
    /// Signatures that only the end of the file can tell.
    pub(crate) tail_led: Vec<u32>,
    index: Index,
    /// So much of the start tells which signatures are worth a look.
    pub(crate) head: usize,
    /// So much of the end decides every sequence that is bound to it.
    pub(crate) tail: usize,
}

impl Matcher {
    pub(crate) fn new(mut signatures: Vec<Prepared>, priorities: Priorities) -> Self {
        number_chains(&mut signatures);
        let sequences = signatures.iter().flat_map(|signature| &signature.sequences);
        let at_end = sequences.filter(|sequence| sequence.reference == Reference::End);
        let tail = at_end.map(Sequence::reach).max().unwrap_or(0);
        let index = Index::new(&signatures);
        let tail_led = (0_u32..)
            .zip(&signatures)
            .filter(|(_, signature)| signature.is_tail_led())
            .map(|(at, _)| at);
        Self {
            priorities,
            tail_led: tail_led.collect(),
            head: index.reach().max(MIN_WINDOW),
            index,
            tail: usize::try_from(tail).unwrap_or(usize::MAX).max(MIN_WINDOW),
            signatures,
        }
    }
}

/// The flags need this much of both ends, whatever the signatures ask for.
const MIN_WINDOW: usize = 4096;
