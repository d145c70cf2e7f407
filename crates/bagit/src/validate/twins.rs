//! Names that some file system takes for the same (RFC 8493 §6.1.1).

use std::hash::{DefaultHasher, Hash, Hasher};

use unicode_normalization::UnicodeNormalization;

use crate::{Code, names::twin_key};

/// Finds names by what their twins have in common. Holds one number a name, not the names again.
#[derive(Debug)]
pub(super) struct Twins {
    /// The hash of each name's key and the name's position, sorted.
    keys: Vec<(u64, usize)>,
}

impl Twins {
    pub(super) fn new(names: &[&str]) -> Self {
        let mut keys: Vec<(u64, usize)> = names
            .iter()
            .enumerate()
            .map(|(position, name)| (hash(&twin_key(name)), position))
            .collect();
        keys.sort_unstable();
        Self { keys }
    }

    /// The positions of the names that are twins of `path`.
    pub(super) fn of<'a>(
        &'a self,
        path: &str,
        names: &'a [&str],
    ) -> impl Iterator<Item = usize> + 'a {
        let key = twin_key(path);
        let wanted = hash(&key);
        let start = self.keys.partition_point(|&(hash, _)| hash < wanted);
        self.keys[start..]
            .iter()
            .take_while(move |&&(hash, _)| hash == wanted)
            .map(|&(_, position)| position)
            .filter(move |&position| twin_key(names[position]) == key)
    }

    /// Names that are twins of each other: each but the first of a group, with the one before it.
    pub(super) fn pairs<'a>(
        &'a self,
        names: &'a [&'a str],
    ) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.keys.windows(2).filter_map(|pair| {
            let [(first_hash, first), (second_hash, second)] = pair else {
                return None;
            };
            let (first, second) = (names[*first], names[*second]);
            let twins = first_hash == second_hash && twin_key(first) == twin_key(second);
            twins.then_some((first, second))
        })
    }
}

fn hash(key: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// In what two twins differ.
pub(super) fn difference(one: &str, other: &str) -> (Code, &'static str) {
    if one.nfc().eq(other.nfc()) {
        (Code::TwinNormalization, "Unicode normalisation")
    } else {
        (Code::TwinCase, "case")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twins_are_found_by_case_and_normalisation() {
        let names = [
            "data/A",
            "data/N\u{fa}",
            "data/Nu\u{301}",
            "data/a",
            "data/b",
        ];
        let twins = Twins::new(&names);
        let mut found: Vec<usize> = twins.of("data/nu\u{301}", &names).collect();
        found.sort_unstable();
        assert_eq!(found, [1, 2]);
        assert_eq!(twins.of("data/c", &names).count(), 0);
        let mut pairs: Vec<_> = twins.pairs(&names).collect();
        pairs.sort_unstable();
        assert_eq!(
            pairs,
            [("data/A", "data/a"), ("data/N\u{fa}", "data/Nu\u{301}")]
        );
        assert_eq!(difference(names[0], names[3]).0, Code::TwinCase);
        assert_eq!(difference(names[1], names[2]).0, Code::TwinNormalization);
    }
}
