//! Text for terminals.
//!
//! Owns sizes, plurals, widths, and making other people's text harmless. Does not own layout.
//!
//! Always: what comes out of [`plain`] holds no control character and no change of direction,
//! so a file's name cannot move the cursor or disguise itself.

use std::borrow::Cow;

use unicode_width::UnicodeWidthStr;

/// Text from somebody else, fit for a terminal.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if is_unsafe(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    Cow::Owned(safe)
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How many columns a text takes.
pub(crate) fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// A text of at most `limit` columns: its middle is left out, because the ends tell files apart.
pub(crate) fn shortened(text: &str, limit: usize) -> Cow<'_, str> {
    if width(text) <= limit {
        return Cow::Borrowed(text);
    }
    let room = limit.saturating_sub(1);
    let head = take(text.chars(), room / 2);
    let tail: Vec<char> = take(text.chars().rev(), room - room / 2);
    let joined = head.into_iter().chain(['…']).chain(tail.into_iter().rev());
    Cow::Owned(joined.collect())
}

fn take(characters: impl Iterator<Item = char>, columns: usize) -> Vec<char> {
    let mut used = 0;
    characters
        .take_while(|character| {
            used += unicode_width::UnicodeWidthChar::width(*character).unwrap_or(0);
            used <= columns
        })
        .collect()
}

/// `1 file`, `2 files`, `10,000 files`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = match (count, noun.strip_suffix('y')) {
        (1, _) => noun.to_owned(),
        (_, Some(stem)) => format!("{stem}ies"),
        (_, None) => format!("{noun}s"),
    };
    format!("{} {plural}", grouped(count))
}

/// A number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A size as people say it: `0 bytes`, `12.3 kB`, `3.2 GB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["kB", "MB", "GB", "TB", "PB"];
    if bytes < 1_000 {
        return counted(bytes, "byte");
    }
    let mut tenths = u128::from(bytes) / 100;
    let mut unit = 0;
    while tenths >= 10_000 && unit + 1 < UNITS.len() {
        tenths /= 1_000;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_move_the_cursor_or_turn_the_text_round() {
        for (given, shown) in [
            ("minutes 1923.txt", "minutes 1923.txt"),
            ("Größe – été.txt", "Größe – été.txt"),
            ("a\u{1b}[2Jb", "a\\u{1b}[2Jb"),
            ("a\r\nb", "a\\r\\nb"),
            ("exe\u{202e}fdp.txt", "exe\\u{202e}fdp.txt"),
        ] {
            assert_eq!(plain(given), shown);
        }
    }

    #[test]
    fn shortening_keeps_both_ends_and_the_limit() {
        assert_eq!(shortened("letters/1923.pdf", 16), "letters/1923.pdf");
        assert_eq!(shortened("letters/1923/may.pdf", 11), "lette…y.pdf");
        assert_eq!(width(&shortened("目録目録目録目録", 9)), 9);
    }

    #[test]
    fn numbers_are_said_as_people_say_them() {
        assert_eq!(counted(1, "file"), "1 file");
        assert_eq!(counted(1_234_567, "file"), "1,234,567 files");
        assert_eq!(counted(2, "directory"), "2 directories");
        for (bytes, said) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (999, "999 bytes"),
            (1_000, "1.0 kB"),
            (999_999, "999.9 kB"),
            (1_000_000, "1.0 MB"),
            (3_221_225_472, "3.2 GB"),
        ] {
            assert_eq!(size(bytes), said);
        }
    }
}
