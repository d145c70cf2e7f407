//! `bag-info.txt` to be written: labels and values in a kept order (RFC 8493 §2.2.2).
//!
//! Always: a value is one element whatever it holds, because line ends in it become spaces; lines are folded at 79
//! characters where a single space allows it, and reading a folded line back gives the same value.

use crate::PayloadOxum;

/// RFC 8493 §2.2.2 recommends lines no longer than this.
const LINE_CHARS: usize = 79;
const INDENT: &str = "  ";
pub(crate) const PAYLOAD_OXUM: &str = "Payload-Oxum";

/// Why an element cannot stand in `bag-info.txt`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BagInfoError {
    /// Empty, with a colon or a control character, or with white space at an end.
    #[error("{0:?} is not a label of bag-info.txt")]
    Label(String),
    /// A label without a value.
    #[error("{0} has no value")]
    Empty(String),
    /// `Payload-Oxum` is counted, not said.
    #[error("Payload-Oxum is written by the bag itself")]
    Oxum,
}

/// The elements of `bag-info.txt`, in the order in which they were added. A label may be repeated.
#[derive(Clone, Debug, Default)]
pub struct BagInfo {
    elements: Vec<(String, String)>,
}

impl BagInfo {
    /// No elements yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an element at the end. Line ends and other control characters in the value become single spaces, so that a
    /// depositor's text can never begin an element of its own.
    pub fn add(&mut self, label: &str, value: &str) -> Result<(), BagInfoError> {
        let fits = !label.is_empty()
            && label.trim() == label
            && !label.chars().any(|c| c == ':' || breaks_line(c));
        if !fits {
            return Err(BagInfoError::Label(label.to_owned()));
        }
        if label.eq_ignore_ascii_case(PAYLOAD_OXUM) {
            return Err(BagInfoError::Oxum);
        }
        let value = one_line(value);
        if value.is_empty() {
            return Err(BagInfoError::Empty(label.to_owned()));
        }
        self.elements.push((label.to_owned(), value));
        Ok(())
    }

    /// The elements so far.
    pub fn elements(&self) -> impl Iterator<Item = (&str, &str)> {
        self.elements.iter().map(|(l, v)| (l.as_str(), v.as_str()))
    }

    /// The file's text in UTF-8, with `Payload-Oxum` as the last element.
    pub fn to_text(&self, oxum: PayloadOxum) -> String {
        let mut text = String::new();
        for (label, value) in &self.elements {
            push_folded(&mut text, &format!("{label}: "), value);
        }
        push_folded(&mut text, &format!("{PAYLOAD_OXUM}: "), &oxum.to_string());
        text
    }
}

/// Whether some reader takes the character for the end of a line; Python, for one, splits at U+0085 and U+2028 too.
fn breaks_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}')
}

fn one_line(value: &str) -> String {
    value
        .split(breaks_line)
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn push_folded(text: &mut String, label: &str, value: &str) {
    text.push_str(label);
    let mut column = label.chars().count();
    // Only a lone space may become a fold: a reader that joins lines with one space then restores the value.
    for (nth, word) in words(value).enumerate() {
        let width = word.chars().count();
        if nth > 0 {
            if column + 1 + width > LINE_CHARS {
                text.push('\n');
                text.push_str(INDENT);
                column = INDENT.len();
            } else {
                text.push(' ');
                column += 1;
            }
        }
        text.push_str(word);
        column += width;
    }
    text.push('\n');
}

/// The value cut at single ASCII spaces whose neighbours are no white space.
fn words(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        let text = rest?;
        let lone = text.match_indices(' ').map(|(at, _)| at).find(|&at| {
            let before = text[..at].chars().next_back();
            let after = text[at + 1..].chars().next();
            let solid = |c: Option<char>| c.is_some_and(|c| !c.is_whitespace());
            solid(before) && solid(after)
        });
        if let Some(at) = lone {
            rest = Some(&text[at + 1..]);
            Some(&text[..at])
        } else {
            rest = None;
            Some(text)
        }
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use super::*;

    fn text_of(label: &str, value: &str) -> String {
        let mut info = BagInfo::new();
        info.add(label, value).unwrap();
        let text = info.to_text(PayloadOxum::default());
        text.strip_suffix("Payload-Oxum: 0.0\n").unwrap().to_owned()
    }

    #[test]
    fn order_and_repetition_are_kept() {
        let mut info = BagInfo::new();
        info.add("Contact-Name", "B").unwrap();
        info.add("Bagging-Date", "2026-01-31").unwrap();
        info.add("Contact-Name", "A").unwrap();
        let oxum = PayloadOxum {
            octets: 7,
            streams: 1,
        };
        assert_eq!(
            info.to_text(oxum),
            "Contact-Name: B\nBagging-Date: 2026-01-31\nContact-Name: A\nPayload-Oxum: 7.1\n"
        );
    }

    #[test]
    fn a_value_cannot_begin_another_element() {
        for line_end in [
            "\n", "\r", "\r\n", "\u{85}", "\u{2028}", "\u{b}", "\0", "\n \t\n",
        ] {
            assert_eq!(
                text_of("Title", &format!("one{line_end}Bag-Size: 1 TB{line_end}")),
                "Title: one Bag-Size: 1 TB\n"
            );
        }
    }

    #[test]
    fn long_values_are_folded_at_lone_spaces() {
        let text = text_of("Description", &"seven77 ".repeat(30));
        assert!(text.lines().count() > 2);
        assert!(text.lines().all(|line| line.chars().count() <= LINE_CHARS));
        assert!(text.lines().skip(1).all(|line| line.starts_with(INDENT)));
        let long_word = "x".repeat(200);
        assert_eq!(text_of("A", &long_word), format!("A: {long_word}\n"));
        let double = format!("{}  {}", "x".repeat(70), "y".repeat(70));
        assert_eq!(text_of("A", &double), format!("A: {double}\n"));
    }

    #[test]
    fn a_label_is_one_word_group_without_a_colon() {
        let mut info = BagInfo::new();
        for label in ["", " A", "A ", "A:", "A\nB", "A\u{2028}"] {
            assert_eq!(
                info.add(label, "x"),
                Err(BagInfoError::Label(label.to_owned()))
            );
        }
        assert_eq!(
            info.add("A", " \r\n "),
            Err(BagInfoError::Empty("A".into()))
        );
        assert_eq!(info.add("payload-oxum", "1.1"), Err(BagInfoError::Oxum));
        assert_eq!(info.elements().count(), 0);
    }
}
