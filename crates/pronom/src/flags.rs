//! What an archive should know of a file beside its format.
//!
//! Owns the flags. Encryption inside of containers is found by `container`.

use crate::{
    container::Found, identification::Identification, matcher::window::Window, source::Source,
};

/// Formats that hold other files: archives, compressed files and images of discs.
#[rustfmt::skip]
const ARCHIVES: &[&str] = &[
    // ZIP, JAR, 7z, RAR, tar, gzip, bzip, bzip2, xz, compress
    "x-fmt/263", "x-fmt/412", "fmt/484", "x-fmt/264", "fmt/411", "fmt/613", "x-fmt/265", "x-fmt/266", "x-fmt/267",
    "x-fmt/268", "fmt/1098", "fmt/1671",
    // zoo, cabinet, shar, xar, arj, lha, cpio, ar, PEA, FreeArc, ZPAQ, MAR
    "x-fmt/269", "x-fmt/414", "fmt/329", "fmt/600", "fmt/610", "fmt/626", "fmt/1558", "fmt/635", "fmt/1835",
    "fmt/1095", "fmt/1096", "fmt/1097", "fmt/1483",
    // StuffIt, comic books
    "fmt/399", "fmt/639", "fmt/1459", "fmt/1460", "fmt/1462",
    // ARC and WARC
    "x-fmt/219", "fmt/410", "fmt/289", "fmt/1281", "fmt/1355",
    // ISO 9660, UDF and their hybrids, Apple disk images
    "fmt/468", "fmt/1738", "fmt/1739", "fmt/1740", "fmt/1741", "fmt/1757", "fmt/1071",
];
const MARKS: [&[u8]; 5] = [
    b"\xEF\xBB\xBF",
    b"\xFF\xFE\0\0",
    b"\0\0\xFE\xFF",
    b"\xFF\xFE",
    b"\xFE\xFF",
];
const TEXT_SAMPLE: usize = 4096;

/// Sets the flags of a file whose end `tail` holds.
pub(crate) fn set(
    identification: &mut Identification,
    tail: &Window<'_>,
    container: Option<&Found>,
    source: &mut Source<'_>,
) {
    let flags = &mut identification.flags;
    let size = source.size();
    let head = source.up_to(0, TEXT_SAMPLE).unwrap_or_default();
    flags.empty = size == 0;
    flags.bom_only = size <= 4 && MARKS.contains(&&*head);
    flags.text = !flags.bom_only && is_text(&head, size > TEXT_SAMPLE as u64);
    flags.archive = identification
        .matches
        .iter()
        .any(|format| ARCHIVES.contains(&format.puid.as_str()));
    flags.encrypted = container.is_some_and(|found| found.encrypted)
        || head.starts_with(b"%PDF-") && (names_encryption(&head) || names_encryption(tail.bytes));
}

/// Whether a PDF's trailer has an `/Encrypt` entry: the name, followed by a reference or a dictionary.
fn names_encryption(bytes: &[u8]) -> bool {
    const NAME: &[u8] = b"/Encrypt";
    memchr::memmem::find_iter(bytes, NAME).any(|at| {
        bytes
            .get(at + NAME.len())
            .is_some_and(|next| next.is_ascii_whitespace() || *next == b'<')
    })
}

/// Whether the first bytes read as text: UTF-8 or UTF-16 with a byte order mark, without control characters.
fn is_text(head: &[u8], cut: bool) -> bool {
    if head.is_empty() {
        return false;
    }
    let wide: fn([u8; 2]) -> u16 = match head {
        [0xFF, 0xFE, ..] => u16::from_le_bytes,
        [0xFE, 0xFF, ..] => u16::from_be_bytes,
        _ => {
            let valid = match std::str::from_utf8(head) {
                Ok(text) => text,
                // A character may be cut at the end of the sample.
                Err(error) if cut && error.error_len().is_none() => {
                    std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
                }
                Err(_) => return false,
            };
            return valid.chars().all(is_printable);
        }
    };
    let units = head[2..]
        .chunks_exact(2)
        .map(|unit| wide([unit[0], unit[1]]));
    char::decode_utf16(units).all(|unit| unit.map_or(cut, is_printable))
}

fn is_printable(character: char) -> bool {
    !character.is_control() || matches!(character, '\t' | '\n' | '\r' | '\u{c}' | '\u{85}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_utf_8_or_utf_16_without_control_characters() {
        for (bytes, text) in [
            (b"plain\r\n".as_slice(), true),
            ("naïve".as_bytes(), true),
            (b"\xFF\xFEa\0b\0", true),
            (b"\xFE\xFF\0a\0b", true),
            (b"nul\0", false),
            (b"latin\xE9", false),
            (b"", false),
        ] {
            assert_eq!(is_text(bytes, false), text, "{bytes:?}");
        }
    }

    #[test]
    fn a_pdf_is_encrypted_only_by_the_name_itself() {
        assert!(names_encryption(b"trailer << /Encrypt 5 0 R >>"));
        assert!(names_encryption(b"<</Encrypt<</V 1>>>>"));
        assert!(!names_encryption(b"<< /EncryptMetadata false >>"));
        assert!(!names_encryption(b"/Encrypt"));
    }
}
