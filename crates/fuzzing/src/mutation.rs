//! What becomes of good input.

/// Numbers without a pattern that matters here (xorshift64).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// From a seed, which decides all of them.
    pub fn new(seed: u64) -> Self {
        // Of zero, nothing but zeros would follow.
        Self(seed | 1)
    }

    /// The next one.
    pub fn next_number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next one, below a limit.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next_number() % limit.max(1) as u64).unwrap_or_default()
    }
}

/// Numbers at which something may change its sign or overflow, in ASCII.
const NUMBERS: [&str; 8] = [
    "-1",
    "0",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "9223372036854775808",
    "1e999",
];

/// One of the seeds with up to eight changes; now and then nothing but noise.
pub(crate) fn mutated(
    seeds: &[Vec<u8>],
    words: &[&[u8]],
    most: usize,
    random: &mut Random,
) -> Vec<u8> {
    if seeds.is_empty() || random.below(32) == 0 {
        let length = random.below(most.min(300) + 1);
        return (0..length)
            .map(|_| random.next_number().to_le_bytes()[0])
            .collect();
    }
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        let to = (at + random.below(64)).min(bytes.len());
        match random.below(9) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next_number().to_le_bytes()[0],
            2 => drop(bytes.drain(at..to)),
            3 => bytes.truncate(at),
            4 => {
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            5 if !words.is_empty() => {
                let word = words[random.below(words.len())];
                bytes.splice(at..at, word.iter().copied());
            }
            6 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let end = (from + random.below(512)).min(other.len());
                bytes.splice(at..to, other[from..end].iter().copied());
            }
            7 => {
                let number = NUMBERS[random.below(NUMBERS.len())];
                bytes.splice(at..to.min(at + 3), number.bytes());
            }
            _ => {
                let digits = random.below(100_000).to_string();
                bytes.splice(at..to.min(at + digits.len()), digits.into_bytes());
            }
        }
    }
    bytes.truncate(most);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_inputs_and_they_differ() {
        let seeds = [b"some good input".to_vec(), b"{\"other\": 1}".to_vec()];
        let inputs = |seed| -> Vec<Vec<u8>> {
            let mut random = Random::new(seed);
            (0..200)
                .map(|_| mutated(&seeds, &[b"\"", b"{"], 100, &mut random))
                .collect()
        };
        assert_eq!(inputs(7), inputs(7));
        assert_ne!(inputs(7), inputs(9));
        let different: std::collections::HashSet<_> = inputs(7).into_iter().collect();
        assert!(different.len() > 150, "{}", different.len());
        assert!(different.iter().all(|input| input.len() <= 100));
    }
}
