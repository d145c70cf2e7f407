//! The fuzz targets on a stable compiler: what was found before, then mutations of good input for a while.
//!
//! `PRONOM_FUZZ_SECONDS` says for how long, `PRONOM_FUZZ_SEED` with which seed. An input that breaks something is
//! written to a file that the failure names: put it into `regressions/<target>/`.

#[path = "common/build.rs"]
mod build;
#[path = "common/targets.rs"]
mod targets;

use std::{
    fs,
    hash::{BuildHasher, RandomState},
    panic,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// How long each target is tried where nobody says otherwise.
const LONG: Duration = Duration::from_secs(2);
/// No input takes longer. An unoptimised build on a busy machine is far below it.
const LONGEST: Duration = Duration::from_secs(5);

/// Numbers without a pattern that matters here (xorshift64).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or_default()
    }
}

fn setting(name: &str) -> Option<u64> {
    let value = std::env::var_os(name)?;
    Some(value.to_str()?.parse().expect("a number"))
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    const MOST: usize = 200_000;
    const TELLING: [&[u8]; 8] = [
        b"{0-",
        b"*",
        b"[",
        b"'",
        b"\"",
        b"<",
        b"\xFF\xFF\xFF\xFF",
        b"PK\x01\x02",
    ];
    let mut bytes = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(8) {
        let at = random.below(bytes.len() + 1);
        let to = (at + random.below(64)).min(bytes.len());
        match random.below(8) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.next().to_le_bytes()[0],
            2 => drop(bytes.drain(at..to)),
            3 => bytes.truncate(at),
            4 => {
                let again = bytes[at..to].to_vec();
                bytes.splice(at..at, again);
            }
            5 => drop(bytes.splice(at..at, TELLING[random.below(TELLING.len())].iter().copied())),
            6 => {
                let other = &seeds[random.below(seeds.len())];
                let from = random.below(other.len() + 1);
                let end = (from + random.below(512)).min(other.len());
                bytes.splice(at..to, other[from..end].iter().copied());
            }
            _ => {
                let digits = random.below(100_000).to_string();
                bytes.splice(at..to.min(at + digits.len()), digits.into_bytes());
            }
        }
    }
    bytes.truncate(MOST);
    bytes
}

#[expect(clippy::print_stderr, reason = "the seed makes a failure repeatable")]
fn run(target: &str, seeds: &[Vec<u8>], look: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/regressions")
        .join(target);
    for path in files_below(&folder) {
        look(&fs::read(path).expect("readable"));
    }
    let seed =
        setting("PRONOM_FUZZ_SEED").unwrap_or_else(|| RandomState::new().hash_one(target)) | 1;
    let long = setting("PRONOM_FUZZ_SECONDS").map_or(LONG, Duration::from_secs);
    let mut random = Random(seed);
    let begin = Instant::now();
    let mut count = 0_u64;
    while begin.elapsed() < long {
        let bytes = mutated(seeds, &mut random);
        count += 1;
        let tried = Instant::now();
        let broken = panic::catch_unwind(|| look(&bytes)).is_err();
        let slow = tried.elapsed() > LONGEST;
        if broken || slow {
            let path = std::env::temp_dir().join(format!("pronom-{target}-{seed:x}-{count}"));
            fs::write(&path, &bytes).expect("writable");
            panic!(
                "{target}: {} with input {count} of PRONOM_FUZZ_SEED={seed}, kept as {}",
                if broken { "broken" } else { "slow" },
                path.display()
            );
        }
    }
    eprintln!("{target}: {count} inputs in {long:?}, PRONOM_FUZZ_SEED={seed}");
}

fn good_files() -> Vec<Vec<u8>> {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples");
    let mut seeds: Vec<Vec<u8>> = files_below(&samples)
        .iter()
        .map(|path| fs::read(path).expect("readable"))
        .collect();
    seeds.extend([
        Vec::new(),
        b"%PDF-1.4\n%%EOF".to_vec(),
        b"GIF89a\x01\0\x01\0\0\0\0;".to_vec(),
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec(),
        build::zip(b"mimetype", b"application/vnd.oasis.opendocument.text"),
        build::zip_with_flags(
            b"[Content_Types].xml",
            b"ContentType=\"application/vnd.ms-word",
            1,
        ),
        build::ole2("WordDocument", &[0; 5_000]),
    ]);
    seeds
}

#[test]
fn any_bytes_are_a_file() {
    run("file", &good_files(), targets::file);
}

#[test]
fn any_bytes_are_a_binary_signature_file_or_refused() {
    run("binary_xml", &[targets::BINARY.into()], targets::binary_xml);
}

#[test]
fn any_bytes_are_a_container_signature_file_or_refused() {
    run(
        "container_xml",
        &[targets::CONTAINER.into()],
        targets::container_xml,
    );
}

#[test]
fn any_bytes_are_compiled_signatures_or_refused() {
    let small = pronom::Signatures::from_xml(targets::BINARY, Some(targets::CONTAINER));
    assert!(small.is_ok(), "{small:?}");
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (binary, container) = (folder.path().join("b.xml"), folder.path().join("c.xml"));
    fs::write(&binary, targets::BINARY).expect("writable");
    fs::write(&container, targets::CONTAINER).expect("writable");
    let compiled = pronom::compile(&binary, Some(&container)).expect("understood");
    run("compiled", &[compiled], targets::compiled);
}
