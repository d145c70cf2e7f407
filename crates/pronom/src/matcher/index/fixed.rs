//! Dispatch by bytes at a fixed offset from the start.

use super::{Found, elements};
use crate::{matcher::chain::Chain, pattern::Atom};

/// Bytes that are compared at once.
const KEY: usize = 8;

/// Signatures with known bytes at one offset.
#[derive(Debug)]
pub(super) struct Fixed {
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

impl Fixed {
    pub(super) fn reach(&self) -> usize {
        self.offset + KEY
    }

    pub(super) fn lookup(&self, head: &[u8], found: &mut Found) {
        let Some((place, first)) = head
            .get(self.offset..)
            .and_then(|place| Some((place, place.first()?)))
        else {
            return;
        };
        let (from, to) = self.buckets[usize::from(*first)];
        if from == to {
            return;
        }
        let (word, known) = load(place);
        for entry in &self.entries[from as usize..to as usize] {
            if word & entry.mask == entry.value && entry.mask & !known == 0 {
                found.add(entry.signature);
            }
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
pub(super) struct Key {
    first: Vec<u8>,
    mask: u64,
    value: u64,
}

impl Key {
    pub(super) fn weight(&self) -> u32 {
        self.mask.count_ones() * 8 + u32::from(self.first.len() == 1)
    }
}

/// Keys of which one must be there, if the sequence begins at a fixed offset.
pub(super) fn keys(chain: &Chain) -> Option<(usize, Vec<Key>)> {
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

/// Sorts keys by offset and first byte.
pub(super) fn group(mut fixed: Vec<(usize, Key, u32)>) -> Vec<Fixed> {
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
