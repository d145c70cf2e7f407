//! Dispatch by a literal that lies in a window from the start.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{Found, elements};
use crate::matcher::{chain::Chain, needles::Needles};

/// A literal longer than this says no more.
const PROBE: usize = 8;
/// How far the searches look; a literal that may lie further goes to the last.
const TIERS: [u64; 5] = [40, 600, 4500, 21_000, u64::MAX];

/// An automaton takes short literals as well, but looks at one byte after the other.
const AUTOMATON_LIMIT: usize = 600;

/// Literals that lie in about the same part of the file.
#[derive(Debug)]
pub(super) struct Tier {
    limit: usize,
    search: Search,
    /// For each literal the signatures that need it.
    probes: Vec<Vec<Probe>>,
}

#[derive(Debug)]
enum Search {
    /// One state for each byte; says where literals are.
    Automaton(AhoCorasick),
    /// Many bytes at once; says only that there are literals.
    Needles(Needles),
}

/// A literal that lies between `from` and `to`.
#[derive(Clone, Debug)]
pub(super) struct Probe {
    from: usize,
    to: usize,
    signature: u32,
}

impl Probe {
    pub(super) fn new(from: usize, to: usize, signature: u32) -> Self {
        Self {
            from,
            to,
            signature,
        }
    }
}

impl Tier {
    pub(super) fn reach(&self) -> usize {
        self.limit
    }

    pub(super) fn lookup(&self, head: &[u8], found: &mut Found) {
        let hay = &head[..head.len().min(self.limit)];
        match &self.search {
            Search::Automaton(automaton) => {
                for hit in automaton.find_overlapping_iter(hay) {
                    for probe in &self.probes[hit.pattern().as_usize()] {
                        if (probe.from..=probe.to).contains(&hit.start()) {
                            found.add(probe.signature);
                        }
                    }
                }
            }
            Search::Needles(needles) => {
                let mut present = vec![false; self.probes.len()];
                needles.search(hay, 0, hay.len(), &mut present);
                for (probes, _) in self
                    .probes
                    .iter()
                    .zip(present)
                    .filter(|(_, present)| *present)
                {
                    for probe in probes {
                        found.add(probe.signature);
                    }
                }
            }
        }
    }
}

/// A literal and the places where it can begin.
pub(super) struct Literal {
    pub(super) bytes: Vec<u8>,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// Literals of which one must be there, chosen to say as much as possible; none if there is none.
pub(super) fn literals(chain: &Chain) -> Vec<Literal> {
    let mut best: (usize, Vec<Literal>) = (0, Vec::new());
    let (mut low, mut high) = (chain.sub.min as usize, chain.sub.max as usize);
    for (gap, patterns) in elements(chain) {
        low += gap.0 as usize;
        high += gap.1 as usize;
        let lengths = patterns.iter().map(|pattern| pattern.literal().1.len());
        let length = lengths.min().unwrap_or(0).min(PROBE);
        let worth = length * 4 + usize::from(patterns.len() == 1);
        if length > 0 && worth > best.0 {
            let literals = patterns.iter().map(|pattern| {
                let (offset, literal) = pattern.literal();
                Literal {
                    bytes: literal[..literal.len().min(PROBE)].to_vec(),
                    from: low + offset,
                    to: high + offset,
                }
            });
            best = (worth, literals.collect());
        }
        let lengths = patterns.iter().map(|pattern| pattern.len());
        low += lengths.clone().min().unwrap_or(0);
        high += lengths.max().unwrap_or(0);
    }
    best.1
}

/// Sorts literals by how far they may lie from the start.
pub(super) fn group(probes: Vec<(Vec<u8>, Probe)>) -> Vec<Tier> {
    let mut sorted: Vec<Vec<(Vec<u8>, Probe)>> = vec![Vec::new(); TIERS.len()];
    for (bytes, probe) in probes {
        let reach = (probe.to + bytes.len()) as u64;
        let tier = TIERS
            .iter()
            .position(|limit| reach <= *limit)
            .unwrap_or(TIERS.len() - 1);
        sorted[tier].push((bytes, probe));
    }
    let mut tiers = Vec::new();
    for mut probes in sorted.into_iter().filter(|probes| !probes.is_empty()) {
        probes.sort_by(|(one, _), (other, _)| one.cmp(other));
        let limit = probes
            .iter()
            .map(|(bytes, probe)| probe.to + bytes.len())
            .max();
        let grouped: Vec<_> = probes
            .chunk_by(|(one, _), (other, _)| one == other)
            .collect();
        let literals: Vec<&[u8]> = grouped.iter().map(|same| same[0].0.as_slice()).collect();
        let limit = limit.unwrap_or(0);
        let search = if limit <= AUTOMATON_LIMIT {
            let built = AhoCorasick::builder()
                .kind(Some(AhoCorasickKind::DFA))
                .match_kind(MatchKind::Standard)
                .build(&literals);
            built.ok().map(Search::Automaton)
        } else {
            None
        };
        let probes = grouped
            .iter()
            .map(|same| same.iter().map(|(_, probe)| probe.clone()).collect());
        tiers.push(Tier {
            limit,
            search: search.unwrap_or_else(|| Search::Needles(Needles::new(&literals))),
            probes: probes.collect(),
        });
    }
    tiers
}
