//! Which signatures are worth a look, from the first bytes of a file.
//!
//! Owns the dispatch: by bytes at fixed offsets where a signature has them, else by one literal that must lie in
//! a window from the start. Does not own the verdict: everything returned here is still to be checked.
//!
//! Always: a signature that matches is among the returned ones.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::{Prepared, chain::Chain, needles::Needles};
use crate::{
    model::{Alternatives, Fragment},
    pattern::{Atom, Pattern},
};

/// Bytes that are compared at once.
const KEY: usize = 8;
/// A literal longer than this says no more.
const PROBE: usize = 8;
/// How far the searches look; a literal that may lie further goes to the last.
const TIERS: [u64; 5] = [40, 600, 4500, 21_000, u64::MAX];

/// An automaton takes short literals as well, but looks at one byte after the other.
const AUTOMATON_LIMIT: usize = 600;

#[derive(Debug)]
pub(super) struct Index {
    fixed: Vec<Fixed>,
    tiers: Vec<Tier>,
    /// Signatures that neither way can dispatch.
    always: Vec<u32>,
    signatures: usize,
}

/// Signatures with known bytes at one offset.
#[derive(Debug)]
struct Fixed {
    offset: usize,
    /// Where in `entries` those that begin with a byte are.
    buckets: Vec<(u32, u32)>,
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    mask: u64,
    value: u64,
    signature: u32,
}

/// Literals that lie in about the same part of the file.
#[derive(Debug)]
struct Tier {
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
struct Probe {
    from: usize,
    to: usize,
    signature: u32,
}

impl Index {
    pub(super) fn new(signatures: &[Prepared]) -> Self {
        let mut fixed: Vec<(usize, Key, u32)> = Vec::new();
        let mut probes: Vec<(Vec<u8>, Probe)> = Vec::new();
        let mut always = Vec::new();
        for (at, signature) in (0_u32..).zip(signatures) {
            let best = signature.starts().filter_map(keys).max_by_key(|(_, keys)| {
                let weights = keys.iter().map(Key::weight);
                weights.min().unwrap_or(0)
            });
            if let Some((offset, keys)) = best {
                fixed.extend(keys.into_iter().map(|key| (offset, key, at)));
                continue;
            }
            let windowed = signature.starts().min_by_key(|chain| chain.sub.max);
            match windowed.map(literals) {
                // What may lie anywhere is always worth a look; what lies at the end is looked for there.
                None if signature.is_tail_led() => {}
                None => always.push(at),
                Some(literals) if literals.is_empty() => always.push(at),
                Some(literals) => probes.extend(literals.into_iter().map(|literal| {
                    let (from, to) = (literal.from, literal.to);
                    let signature = at;
                    (
                        literal.bytes,
                        Probe {
                            from,
                            to,
                            signature,
                        },
                    )
                })),
            }
        }
        let tiers = tiers(probes, &mut always);
        Self {
            fixed: group(fixed),
            tiers,
            always,
            signatures: signatures.len(),
        }
    }

    /// So many bytes of a file are enough for [`lookup`](Self::lookup).
    pub(super) fn reach(&self) -> usize {
        let fixed = self.fixed.iter().map(|group| group.offset + KEY);
        let tiers = self.tiers.iter().map(|tier| tier.limit);
        fixed.chain(tiers).max().unwrap_or(0)
    }

