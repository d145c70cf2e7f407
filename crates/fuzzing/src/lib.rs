//! Any bytes, for a while: what was found before, then mutations of good input.
//!
//! `MUNIMENT_TEST_FUZZ_SECONDS` says for how long each target is tried (2 where nobody says), and
//! `MUNIMENT_TEST_FUZZ_SEED` with which seed. An input that breaks something is written to a file that the
//! failure names: put it into the target's folder of regressions, where it is tried first in every run.
//!
//! Owns the mutations, the clock and what is said of a failure. Does not own what must hold of the bytes.
//!
//! Always: the same seed gives the same inputs; an input that takes long, and a run that makes the process
//! swell, are failures as a panic is.

mod mutation;

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

pub use mutation::Random;

/// How long each target is tried where nobody says otherwise.
const LONG: Duration = Duration::from_secs(2);
/// No input takes longer. An unoptimised build on a busy machine is far below it.
const LONGEST: Duration = Duration::from_secs(5);
/// The most that a run may add to the memory of the process.
const MOST_MEMORY: u64 = 256 << 20;
/// No input is longer than this, unless a target says otherwise.
const MOST_BYTES: usize = 200_000;

/// Something that meets strangers' bytes.
#[derive(Debug, Clone)]
pub struct Target<'a> {
    name: &'a str,
    seeds: &'a [Vec<u8>],
    words: &'a [&'a [u8]],
    regressions: PathBuf,
    most: usize,
}

impl<'a> Target<'a> {
    /// A target by its name, and good input to begin with. What broke it before lies in the folder of its name
    /// below `regressions`.
    pub fn new(name: &'a str, regressions: &Path, seeds: &'a [Vec<u8>]) -> Self {
        Self {
            name,
            seeds,
            words: &[],
            regressions: regressions.join(name),
            most: MOST_BYTES,
        }
    }

    /// What its grammar is made of, to be strewn in.
    #[must_use]
    pub fn with_words(mut self, words: &'a [&'a [u8]]) -> Self {
        self.words = words;
        self
    }

    /// No input is longer than this.
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// Tries what was found before, the seeds, and mutations of them until the time is over. Panics with the
    /// name of a file that holds the input, when `look` panics or takes long.
    pub fn run(&self, look: impl Fn(&[u8])) {
        for path in files_below(&self.regressions) {
            look(&fs::read(path).expect("a regression can be read"));
        }
        for seed in self.seeds {
            look(seed);
        }
        let name = self.name;
        let seed = setting("MUNIMENT_TEST_FUZZ_SEED")
            .unwrap_or_else(|| RandomState::new().hash_one(name))
            | 1;
        let long = setting("MUNIMENT_TEST_FUZZ_SECONDS").map_or(LONG, Duration::from_secs);
        let before = peak_memory();
        let mut random = Random::new(seed);
        let began = Instant::now();
        let mut count = 0_u64;
        while began.elapsed() < long {
            let bytes = mutation::mutated(self.seeds, self.words, self.most, &mut random);
            count += 1;
            let tried = Instant::now();
            let broken = panic::catch_unwind(AssertUnwindSafe(|| look(&bytes))).is_err();
            let slow = tried.elapsed() > LONGEST;
            let swollen = count.is_multiple_of(64)
                && before
                    .zip(peak_memory())
                    // The system counts roughly: later may be less.
                    .is_some_and(|(before, now)| now.saturating_sub(before) > MOST_MEMORY);
            if broken || slow || swollen {
                let path = std::env::temp_dir().join(format!("fuzz-{name}-{seed:x}-{count}"));
                fs::write(&path, &bytes).expect("the input can be kept");
                let how = match (broken, slow) {
                    (true, _) => "broken",
                    (_, true) => "slow",
                    _ => "swollen",
                };
                panic!(
                    "{name}: {how} with input {count} of MUNIMENT_TEST_FUZZ_SEED={seed}, kept as {}",
                    path.display()
                );
            }
        }
        eprintln!("{name}: {count} inputs in {long:?}, MUNIMENT_TEST_FUZZ_SEED={seed}");
    }
}

/// All files below a folder, which need not be there, in the order of their names.
pub fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.expect("a folder can be read").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var_os(name)?;
    Some(value.to_str()?.parse().expect("a number"))
}

/// The most memory that this process has had so far, where the system says so.
fn peak_memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kilobytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kilobytes << 10)
}
