//! Short runs of bytes to look for: exact bytes, and places where any byte of a set will do.
//!
//! Owns comparing and searching one pattern. Does not own how patterns hang together (`chain`).

use std::fmt;

use memchr::{memchr, memmem, memrchr};

/// A set of byte values.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct ByteSet(pub(crate) [u64; 4]);

impl ByteSet {
    pub(crate) fn insert(&mut self, byte: u8) {
        self.0[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }

    pub(crate) fn contains(&self, byte: u8) -> bool {
        self.0[usize::from(byte >> 6)] >> (byte & 63) & 1 == 1
    }

    pub(crate) fn inverted(self) -> Self {
        Self(self.0.map(|word| !word))
    }

    pub(crate) fn union(self, other: Self) -> Self {
        let mut words = self.0;
        for (word, more) in words.iter_mut().zip(other.0) {
            *word |= more;
        }
        Self(words)
    }

    /// The only byte of the set, if there is exactly one.
    pub(crate) fn single(&self) -> Option<u8> {
        let mut bytes = (0..=u8::MAX).filter(|byte| self.contains(*byte));
        let first = bytes.next()?;
        bytes.next().is_none().then_some(first)
    }
}

/// One place of a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Atom {
    Byte(u8),
    Set(ByteSet),
}

/// A run of bytes of fixed length.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Pattern {
    /// The exact bytes; zero where a set stands.
    bytes: Box<[u8]>,
    /// Where a set stands, in ascending order.
    sets: Box<[(u16, ByteSet)]>,
    /// Where the longest run of exact bytes begins and ends.
    literal: (u16, u16),
}

impl Pattern {
    /// `None` if there are more places than any signature has.
    pub(crate) fn new(atoms: &[Atom]) -> Option<Self> {
        if atoms.len() > usize::from(u16::MAX) {
            return None;
        }
        let mut bytes = Vec::with_capacity(atoms.len());
        let mut sets = Vec::new();
        let mut literal = (0, 0);
        let mut run = 0;
        for (at, atom) in (0_u16..).zip(atoms) {
            let (byte, set) = match atom {
                Atom::Byte(byte) => (Some(*byte), None),
                Atom::Set(set) => (set.single(), Some(*set)),
            };
            bytes.push(byte.unwrap_or_default());
            if let (None, Some(set)) = (byte, set) {
                sets.push((at, set));
                run = at + 1;
                continue;
            }
            if at + 1 - run > literal.1 - literal.0 {
                literal = (run, at + 1);
            }
        }
        Some(Self {
            bytes: bytes.into(),
            sets: sets.into(),
            literal,
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn atoms(&self) -> impl Iterator<Item = Atom> + '_ {
        let mut sets = self.sets.iter().peekable();
        (0_u16..).zip(&self.bytes).map(move |(at, byte)| {
            sets.next_if(|(place, _)| *place == at)
                .map_or(Atom::Byte(*byte), |(_, set)| Atom::Set(*set))
        })
    }

    /// The longest run of exact bytes and where in the pattern it begins.
    pub(crate) fn literal(&self) -> (usize, &[u8]) {
        let (start, end) = (usize::from(self.literal.0), usize::from(self.literal.1));
        (start, self.bytes.get(start..end).unwrap_or_default())
    }

    /// Does `hay` have the pattern at `at`?
    pub(crate) fn matches_at(&self, hay: &[u8], at: usize) -> bool {
        let Some(place) = at
            .checked_add(self.bytes.len())
            .and_then(|end| hay.get(at..end))
        else {
            return false;
        };
        if self.sets.is_empty() {
            return place == &*self.bytes;
        }
        let mut from = 0;
        for (set_at, set) in &self.sets {
            let set_at = usize::from(*set_at);
            if place[from..set_at] != self.bytes[from..set_at] || !set.contains(place[set_at]) {
                return false;
            }
            from = set_at + 1;
        }
        place[from..] == self.bytes[from..]
    }

    /// A search for the pattern, worth making once for many places.
    pub(crate) fn searcher(&self) -> Searcher<'_> {
        let literal = self.literal().1;
        let finder = (literal.len() > 1).then(|| memmem::Finder::new(literal));
        Searcher {
            pattern: self,
            finder,
        }
    }

    /// A search for the literal in the pattern, to be kept with it.
    pub(crate) fn owned_finder(&self) -> Option<memmem::Finder<'static>> {
        self.searcher().finder.map(memmem::Finder::into_owned)
    }

    /// The first place where the pattern begins, from `from` up to and including `last`.
    pub(crate) fn find(&self, hay: &[u8], from: usize, last: usize) -> Option<usize> {
        let last = last.min(hay.len().checked_sub(self.len())?);
        if from > last {
            return None;
        }
        if last - from < FEW_PLACES {
            return (from..=last).find(|at| self.matches_at(hay, *at));
        }
        self.searcher().find(hay, from, last)
    }

    /// As [`find`](Self::find), with the pattern's own finder.
    pub(crate) fn find_with(
        &self,
        finder: Option<&memmem::Finder<'_>>,
        hay: &[u8],
        from: usize,
        last: usize,
    ) -> Option<usize> {
        let last = last.min(hay.len().checked_sub(self.len())?);
        if from > last {
            return None;
        }
        let (offset, literal) = self.literal();
        if literal.is_empty() || last - from < FEW_PLACES {
            return (from..=last).find(|at| self.matches_at(hay, *at));
        }
        let mut at = from + offset;
        let end = last + offset + literal.len();
        while at < end {
            let region = &hay[at..end];
            let found = match finder {
                Some(finder) => finder.find(region)?,
                None => memchr(literal[0], region)?,
            };
            let start = at + found - offset;
            if self.matches_at(hay, start) {
                return Some(start);
            }
            at += found + 1;
        }
        None
    }

