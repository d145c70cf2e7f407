//! A near miss is explained, and explaining changes no answer.

use pronom::Signatures;

#[test]
fn a_gif_without_its_trailer_says_what_is_missing() {
    let explained =
        Signatures::builtin().explain_bytes("a.gif", b"GIF89a\x01\0\x01\0\0\0\0.........");
    let gif = explained
        .near_misses
        .iter()
        .find(|near| near.puids == ["fmt/4"]);
    let gif = gif.map(ToString::to_string);
    assert_eq!(
        gif.as_deref(),
        Some("fmt/4: no 3B 0 to 4 bytes from the end (signature 17)")
    );
    assert!(explained.identification.matches.is_empty());
}

#[test]
fn what_is_missing_reads_as_text_where_it_is_text() {
    let explained = Signatures::builtin().explain_bytes("a.ai", b"%PDF-1.4 and no more\n%%EOF\n");
    let illustrator = explained
        .near_misses
        .iter()
        .find(|near| near.puids == ["fmt/558"]);
    let illustrator = illustrator.map(ToString::to_string);
    assert_eq!(
        illustrator.as_deref(),
        Some(
            "fmt/558: no '%AI5_FileFormat 5' with what belongs around it 0 to 32000 bytes from the start (signature 892)"
        )
    );
}

#[test]
fn a_lower_hit_names_what_outranks_it() {
    let pdf = b"%PDF-1.4\nxmlns:pdfaid=\"http://www.aiim.org/pdfa/ns/id/\" pdfaid:part=\"1\" \
        pdfaid:conformance=\"B\"\n%%EOF\n";
    let explained = Signatures::builtin().explain_bytes("a.pdf", pdf);
    assert_eq!(
        explained.identification,
        Signatures::builtin().identify_bytes("a.pdf", pdf)
    );
    let plain = explained
        .outranked
        .iter()
        .find(|lower| lower.puid == "fmt/18");
    assert_eq!(plain.and_then(|lower| lower.by.as_deref()), Some("fmt/354"));
}
