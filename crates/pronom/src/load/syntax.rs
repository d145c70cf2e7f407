//! The language that byte sequences are written in.
//!
//! Owns reading hex, `'text'`, `[aa:bb]`, `[!aa]`, `[&01]`, `(a|b)`, `{n-m}` and `*`, with spaces between.
//! Does not own what surrounds a sequence in the XML (`binary`, `container`).
//!
//! As in DROID, a bracket stands for one byte, whatever is listed in it.

use crate::pattern::{Atom, ByteSet, Pattern};

/// A piece of a sequence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Bytes(Pattern),
    /// One of these.
    Choice(Vec<Pattern>),
    /// Any bytes: at least so many, and at most so many if there is a limit.
    Gap(u32, Option<u32>),
}

/// The pieces of `text`; bytes that follow each other are one piece.
pub(crate) fn parse(text: &str) -> Result<Vec<Item>, String> {
    let mut parser = Parser {
        rest: text,
        depth: 0,
    };
    let mut items = Vec::new();
    let mut atoms = Vec::new();
    loop {
        parser.skip_space();
        match parser.peek() {
            None => break,
            Some('(') => {
                parser.next();
                let choices = parser.choices()?;
                if let Some(set) = one_byte(&choices) {
                    atoms.push(Atom::Set(set));
                } else {
                    flush(&mut atoms, &mut items)?;
                    let patterns = choices.iter().map(|choice| pattern(choice));
                    items.push(Item::Choice(patterns.collect::<Result<_, _>>()?));
                }
            }
            Some('{') => {
                parser.next();
                flush(&mut atoms, &mut items)?;
                items.push(parser.gap()?);
            }
            Some('*') => {
                parser.next();
                flush(&mut atoms, &mut items)?;
                items.push(Item::Gap(0, None));
            }
            Some(_) => parser.atom(&mut atoms)?,
        }
    }
    flush(&mut atoms, &mut items)?;
    Ok(items)
}

/// A sequence that may hold nothing but bytes.
pub(crate) fn parse_bytes(text: &str) -> Result<Pattern, String> {
    let mut items = parse(text)?;
    match (items.pop(), items.is_empty()) {
        (Some(Item::Bytes(pattern)), true) => Ok(pattern),
        _ => Err(format!("{text:?} is not a plain sequence of bytes")),
    }
}

fn flush(atoms: &mut Vec<Atom>, items: &mut Vec<Item>) -> Result<(), String> {
    if !atoms.is_empty() {
        items.push(Item::Bytes(pattern(atoms)?));
        atoms.clear();
    }
    Ok(())
}

fn pattern(atoms: &[Atom]) -> Result<Pattern, String> {
    Pattern::new(atoms).ok_or_else(|| "a sequence longer than 65535 bytes".to_owned())
}

fn one_byte(choices: &[Vec<Atom>]) -> Option<ByteSet> {
    let mut set = ByteSet::default();
    for choice in choices {
        match choice.as_slice() {
            [Atom::Byte(byte)] => set.insert(*byte),
            [Atom::Set(other)] => set = set.union(*other),
            _ => return None,
        }
    }
    Some(set)
}

struct Parser<'a> {
    rest: &'a str,
    /// How many brackets and negations are open.
    depth: usize,
}