    /// The last place where the pattern begins, from `last` down to and including `from`.
    pub(crate) fn rfind(&self, hay: &[u8], from: usize, last: usize) -> Option<usize> {
        let last = last.min(hay.len().checked_sub(self.len())?);
        if from > last {
            return None;
        }
        let (offset, literal) = self.literal();
        if literal.is_empty() || last - from < FEW_PLACES {
            return (from..=last).rev().find(|at| self.matches_at(hay, *at));
        }
        let start = from + offset;
        let mut end = last + offset + literal.len();
        let finder = (literal.len() > 1).then(|| memmem::FinderRev::new(literal));
        while end > start {
            let region = &hay[start..end];
            let found = match &finder {
                Some(finder) => finder.rfind(region)?,
                None => memrchr(literal[0], region)?,
            };
            let begin = start + found - offset;
            if self.sets.is_empty() || self.matches_at(hay, begin) {
                return Some(begin);
            }
            end = start + found + literal.len() - 1;
        }
        None
    }
}

/// As hex digits, ranges in brackets, and text in quotes where it reads as text.
impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let atoms: Vec<Atom> = self.atoms().collect();
        let mut rest = atoms.as_slice();
        while let Some((atom, after)) = rest.split_first() {
            let text: String = rest.iter().map_while(readable).collect();
            if text.len() >= SHORTEST_TEXT {
                let (before, behind) = (rest.len() < atoms.len(), rest.len() > text.len());
                let space = |there| if there { " " } else { "" };
                write!(f, "{}'{text}'{}", space(before), space(behind))?;
                rest = &rest[text.len()..];
                continue;
            }
            match atom {
                Atom::Byte(byte) => write!(f, "{byte:02X}")?,
                Atom::Set(set) => {
                    let mut ends = (0..=u8::MAX).filter(|byte| set.contains(*byte));
                    let first = ends.next().unwrap_or_default();
                    let last = ends.next_back().unwrap_or(first);
                    write!(f, "[{first:02X}:{last:02X}]")?;
                }
            }
            rest = after;
        }
        Ok(())
    }
}

/// Fewer readable bytes in a row are no text.
const SHORTEST_TEXT: usize = 3;

fn readable(atom: &Atom) -> Option<char> {
    match atom {
        Atom::Byte(byte) if (b' '..=b'~').contains(byte) && *byte != b'\'' => {
            Some(char::from(*byte))
        }
        _ => None,
    }
}

/// So few places are quicker compared one by one.
const FEW_PLACES: usize = 8;

/// A search for a pattern.
pub(crate) struct Searcher<'p> {
    pattern: &'p Pattern,
    finder: Option<memmem::Finder<'p>>,
}

impl Searcher<'_> {
    /// The first place where the pattern begins, from `from` up to and including `last`.
    pub(crate) fn find(&self, hay: &[u8], from: usize, last: usize) -> Option<usize> {
        self.pattern
            .find_with(self.finder.as_ref(), hay, from, last)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn atom() -> impl Strategy<Value = Atom> {
        let mut ab = ByteSet::default();
        ab.insert(b'a');
        ab.insert(b'b');
        prop_oneof![
            3 => prop::sample::select(b"abc".to_vec()).prop_map(Atom::Byte),
            1 => Just(Atom::Set(ab)),
        ]
    }

    #[test]
    fn a_pattern_is_shown_as_text_where_it_is_text() {
        let mut ab = ByteSet::default();
        ab.insert(b'a');
        ab.insert(b'b');
        let bytes = |text: &[u8]| text.iter().copied().map(Atom::Byte).collect::<Vec<_>>();
        let mixed = [
            bytes(b"\0\x01RIFF"),
            vec![Atom::Set(ab)],
            bytes(b"WAVE\xFF"),
        ]
        .concat();
        for (atoms, shown) in [
            (bytes(b";"), "3B"),
            (bytes(b"AIPrivateData"), "'AIPrivateData'"),
            (mixed, "0001 'RIFF' [61:62] 'WAVE' FF"),
        ] {
            assert_eq!(Pattern::new(&atoms).unwrap().to_string(), shown);
        }
    }

    proptest! {
        #[test]
        fn searching_finds_the_first_and_last_place_that_matches(
            atoms in prop::collection::vec(atom(), 1..6),
            hay in "[abc]{0,60}",
            from in 0_usize..20,
            last in 0_usize..70,
        ) {
            let pattern = Pattern::new(&atoms).unwrap();
            let hay = hay.as_bytes();
            let places: Vec<usize> = (from..=last).filter(|at| pattern.matches_at(hay, *at)).collect();
            prop_assert_eq!(pattern.find(hay, from, last), places.first().copied());
            prop_assert_eq!(pattern.rfind(hay, from, last), places.last().copied());
            prop_assert_eq!(pattern.searcher().find(hay, from, last), places.first().copied());
        }

        #[test]
        fn a_pattern_is_made_of_the_atoms_it_was_made_from(atoms in prop::collection::vec(atom(), 0..12)) {
            prop_assert_eq!(Pattern::new(&atoms).unwrap().atoms().collect::<Vec<_>>(), atoms);
        }
    }
}
