//! The answers are DROID's: every file of the shared corpora, against what DROID's API says with a full scan.

mod common;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use pronom::{Identification, Signatures};

/// Files whose answer is not DROID's, each with the reason.
const DIFFERENCES: &str = include_str!("differences.tsv");

#[derive(Default)]
struct Corpus {
    files: usize,
    equal: usize,
}

fn puids(found: &Identification) -> String {
    let puids: BTreeSet<&str> = found
        .matches
        .iter()
        .map(|format| format.puid.as_str())
        .collect();
    puids.into_iter().collect::<Vec<_>>().join(";")
}

fn streamed(signatures: &Signatures, name: &str, bytes: &[u8]) -> Identification {
    let mut stream = signatures.stream(name);
    for piece in bytes.chunks(10_007) {
        stream.feed(piece);
    }
    let mut random = bytes;
    without_reading(stream.finish(&mut random))
}

/// How much is read differs; the answer may not.
fn without_reading(mut found: Identification) -> Identification {
    found.bytes_read = 0;
    found
}

#[test]
#[expect(clippy::print_stderr, reason = "the table is the point")]
fn every_answer_is_droids_or_a_listed_difference_and_the_same_for_a_stream() {
    let Some(shared) = common::shared() else {
        return;
    };
    let Some(folder) = common::unpacked(&shared.join("identify/files.tar.gz")) else {
        return;
    };
    let signatures = common::newest(&shared);
    let listed: BTreeMap<&str, &str> = DIFFERENCES
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'))
        .collect();
    let expected = fs::read_to_string(shared.join("identify/expected.tsv")).expect("readable");
    let mut corpora: BTreeMap<&str, Corpus> = BTreeMap::new();
    let mut differ: BTreeMap<String, String> = BTreeMap::new();
    for line in expected.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        let (path, answer, mismatch) = (columns[0], columns[3], columns[5]);
        let found = signatures
            .identify_file(&folder.path().join(path))
            .expect("readable");
        let bytes = fs::read(folder.path().join(path)).expect("readable");
        assert_eq!(
            streamed(&signatures, path, &bytes),
            without_reading(found.clone()),
            "{path}"
        );
        let mut sorted: Vec<&str> = answer.split(';').collect();
        sorted.sort_unstable();
        let equal = puids(&found) == sorted.join(";")
            && (answer.is_empty() || found.extension_mismatch == (mismatch == "Y"));
        let corpus = corpora
            .entry(path.split('/').next().unwrap_or_default())
            .or_default();
        corpus.files += 1;
        corpus.equal += usize::from(equal);
        if !equal {
            let ours = format!("{} mismatch {}", puids(&found), found.extension_mismatch);
            differ.insert(
                path.to_owned(),
                format!("DROID {answer} {mismatch}, ours {ours}"),
            );
        }
    }
    eprintln!(
        "{:<28}{:>8}{:>8}{:>10}",
        "corpus", "files", "equal", "percent"
    );
    for (name, corpus) in &corpora {
        let hundredths = corpus.equal * 10_000 / corpus.files;
        let percent = format!("{}.{:02}", hundredths / 100, hundredths % 100);
        eprintln!(
            "{name:<28}{:>8}{:>8}{percent:>10}",
            corpus.files, corpus.equal
        );
        let least = if name.contains("skeletons") {
            9950
        } else {
            9900
        };
        assert!(hundredths >= least, "{name}: {percent} % equal");
    }
    let unlisted: Vec<_> = differ
        .iter()
        .filter(|(path, _)| !listed.contains_key(path.as_str()))
        .collect();
    assert!(unlisted.is_empty(), "not in differences.tsv: {unlisted:#?}");
    let gone: Vec<_> = listed
        .keys()
        .filter(|path| !differ.contains_key(**path))
        .collect();
    assert!(gone.is_empty(), "no difference any more: {gone:#?}");
}

#[test]
fn the_compiled_default_is_what_compiling_gives() {
    let Some(folder) = std::env::var_os("PRONOM_DEFAULT_XML").map(std::path::PathBuf::from) else {
        common::skip(
            "PRONOM_DEFAULT_XML does not name the folder of the XML of the PyPI package opf-fido 1.6.1",
        );
        return;
    };
    let compiled = pronom::compile(
        &folder.join("DROID_SignatureFile-v109.xml"),
        Some(&folder.join("container-signature-20200121.xml")),
    );
    let committed = include_bytes!("../data/builtin.bin");
    assert!(compiled.expect("the official files are understood") == committed);
}

#[test]
fn the_versions_are_those_of_the_files() {
    let builtin = Signatures::builtin();
    assert_eq!(
        (builtin.version(), builtin.container_version()),
        ("V109", "20200121")
    );
    assert_eq!(builtin.created(), "2022-11-01T11:18:43");
    assert_eq!(builtin.counts(), (1_963, 180));
    let Some(shared) = common::shared() else {
        return;
    };
    let newest = common::newest(&shared);
    assert_eq!(
        (newest.version(), newest.container_version()),
        ("V122", "20260119")
    );
    assert_eq!(newest.created(), "2026-01-19T10:53:18");
    assert_eq!(newest.counts(), (2_242, 310));
}