const MAX_DEPTH: usize = 8;

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next();
        self.rest = chars.as_str();
        next
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.next();
        }
        found
    }

    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn hex(&mut self) -> Result<u8, String> {
        let digits = self.rest.get(..2).unwrap_or(self.rest);
        let byte = u8::from_str_radix(digits, 16)
            .ok()
            .filter(|_| digits.bytes().all(|digit| digit.is_ascii_hexdigit()) && digits.len() == 2)
            .ok_or_else(|| format!("{digits:?} is not a byte in hexadecimal"))?;
        self.rest = &self.rest[2..];
        Ok(byte)
    }

    fn quoted(&mut self, quote: char) -> Result<Vec<u8>, String> {
        let end = self.rest.find(quote).ok_or("a quote that is not closed")?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = &rest[quote.len_utf8()..];
        Ok(text.as_bytes().to_vec())
    }

    /// Bytes, text or a bracket, added to `atoms`.
    fn atom(&mut self, atoms: &mut Vec<Atom>) -> Result<(), String> {
        match self.peek() {
            Some('\'') => {
                self.next();
                atoms.extend(self.quoted('\'')?.into_iter().map(Atom::Byte));
            }
            Some('`') => {
                self.next();
                for byte in self.quoted('`')? {
                    let mut set = ByteSet::default();
                    set.insert(byte.to_ascii_lowercase());
                    set.insert(byte.to_ascii_uppercase());
                    atoms.push(Atom::Set(set));
                }
            }
            Some('[') => {
                self.next();
                let set = self.bracket()?;
                atoms.push(set.single().map_or(Atom::Set(set), Atom::Byte));
            }
            Some('&' | '~') => atoms.push(Atom::Set(self.member()?)),
            Some('?') if self.rest.starts_with("??") => {
                self.rest = &self.rest[2..];
                atoms.push(Atom::Set(ByteSet::default().inverted()));
            }
            _ => atoms.push(Atom::Byte(self.hex()?)),
        }
        Ok(())
    }

    /// What is left of `[…]`: a set of bytes, or all others after `!` or `^`.
    fn bracket(&mut self) -> Result<ByteSet, String> {
        self.skip_space();
        let inverted = self.eat('!') || self.eat('^');
        let mut set = ByteSet::default();
        loop {
            self.skip_space();
            if self.eat(']') {
                break;
            }
            set = set.union(self.member()?);
        }
        Ok(if inverted { set.inverted() } else { set })
    }

    /// One member of a bracket: a byte, a range, text, a mask or another bracket.
    fn member(&mut self) -> Result<ByteSet, String> {
        if self.depth == MAX_DEPTH {
            return Err("brackets nested too deeply".to_owned());
        }
        self.depth += 1;
        let set = self.member_inside();
        self.depth -= 1;
        set
    }

    fn member_inside(&mut self) -> Result<ByteSet, String> {
        self.skip_space();
        let mut set = ByteSet::default();
        if self.eat('[') {
            return self.bracket();
        }
        if self.eat('!') || self.eat('^') {
            return self.member().map(ByteSet::inverted);
        }
        if self.eat('&') {
            let mask = self.hex()?;
            (0..=u8::MAX)
                .filter(|byte| byte & mask == mask)
                .for_each(|byte| set.insert(byte));
            return Ok(set);
        }
        if self.eat('~') {
            let mask = self.hex()?;
            (0..=u8::MAX)
                .filter(|byte| byte & mask != 0)
                .for_each(|byte| set.insert(byte));
            return Ok(set);
        }
        let first = self.bytes()?;
        self.skip_space();
        if self.eat(':') || self.eat('-') {
            self.skip_space();
            let last = self.bytes()?;
            let ([.., low], [high, rest @ ..]) = (first.as_slice(), last.as_slice()) else {
                return Err("a range without an end".to_owned());
            };
            (*low.min(high)..=*high.max(low)).for_each(|byte| set.insert(byte));
            for byte in rest {
                set.insert(*byte);
            }
        }
        for byte in first {
            set.insert(byte);
        }
        Ok(set)
    }

    fn bytes(&mut self) -> Result<Vec<u8>, String> {
        if self.eat('\'') {
            return self.quoted('\'');
        }
        let mut bytes = vec![self.hex()?];
        while self.peek().is_some_and(|next| next.is_ascii_hexdigit()) {
            bytes.push(self.hex()?);
        }
        Ok(bytes)
    }

    /// What is left of `(a|b)`.
    fn choices(&mut self) -> Result<Vec<Vec<Atom>>, String> {
        let mut choices = vec![Vec::new()];
        loop {
            self.skip_space();
            match self.peek() {
                None => return Err("a bracket that is not closed".to_owned()),
                Some('|') => {
                    self.next();
                    choices.push(Vec::new());
                }
                Some(')') => {
                    self.next();
                    break;
                }
                Some(_) => {
                    if let Some(choice) = choices.last_mut() {
                        self.atom(choice)?;
                    }
                }
            }
        }
        if choices.iter().any(Vec::is_empty) {
            return Err("a choice of nothing".to_owned());
        }
        Ok(choices)
    }

    /// What is left of `{n}`, `{n-m}` or `{n-*}`.
    fn gap(&mut self) -> Result<Item, String> {
        let end = self.rest.find('}').ok_or("a gap that is not closed")?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = &rest[1..];
        let number = |text: &str| {
            text.trim()
                .parse::<u32>()
                .map_err(|_| format!("{text:?} is not a number of bytes"))
        };
        Ok(match text.split_once('-') {
            None => Item::Gap(number(text)?, Some(number(text)?)),
            Some((min, max)) if max.trim() == "*" => Item::Gap(number(min)?, None),
            Some((min, max)) => {
                let (min, max) = (number(min)?, number(max)?);
                Item::Gap(min, Some(max.max(min)))
            }
        })
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whether `text` means exactly these bytes.
    fn takes(text: &str, bytes: &[u8]) -> bool {
        let pattern = parse_bytes(text).unwrap();
        pattern.len() == bytes.len() && pattern.matches_at(bytes, 0)
    }

    #[test]
    fn a_sequence_takes_the_bytes_that_it_means_and_no_others() {
        for (text, good, bad) in [
            ("4A 6b", b"Jk".as_slice(), b"JK".as_slice()),
            ("'A b'00", b"A b\0", b"A b1"),
            ("[30:39]", b"7", b"a"),
            ("['0'-'9']", b"7", b"a"),
            ("[!30:39]", b"a", b"7"),
            ("[!00]41", b"AA", b"\0A"),
            ("[&01]", b"\x03", b"\x02"),
            ("[!&01]", b"\x02", b"\x03"),
            ("[~06]", b"\x04", b"\x09"),
            ("41(42|43)", b"AC", b"AD"),
            ("[41 43:45]", b"D", b"B"),
            ("`ab`", b"aB", b"bb"),
            // As in DROID: one byte, of those that are listed.
            ("[0000:1000]", b"\x05", b"\x11"),
            ("[!4001C8]", b"\x02", b"\x01"),
        ] {
            assert!(takes(text, good), "{text}");
            assert!(!takes(text, bad), "{text}");
        }
    }

    #[test]
    fn gaps_and_choices_are_pieces_of_their_own() {
        let pieces = |text: &str| {
            let items = parse(text).unwrap();
            let name = |item: &Item| match item {
                Item::Bytes(pattern) => format!("{}", pattern.len()),
                Item::Choice(patterns) => format!("({})", patterns.len()),
                Item::Gap(min, max) => format!("{min}-{max:?}"),
            };
            items.iter().map(name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(pieces("41{3}42"), "1 3-Some(3) 1");
        assert_eq!(pieces("41 {3-9} (4243|44)"), "1 3-Some(9) (2)");
        assert_eq!(pieces("41*42{5-*}43"), "1 0-None 1 5-None 1");
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "4",
            "4G",
            "'open",
            "[41",
            "(41|)",
            "(41",
            "{x}",
            "{3",
            "[41:]",
            "é",
            "[[[[[[[[[[41]]]]]]]]]]",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[-0-9A-F\\[\\](){}!&~:|*'` é]{0,24}") {
            let _ = parse(&text);
        }
    }
}
