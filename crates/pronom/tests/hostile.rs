//! Nothing that is fed makes the library panic, hang or swell.

#[path = "common/build.rs"]
mod build;
mod common;
#[path = "common/memory.rs"]
mod memory;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use pronom::{Basis, Signatures};
use proptest::prelude::*;

const LIMIT: Duration = Duration::from_millis(500);
const MOST_MEMORY: u64 = 100 << 20;

#[test]
fn hostile_files_get_droids_answer_in_time() {
    let Some(shared) = common::shared() else {
        return;
    };
    let Some(folder) = common::unpacked(&shared.join("identify/adversarial.tar.xz")) else {
        return;
    };
    let signatures = common::newest(&shared);
    let expected =
        fs::read_to_string(shared.join("identify/adversarial.expected.tsv")).expect("readable");
    for line in expected.lines().skip(1) {
        let columns: Vec<&str> = line.split('\t').collect();
        if columns[0] == "file" {
            continue;
        }
        let path = folder.path().join("adversarial").join(columns[0]);
        let begin = Instant::now();
        let found = signatures.identify_file(&path).expect("readable");
        let taken = begin.elapsed();
        assert!(taken < LIMIT, "{} took {taken:?}", columns[0]);
        let puids: Vec<&str> = found
            .matches
            .iter()
            .map(|format| format.puid.as_str())
            .collect();
        let by_extension = found
            .matches
            .iter()
            .all(|format| format.basis == Basis::Extension);
        match columns[1] {
            timeout if timeout.starts_with("TIMEOUT") => {}
            "(none)" => assert!(puids.is_empty(), "{}: {puids:?}", columns[0]),
            "6 ext-only ids" => assert!(
                by_extension && puids.len() == 6,
                "{}: {puids:?}",
                columns[0]
            ),
            answer => {
                let (puid, basis) = answer
                    .split_once("(ext)")
                    .map_or((answer, false), |(puid, _)| (puid, true));
                assert_eq!(puids, [puid], "{}", columns[0]);
                assert_eq!(by_extension, basis, "{}", columns[0]);
            }
        }
    }
    assert!(
        memory::peak().is_none_or(|peak| peak < MOST_MEMORY),
        "{:?}",
        memory::peak()
    );
}

/// Files that go as far into the library as a file can go.
fn seed() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        b"%PDF-1.4\n%%EOF".to_vec(),
        build::zip(
            b"[Content_Types].xml",
            b"ContentType=\"application/vnd.ms-word.document.macroEnabled.main+xml\"",
        ),
        build::zip(b"mimetype", b"application/vnd.oasis.opendocument.text"),
        build::ole2("WordDocument", &[0; 5000]),
        b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec(),
    ])
}

