//! A stream gets the same answer as the bytes at hand as a whole, however it is divided.

use pronom::{Identification, ReadAt, Signatures};
use proptest::prelude::*;

/// An object that is only to be had in order, or a range at a time.
fn streamed(name: &str, bytes: &[u8], sizes: &[usize]) -> Identification {
    let mut stream = Signatures::builtin().stream(name);
    let mut rest = bytes;
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (now, later) = rest.split_at((*size).clamp(1, rest.len()));
        stream.feed(now);
        rest = later;
    }
    let mut random = bytes;
    stream.finish(&mut random as &mut dyn ReadAt)
}

fn at_hand(name: &str, bytes: &[u8]) -> Identification {
    Signatures::builtin().identify_bytes(name, bytes)
}

fn same(name: &str, bytes: &[u8], sizes: &[usize]) {
    let mut one = at_hand(name, bytes);
    let mut other = streamed(name, bytes, sizes);
    (one.bytes_read, other.bytes_read) = (0, 0);
    assert_eq!(one, other, "{name}, {} bytes in {sizes:?}", bytes.len());
}

/// What files of many formats are made of.
const PARTS: [&[u8]; 24] = [
    b"%PDF-1.4\n",
    b"http://www.aiim.org/pdfa/ns/id/",
    b"pdfaid:part=\"1\" pdfaid:conformance='B'",
    b"%%EOF\n",
    b"RIFF\x10\0\0\0WAVE",
    b"fmt \x10\0\0\0\x01\0\x01\0",
    b"bext\x5a\x02\0\0",
    b"data\0\0\0\0",
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    b"iCCP",
    b"\0\0\0\0IEND\xaeB`\x82",
    b"II*\0\x08\0\0\0",
    b"PENTAX",
    b"\0\0\0\x18ftypqt  ",
    b"\0\0\0\x08moov",
    b"mdat",
    b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n  9\r\n$ACADVER\r\n  1\r\nAC1015\r\n",
    b"  0\r\nENDSEC\r\n  0\r\nEOF\r\n",
    b"PK\x03\x04\x14\0\0\0\0\0",
    b"PK\x01\x02",
    b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    b"\xff\xfb\x90\0",
    b"<?xml version=\"1.0\"?><html xmlns=\"http://www.w3.org/1999/xhtml\"><title></title>",
    b"GIF89a",
];

fn file() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        6 => prop::sample::select(PARTS.to_vec()).prop_map(<[u8]>::to_vec),
        2 => prop::collection::vec(any::<u8>(), 0..200),
        1 => (any::<u8>(), 0_usize..400_000).prop_map(|(byte, count)| vec![byte; count]),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_stream_gets_the_answer_of_the_whole(
        bytes in file(),
        sizes in prop::collection::vec(prop_oneof![1_usize..5_000, 1_usize..1_000_000], 1..4),
        extension in prop::sample::select(vec!["pdf", "wav", "dxf", "zip", ""]),
    ) {
        same(&format!("file.{extension}"), &bytes, &sizes);
    }
}

#[test]
fn a_late_find_and_a_far_tail_are_seen_in_a_stream() {
    for gap in [0, 100, 65_000, 300_000, 1_500_000] {
        let mut pdf = b"%PDF-1.4\n".to_vec();
        pdf.resize(gap + 10, b' ');
        pdf.extend_from_slice(b"xmlns:pdfaid=\"http://www.aiim.org/pdfa/ns/id/\" pdfaid:part=\"1\" pdfaid:conformance=\"B\"");
        pdf.resize(pdf.len() + gap, b' ');
        pdf.extend_from_slice(b"%%EOF\n");
        let found = at_hand("a.pdf", &pdf);
        assert_eq!(found.matches.len(), 1, "{:?}", found.matches);
        assert_eq!(found.matches[0].puid, "fmt/354");
        same("a.pdf", &pdf, &[7_001]);
        same("a.pdf", &pdf, &[1 << 20]);
    }
}

#[test]
fn what_only_the_tail_betrays_is_looked_for_again_from_the_start() {
    let mut dxf =
        b"  0\r\nSECTION\r\n  2\r\nHEADER\r\n  9\r\n$ACADVER\r\n  1\r\nAC1015\r\n".to_vec();
    dxf.resize(2_000_000, b' ');
    dxf.extend_from_slice(b"  0\r\nENDSEC\r\n  0\r\nEOF\r\n");
    assert_eq!(at_hand("a.dxf", &dxf).matches[0].puid, "fmt/78");
    same("a.dxf", &dxf, &[100_000]);
}

#[test]
fn a_stream_can_be_sent_to_another_thread() {
    fn sendable<T: Send>(_: &T) {}
    sendable(&Signatures::builtin().stream("a.pdf"));
}
