//! Tag files as text: the three encodings that bags come in, and lines (RFC 8493 §2.3).

/// The encodings that are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Latin1,
    Utf16,
    Utf16Le,
    Utf16Be,
}

/// A tag file's text.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    pub(super) text: String,
    /// Whether it began with a byte-order mark.
    pub(super) mark: bool,
    /// Whether every byte was of the encoding; otherwise the text has replacement characters.
    pub(super) clean: bool,
}

impl Encoding {
    pub(super) fn from_label(label: &str) -> Option<Self> {
        let label = label.to_ascii_uppercase().replace('_', "-");
        Some(match label.as_str() {
            "UTF-8" | "UTF8" | "US-ASCII" | "ASCII" => Self::Utf8,
            "ISO-8859-1" | "ISO8859-1" | "LATIN1" | "LATIN-1" => Self::Latin1,
            "UTF-16" | "UTF16" => Self::Utf16,
            "UTF-16LE" => Self::Utf16Le,
            "UTF-16BE" => Self::Utf16Be,
            _ => return None,
        })
    }

    pub(super) fn decode(self, bytes: Vec<u8>) -> Decoded {
        match self {
            Self::Utf8 => decode_utf8(bytes),
            Self::Latin1 => Decoded {
                text: bytes.into_iter().map(char::from).collect(),
                mark: false,
                clean: true,
            },
            Self::Utf16 | Self::Utf16Le | Self::Utf16Be => self.decode_utf16(&bytes),
        }
    }

    fn decode_utf16(self, bytes: &[u8]) -> Decoded {
        let little = match bytes {
            [0xff, 0xfe, ..] => true,
            [0xfe, 0xff, ..] => false,
            // Without a mark, UTF-16 is big-endian (RFC 2781).
            _ => self == Self::Utf16Le,
        };
        let (pairs, rest) = bytes.as_chunks::<2>();
        let units = pairs.iter().map(|&pair| {
            if little {
                u16::from_le_bytes(pair)
            } else {
                u16::from_be_bytes(pair)
            }
        });
        let mut clean = rest.is_empty();
        let mut text: String = char::decode_utf16(units)
            .map(|unit| {
                unit.unwrap_or_else(|_| {
                    clean = false;
                    char::REPLACEMENT_CHARACTER
                })
            })
            .collect();
        let mark = text.starts_with('\u{feff}');
        if mark {
            text.drain(..'\u{feff}'.len_utf8());
        }
        Decoded { text, mark, clean }
    }
}

fn decode_utf8(bytes: Vec<u8>) -> Decoded {
    let (mut text, clean) = match String::from_utf8(bytes) {
        Ok(text) => (text, true),
        Err(error) => (
            String::from_utf8_lossy(error.as_bytes()).into_owned(),
            false,
        ),
    };
    let mark = text.starts_with('\u{feff}');
    if mark {
        text.drain(..'\u{feff}'.len_utf8());
    }
    Decoded { text, mark, clean }
}

/// The lines of a text with their numbers from 1. LF, CR and CRLF each end one; nothing after the last end is no line.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (u64, &str)> {
    let mut rest = text;
    let mut number = 0;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        number += 1;
        let Some(at) = rest.find(['\r', '\n']) else {
            return Some((number, std::mem::take(&mut rest)));
        };
        let line = &rest[..at];
        let ends = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + ends..];
        Some((number, line))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn each_line_end_ends_one_line() {
        let all: Vec<_> = lines("a\nb\r\nc\rd\n\re").collect();
        assert_eq!(
            all,
            [(1, "a"), (2, "b"), (3, "c"), (4, "d"), (5, ""), (6, "e")]
        );
        assert_eq!(lines("a\n").count(), 1);
        assert_eq!(lines("").count(), 0);
    }

    #[test]
    fn each_encoding_is_read() {
        for (encoding, bytes) in [
            (Encoding::Utf8, &b"\xc3\xa9"[..]),
            (Encoding::Latin1, b"\xe9"),
            (Encoding::Utf16, b"\x00\xe9"),
            (Encoding::Utf16, b"\xfe\xff\x00\xe9"),
            (Encoding::Utf16, b"\xff\xfe\xe9\x00"),
            (Encoding::Utf16Le, b"\xe9\x00"),
            (Encoding::Utf16Be, b"\x00\xe9"),
        ] {
            let decoded = encoding.decode(bytes.to_vec());
            assert_eq!(
                (decoded.text.as_str(), decoded.clean),
                ("é", true),
                "{bytes:?}"
            );
            assert_eq!(decoded.mark, bytes.len() == 4);
        }
    }

    #[test]
    fn foreign_bytes_are_seen() {
        assert!(!Encoding::Utf8.decode(b"a\xff".to_vec()).clean);
        assert!(!Encoding::Utf16.decode(b"\x00a\x00".to_vec()).clean);
        assert!(!Encoding::Utf16.decode(b"\xd8\x00\x00a".to_vec()).clean);
        assert!(Encoding::Utf8.decode(b"\xef\xbb\xbfa".to_vec()).mark);
    }

    proptest! {
        #[test]
        fn lines_and_their_ends_are_the_text(text in "[ab\r\n\u{e9}]{0,40}") {
            let kept: String = lines(&text).map(|(_, line)| line).collect();
            prop_assert_eq!(kept, text.replace(['\r', '\n'], ""));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
            for encoding in [Encoding::Utf8, Encoding::Latin1, Encoding::Utf16] {
                encoding.decode(bytes.clone());
            }
        }
    }
}