#[test]
fn the_seeds_reach_into_containers() {
    let signatures = Signatures::builtin();
    let word = signatures.identify_bytes(
        "a.docm",
        &build::zip(
            b"[Content_Types].xml",
            b"ContentType=\"application/vnd.ms-word.document.macroEnabled.main+xml\"",
        ),
    );
    assert_eq!(
        (word.matches[0].puid.as_str(), word.matches[0].basis),
        ("fmt/523", Basis::Container)
    );
    let old = signatures.identify_bytes("a.doc", &build::ole2("WordDocument", &[0; 5000]));
    assert_eq!(
        (old.matches[0].puid.as_str(), old.matches[0].basis),
        ("fmt/609", Basis::Container)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_can_be_a_file(bytes in prop::collection::vec(any::<u8>(), 0..5_000), name in ".{0,12}") {
        let _ = Signatures::builtin().identify_bytes(&name, &bytes);
    }

    #[test]
    fn damaged_files_can_be_a_file(
        mut bytes in seed(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
        cut in any::<prop::sample::Index>(),
    ) {
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let _ = Signatures::builtin().identify_bytes("a.doc", &bytes);
        bytes.truncate(cut.index(bytes.len()));
        let _ = Signatures::builtin().identify_bytes("a.doc", &bytes);
    }
}

const XML: &str = r#"<?xml version="1.0"?>
<FFSignatureFile Version="7" xmlns="http://www.nationalarchives.gov.uk/pronom/SignatureFile">
 <InternalSignatureCollection><InternalSignature ID="1">
  <ByteSequence Reference="BOFoffset"><SubSequence Position="1" SubSeqMinOffset="0" SubSeqMaxOffset="4">
   <Sequence>41[42:43]'D'(45|46){2-3}47*48</Sequence></SubSequence></ByteSequence>
  <ByteSequence Reference="EOFoffset"><SubSequence Position="1" SubSeqMinOffset="0" SubSeqMaxOffset="9">
   <Sequence>5A</Sequence><LeftFragment Position="1" MinOffset="0" MaxOffset="2">59</LeftFragment></SubSequence></ByteSequence>
 </InternalSignature></InternalSignatureCollection>
 <FileFormatCollection><FileFormat ID="1" Name="Test" PUID="t/1"><InternalSignatureID>1</InternalSignatureID></FileFormat></FileFormatCollection>
</FFSignatureFile>"#;

fn load(folder: &Path, text: &[u8]) -> Result<Signatures, pronom::LoadError> {
    let path = folder.join("signatures.xml");
    fs::write(&path, text).expect("writable");
    Signatures::load(&path, None)
}

#[test]
fn a_signature_file_of_our_own_identifies() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let signatures = load(folder.path(), XML.as_bytes()).expect("understood");
    assert_eq!(signatures.version(), "V7");
    let puid = |bytes: &[u8]| {
        let found = signatures.identify_bytes("x", bytes);
        found.matches.first().map(|format| format.puid.clone())
    };
    assert_eq!(puid(b"..ABDE12G...H...Y.Z").as_deref(), Some("t/1"));
    assert_eq!(puid(b"..ABDE1234G...H...Y.Z"), None);
    assert_eq!(puid(b"..ABDE12G...H...Y...Z"), None);
}

#[test]
fn an_error_names_the_file_and_the_line() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (wrong, problem) in [
        (XML.replace("41[42", "4X[42"), "signatures.xml:5: \"4X\""),
        (
            XML.replace("BOFoffset", "IndirectBOFoffset"),
            "signatures.xml:4: Reference=",
        ),
        (
            XML.replace("SubSeqMaxOffset=\"9\"", "SubSeqMaxOffset=\"far\""),
            "signatures.xml:6: SubSeqMaxOffset",
        ),
        (XML.replace("</InternalSignature>", ""), "signatures.xml:8:"),
        ("<html/>".to_owned(), "signatures.xml:1: <html>"),
        (String::new(), "signatures.xml:1:"),
    ] {
        let error = load(folder.path(), wrong.as_bytes())
            .expect_err("wrong")
            .to_string();
        assert!(error.contains(problem), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_signature_file_is_read_or_refused(
        at in any::<prop::sample::Index>(),
        with in prop_oneof!["[-<>&\"'{}()*|0-9A-Fa-f!:\\[\\] ]{0,6}", ".{0,3}"],
        remove in 0_usize..12,
    ) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let at = at.index(XML.len());
        let text = [&XML.as_bytes()[..at], with.as_bytes(), &XML.as_bytes()[(at + remove).min(XML.len())..]].concat();
        if let Ok(signatures) = load(folder.path(), &text) {
            let _ = signatures.identify_bytes("x", b"..ABDE12G...H...Y.Z");
        }
    }
}

#[test]
fn a_signature_that_would_need_a_boundless_window_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let gaps = "41{0-1000000}".repeat(6);
    let wide = XML.replace("41[42", &format!("{gaps}41[42"));
    let error = load(folder.path(), wide.as_bytes()).expect_err("too wide");
    assert!(error.to_string().contains("more than"), "{error}");
    let deep = XML.replace("41[42:43]", &"[".repeat(100_000));
    load(folder.path(), deep.as_bytes()).expect_err("too deep");
}
