//! What an archive should know of a file beside its format.

#[path = "common/build.rs"]
mod build;

use pronom::{Flags, Signatures};

fn flags(name: &str, bytes: &[u8]) -> Flags {
    Signatures::builtin().identify_bytes(name, bytes).flags
}

fn word(encrypted: bool) -> Vec<u8> {
    let mut fib = vec![0; 5000];
    fib[..2].copy_from_slice(b"\xEC\xA5");
    fib[11] = u8::from(encrypted);
    build::ole2("WordDocument", &fib)
}

fn workbook(record: u8) -> Vec<u8> {
    let mut records = b"\x09\x08\x04\0\0\x06\x05\0".to_vec();
    records.extend_from_slice(&[record, 0, 2, 0, 0, 0]);
    records.resize(5000, 0);
    build::ole2("Workbook", &records)
}

fn manifest(text: &str) -> Vec<u8> {
    build::zip(b"META-INF/manifest.xml", text.as_bytes())
}

#[test]
fn encryption_is_seen_where_the_format_says_so() {
    for (what, bytes, encrypted) in [
        (
            "a ZIP entry",
            build::zip_with_flags(b"a.txt", b"?", 1),
            true,
        ),
        ("a plain ZIP entry", build::zip(b"a.txt", b"?"), false),
        (
            "an Open Document",
            manifest("<manifest:encryption-data>"),
            true,
        ),
        (
            "a plain Open Document",
            manifest("<manifest:file-entry>"),
            false,
        ),
        (
            "OOXML in its envelope",
            build::ole2("EncryptedPackage", &[0; 5000]),
            true,
        ),
        ("Word", word(true), true),
        ("plain Word", word(false), false),
        ("Excel", workbook(0x2F), true),
        ("plain Excel", workbook(0x42), false),
        (
            "PDF",
            b"%PDF-1.4\ntrailer <</Encrypt 5 0 R>>\n%%EOF".to_vec(),
            true,
        ),
        (
            "plain PDF",
            b"%PDF-1.4\ntrailer <</Root 1 0 R>>\n%%EOF".to_vec(),
            false,
        ),
    ] {
        assert_eq!(flags("a", &bytes).encrypted, encrypted, "{what}");
    }
}

#[test]
fn emptiness_marks_archives_and_text_are_told() {
    let none = Flags::default();
    for (what, name, bytes, expected) in [
        (
            "nothing",
            "a.txt",
            b"".as_slice(),
            Flags {
                empty: true,
                ..none
            },
        ),
        (
            "a mark",
            "a.txt",
            b"\xEF\xBB\xBF",
            Flags {
                bom_only: true,
                ..none
            },
        ),
        (
            "another mark",
            "a.txt",
            b"\xFF\xFE",
            Flags {
                bom_only: true,
                ..none
            },
        ),
        (
            "text",
            "a.txt",
            b"\xEF\xBB\xBFa",
            Flags { text: true, ..none },
        ),
        ("bytes", "a.bin", b"\0\x01", none),
        (
            "an archive",
            "a.gz",
            b"\x1F\x8B\x08\0\0\0\0\0\0\x03",
            Flags {
                archive: true,
                ..none
            },
        ),
    ] {
        assert_eq!(flags(name, bytes), expected, "{what}");
    }
}

#[test]
fn an_empty_file_has_no_signature_but_its_extension() {
    let found = Signatures::builtin().identify_bytes("a.txt", b"");
    let puids: Vec<&str> = found
        .matches
        .iter()
        .map(|format| format.puid.as_str())
        .collect();
    assert_eq!(puids, ["x-fmt/111"]);
    assert!(!found.extension_mismatch);
}

#[test]
fn an_entry_that_unpacks_to_too_much_is_told_and_costs_little() {
    let folder = build::zip(b"[Content_Types].xml", &vec![b' '; 9 << 20]);
    let found = Signatures::builtin().identify_bytes("a.docx", &folder);
    assert_eq!(found.matches[0].puid, "x-fmt/263");
    assert!(
        found
            .container_error
            .is_some_and(|error| error.contains("[Content_Types].xml"))
    );
}

#[test]
fn a_damaged_container_keeps_its_binary_hits_and_says_why() {
    let mut bytes = build::zip(b"[Content_Types].xml", b"?");
    let offset_of_entry = bytes.len() - 22 - 19 - 4;
    bytes[offset_of_entry] = 1;
    let found = Signatures::builtin().identify_bytes("a.docx", &bytes);
    assert!(
        found
            .matches
            .iter()
            .all(|format| format.basis == pronom::Basis::Signature)
    );
    assert!(found.container_error.is_some());
}
