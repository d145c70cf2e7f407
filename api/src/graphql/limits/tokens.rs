//! The tokens of a document, counted before it is parsed.
//!
//! Always: what the parser would take for a bracket or a token is counted here, so that a text that passes is
//! short enough, and flat enough, to be parsed. What is no GraphQL at all is left to the parser to refuse.

use super::{NAME, NESTING};
use crate::Error;

/// How many tokens a text has; refused when there are more than `most`, or brackets too deep in one another.
pub(super) fn count(text: &str, most: usize) -> Result<usize, Error> {
    let bytes = text.as_bytes();
    let (mut at, mut tokens, mut nesting) = (0, 0, 0_usize);
    while let Some(&byte) = bytes.get(at) {
        let rest = bytes.get(at..).unwrap_or_default();
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | b',' => {
                at += 1;
                continue;
            }
            // The byte order mark.
            0xEF if rest.starts_with(b"\xEF\xBB\xBF") => {
                at += 3;
                continue;
            }
            b'#' => {
                at += length(rest, |byte| byte != b'\n' && byte != b'\r');
                continue;
            }
            b'"' => match string(rest) {
                Some(length) => at += length,
                // The parser comes no further either.
                None => return Ok(tokens),
            },
            b'.' if rest.starts_with(b"...") => at += 3,
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => {
                let name = length(rest, |byte| byte == b'_' || byte.is_ascii_alphanumeric());
                if name > NAME {
                    return Err(Error::Limit(format!(
                        "a name in the document is longer than {NAME} characters"
                    )));
                }
                at += name;
            }
            b'-' | b'0'..=b'9' => {
                at += 1 + length(rest.get(1..).unwrap_or_default(), |byte| {
                    byte.is_ascii_digit() || b".eE+-".contains(&byte)
                });
            }
            _ => at += 1,
        }
        match byte {
            b'{' | b'[' | b'(' => nesting += 1,
            b'}' | b']' | b')' => nesting = nesting.saturating_sub(1),
            _ => {}
        }
        if nesting > NESTING {
            return Err(Error::Limit(format!(
                "the brackets of the document are more than {NESTING} deep in one another"
            )));
        }
        tokens += 1;
        if tokens > most {
            return Err(Error::Limit(format!(
                "the document has more than {most} tokens: put long lists into variables, or send several requests"
            )));
        }
    }
    Ok(tokens)
}

fn length(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take_while(|&&byte| belongs(byte)).count()
}

/// The length of the string that a text begins with, its quotes included; `None` when it does not end.
fn string(text: &[u8]) -> Option<usize> {
    const BLOCK: &[u8] = b"\"\"\"";
    if text.starts_with(BLOCK) {
        let mut at = BLOCK.len();
        while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
            if rest.starts_with(BLOCK) {
                return Some(at + BLOCK.len());
            }
            at += if rest.starts_with(b"\\\"\"\"") { 4 } else { 1 };
        }
        // A block that does not end is an empty string to the parser, and what follows it another one.
        return Some(2);
    }
    let mut at = 1;
    loop {
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\n' | b'\r' => return None,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn counted(text: &str) -> usize {
        count(text, usize::MAX).unwrap()
    }

    #[test]
    fn tokens_are_those_of_the_specification() {
        for (text, tokens) in [
            ("", 0),
            ("{ a }", 3),
            ("{a,b,,\n\tc}", 5),
            ("\u{feff}{ a # b c d }\n }", 3),
            (
                "query Q($a: [Int!]! = -1.5e3) { a(x: $a, y: \"b c\") @d ...F }",
                30,
            ),
            ("{ a(x: \"\"\"one \"two\" \\\"\"\" three\"\"\") }", 8),
            ("{ a(x: \"\\\"{{{\\\\\") }", 8),
            ("{ a(x: \"\") }", 8),
        ] {
            assert_eq!(counted(text), tokens, "{text}");
        }
    }

    #[test]
    fn a_document_has_at_most_as_many_tokens_as_it_may() {
        let text = format!("{{ {} }}", "a ".repeat(8));
        assert_eq!(count(&text, 10).unwrap(), 10);
        assert!(matches!(count(&text, 9), Err(Error::Limit(_))));
    }

    #[test]
    fn brackets_that_a_parser_would_drown_in_are_refused_before_it() {
        for open in ["{a", "[", "(a:", "{a(b:["] {
            let text = format!("{{a(b:{}", open.repeat(100_000));
            assert!(
                matches!(count(&text, usize::MAX), Err(Error::Limit(_))),
                "{open}"
            );
        }
        let (open, close) = ("[".repeat(NESTING - 2), "]".repeat(NESTING - 2));
        let deepest = format!("{{ a(b: {open}{close}) }}");
        counted(&deepest);
        parse_query(deepest).unwrap();
    }

    #[test]
    fn a_string_hides_no_brackets_that_the_parser_sees() {
        let brackets = "[".repeat(NESTING + 1);
        // The block never ends: the parser reads an empty string, then another string, then the brackets.
        let text = format!("{{ a(b: [\"\"\" \" {brackets}");
        assert!(matches!(count(&text, usize::MAX), Err(Error::Limit(_))));
        // Brackets within a string are none.
        counted(&format!(
            "{{ a(b: \"{brackets}\", c: \"\"\"{brackets}\"\"\") }}"
        ));
    }

    #[test]
    fn a_name_that_would_be_compared_with_every_other_is_refused() {
        let text = format!("{{ {} }}", "a".repeat(NAME + 1));
        assert!(matches!(count(&text, usize::MAX), Err(Error::Limit(_))));
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_counted_to_its_end(text: String) {
            proptest::prop_assert!(count(&text, usize::MAX).map_or(true, |tokens| tokens <= text.len()));
        }

        #[test]
        fn what_looks_like_graphql_is_counted_and_then_parsed_or_refused(
            text in r#"[{}()\[\]"\\. a:#$!@|&=-]{0,200}"#
        ) {
            if count(&text, 10_000).is_ok() {
                // It must come back.
                drop(parse_query(text));
            }
        }
    }
}