    /// Signatures that may match a file that begins with `head`; each once, in order.
    pub(super) fn lookup(&self, head: &[u8]) -> Vec<u32> {
        let mut found = Found {
            seen: vec![0; self.signatures.div_ceil(64)],
            list: self.always.clone(),
        };
        for group in &self.fixed {
            let Some(place) = head.get(group.offset..).filter(|place| !place.is_empty()) else {
                continue;
            };
            let (from, to) = group.buckets[usize::from(place[0])];
            if from == to {
                continue;
            }
            let (word, known) = load(place);
            for entry in &group.entries[from as usize..to as usize] {
                if word & entry.mask == entry.value && entry.mask & !known == 0 {
                    found.add(entry.signature);
                }
            }
        }
        for tier in &self.tiers {
            tier.lookup(&head[..head.len().min(tier.limit)], &mut found);
        }
        found.list.sort_unstable();
        found.list
    }
}

impl Tier {
    fn lookup(&self, hay: &[u8], found: &mut Found) {
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

struct Found {
    seen: Vec<u64>,
    list: Vec<u32>,
}

impl Found {
    fn add(&mut self, signature: u32) {
        let (word, bit) = (signature as usize / 64, 1_u64 << (signature % 64));
        if self.seen[word] & bit == 0 {
            self.seen[word] |= bit;
            self.list.push(signature);
        }
    }
}

/// The first bytes of `place` as a number, and a mask of those that are there.
fn load(place: &[u8]) -> (u64, u64) {
    if let Some(bytes) = place.first_chunk::<KEY>() {
        return (u64::from_le_bytes(*bytes), u64::MAX);
    }
    let mut bytes = [0; KEY];
    let mut known = [0; KEY];
    for (at, byte) in place.iter().enumerate() {
        bytes[at] = *byte;
        known[at] = 0xFF;
    }
    (u64::from_le_bytes(bytes), u64::from_le_bytes(known))
}

/// What stands at a fixed offset: known bytes, and for the first one all that are possible.
#[derive(Debug)]
struct Key {
    first: Vec<u8>,
    mask: u64,
    value: u64,
}

impl Key {
    fn weight(&self) -> u32 {
        self.mask.count_ones() * 8 + u32::from(self.first.len() == 1)
    }
}

/// Keys of which one must be there, if the sequence begins at a fixed offset.
fn keys(chain: &Chain) -> Option<(usize, Vec<Key>)> {
    if chain.sub.min != chain.sub.max {
        return None;
    }
    let mut keys = Vec::new();
    let elements = elements(chain);
    let (_, lead) = elements.first()?;
    for pattern in lead {
        let mut atoms: Vec<Option<Atom>> = pattern.atoms().map(Some).collect();
        for (gap, patterns) in &elements[1..] {
            if let ([next], true) = (patterns.as_slice(), gap.0 == gap.1 && atoms.len() < KEY) {
                atoms.extend(std::iter::repeat_n(None, (gap.0 as usize).min(KEY)));
                atoms.extend(next.atoms().map(Some));
            } else {
                break;
            }
        }
        let (mut mask, mut value) = ([0; KEY], [0; KEY]);
        for (at, atom) in atoms.iter().take(KEY).enumerate() {
            if let Some(Atom::Byte(byte)) = atom {
                mask[at] = 0xFF;
                value[at] = *byte;
            }
        }
        let first = match atoms.first()? {
            Some(Atom::Byte(byte)) => vec![*byte],
            Some(Atom::Set(set)) => (0..=u8::MAX).filter(|byte| set.contains(*byte)).collect(),
            None => (0..=u8::MAX).collect(),
        };
        keys.push(Key {
            first,
            mask: u64::from_le_bytes(mask),
            value: u64::from_le_bytes(value),
        });
    }
    Some((chain.sub.min as usize, keys))
}

/// The patterns from left to right, each with the gap before it.
fn elements(chain: &Chain) -> Vec<((u32, u32), Vec<&Pattern>)> {
    fn gap(level: &Alternatives) -> (u32, u32) {
        let min = level.iter().map(|fragment| fragment.min).min();
        let max = level.iter().map(|fragment| fragment.max).max();
        (min.unwrap_or(0), max.unwrap_or(0))
    }
    fn patterns(level: &Alternatives) -> Vec<&Pattern> {
        level
            .iter()
            .map(|fragment: &Fragment| &fragment.pattern)
            .collect()
    }
    let mut elements = Vec::new();
    let mut before = (0, 0);
    for level in chain.sub.left.iter().rev() {
        elements.push((before, patterns(level)));
        before = gap(level);
    }
    elements.push((before, vec![&chain.sub.anchor]));
    for level in &chain.sub.right {
        elements.push((gap(level), patterns(level)));
    }
    elements
}

struct Literal {
    bytes: Vec<u8>,
    from: usize,
    to: usize,
}

/// Literals of which one must be there, chosen to say as much as possible; none if there is none.
fn literals(chain: &Chain) -> Vec<Literal> {
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

fn group(mut fixed: Vec<(usize, Key, u32)>) -> Vec<Fixed> {
    fixed.sort_by_key(|(offset, _, signature)| (*offset, *signature));
    fixed
        .chunk_by(|(one, ..), (other, ..)| one == other)
        .map(|same| {
            let mut buckets = Vec::with_capacity(256);
            let mut entries: Vec<Entry> = Vec::new();
            for byte in 0..=u8::MAX {
                let from = entries.len();
                let here = same.iter().filter(|(_, key, _)| key.first.contains(&byte));
                entries.extend(here.map(|(_, key, signature)| Entry {
                    mask: key.mask,
                    value: key.value,
                    signature: *signature,
                }));
                buckets.push((small(from), small(entries.len())));
            }
            Fixed {
                offset: same[0].0,
                buckets,
                entries,
            }
        })
        .collect()
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn tiers(probes: Vec<(Vec<u8>, Probe)>, always: &mut Vec<u32>) -> Vec<Tier> {
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
    always.sort_unstable();
    always.dedup();
    tiers
}
