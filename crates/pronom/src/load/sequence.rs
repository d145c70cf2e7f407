//! Byte sequences in XML, which the binary and the container file write alike.
//!
//! Owns the order of subsequences and fragments, and turning gaps and choices inside a sequence into fragments.

use std::collections::BTreeMap;

use super::{
    syntax::{self, Item},
    xml::{Element, Problem},
};
use crate::{
    model::{Alternatives, ByteSequence, Fragment, MAX_SPAN, Reference, Signature, SubSequence},
    pattern::Pattern,
};

/// No signature looks further than this from the start or end, or over a longer gap.
const MAX_OFFSET: u32 = 1 << 20;

/// The signatures of an `InternalSignatureCollection`.
pub(super) fn signatures(collection: &Element) -> Result<Vec<Signature>, Problem> {
    let mut signatures = Vec::new();
    for element in collection.named("InternalSignature") {
        let id = element.number("ID")?.unwrap_or_default();
        let mut sequences = Vec::new();
        for sequence in element.named("ByteSequence") {
            sequences.push(byte_sequence(sequence)?);
        }
        if sequences.is_empty() {
            return Err(Problem::new(
                element.line,
                "a signature without a byte sequence",
            ));
        }
        signatures.push(Signature { id, sequences });
    }
    Ok(signatures)
}

fn byte_sequence(element: &Element) -> Result<ByteSequence, Problem> {
    let reference = match element.attribute("Reference") {
        Some("BOFoffset") => Reference::Start,
        Some("EOFoffset") => Reference::End,
        None | Some("" | "NOoffset" | "Variable") => Reference::Anywhere,
        Some(other) => {
            return Err(Problem::new(
                element.line,
                format!("Reference={other:?} is not supported"),
            ));
        }
    };
    let mut elements: Vec<(u32, &Element)> = Vec::new();
    for child in element.named("SubSequence") {
        elements.push((child.number("Position")?.unwrap_or(1), child));
    }
    elements.sort_by_key(|(position, _)| *position);
    let mut subsequences = Vec::new();
    for (_, child) in elements {
        subsequence(child, &mut subsequences)?;
    }
    if let Some(text) = element.attribute("Sequence") {
        let items = syntax::parse(text).map_err(|text| Problem::new(element.line, text))?;
        from_items(items, 0, 0, element.line, &mut subsequences)?;
    }
    if subsequences.is_empty() {
        return Err(Problem::new(
            element.line,
            "a byte sequence without a subsequence",
        ));
    }
    if subsequences.iter().any(|sub| sub.span() > MAX_SPAN) {
        return Err(Problem::new(
            element.line,
            format!("a subsequence of more than {MAX_SPAN} bytes"),
        ));
    }
    Ok(ByteSequence {
        reference,
        subsequences,
    })
}

fn subsequence(element: &Element, into: &mut Vec<SubSequence>) -> Result<(), Problem> {
    let min = offset(element, "SubSeqMinOffset")?.unwrap_or(0);
    let max = offset(element, "SubSeqMaxOffset")?.unwrap_or(min).max(min);
    let sequence = element
        .child("Sequence")
        .ok_or_else(|| Problem::new(element.line, "<SubSequence> has no <Sequence>"))?;
    let items = syntax::parse(&sequence.text).map_err(|text| Problem::new(sequence.line, text))?;
    let before = into.len();
    from_items(items, min, max, sequence.line, into)?;
    let left = fragments(element, "LeftFragment")?;
    let right = fragments(element, "RightFragment")?;
    if left.is_empty() && right.is_empty() {
        return Ok(());
    }
    match &mut into[before..] {
        [only] if only.left.is_empty() && only.right.is_empty() => {
            only.left = left;
            only.right = right;
            Ok(())
        }
        _ => Err(Problem::new(
            sequence.line,
            "fragments around a sequence that has gaps",
        )),
    }
}

fn offset(element: &Element, name: &str) -> Result<Option<u32>, Problem> {
    match element.number(name)? {
        Some(value) if value > MAX_OFFSET => Err(Problem::new(
            element.line,
            format!("{name}={value} is further than {MAX_OFFSET} bytes"),
        )),
        value => Ok(value),
    }
}

/// The fragments of one side, from the anchor outwards.
fn fragments(element: &Element, name: &str) -> Result<Vec<Alternatives>, Problem> {
    let mut positions: BTreeMap<u32, Alternatives> = BTreeMap::new();
    for child in element.named(name) {
        let min = offset(child, "MinOffset")?.unwrap_or(0);
        let max = offset(child, "MaxOffset")?.unwrap_or(min).max(min);
        let pattern =
            syntax::parse_bytes(&child.text).map_err(|text| Problem::new(child.line, text))?;
        positions
            .entry(child.number("Position")?.unwrap_or(1))
            .or_default()
            .push(Fragment { min, max, pattern });
    }
    Ok(positions.into_values().collect())
}

/// Adds the subsequences that a sequence with gaps and choices means; the first of them keeps to the offsets.
fn from_items(
    items: Vec<Item>,
    min: u32,
    max: u32,
    line: usize,
    into: &mut Vec<SubSequence>,
) -> Result<(), Problem> {
    let mut run = Run {
        min,
        max,
        ..Run::default()
    };
    for item in items {
        match item {
            Item::Gap(min, _) if min > MAX_OFFSET => {
                return Err(Problem::new(line, format!("a gap of {min} bytes")));
            }
            Item::Gap(min, None) => {
                into.push(run.finish(line)?);
                run = Run {
                    min,
                    max: min,
                    ..Run::default()
                };
            }
            Item::Gap(min, Some(max)) => {
                if max > MAX_OFFSET {
                    return Err(Problem::new(line, format!("a gap of {max} bytes")));
                }
                if run.pieces.is_empty() {
                    run.min = run.min.saturating_add(min).min(MAX_OFFSET);
                    run.max = run.max.saturating_add(max).min(MAX_OFFSET);
                } else {
                    run.gap = (
                        run.gap.0.saturating_add(min).min(MAX_OFFSET),
                        run.gap.1.saturating_add(max).min(MAX_OFFSET),
                    );
                }
            }
            Item::Bytes(pattern) => run.push(vec![pattern]),
            Item::Choice(patterns) => run.push(patterns),
        }
    }
    into.push(run.finish(line)?);
    Ok(())
}

/// Pieces with bounded gaps between them, which become an anchor and its fragments.
#[derive(Default)]
struct Run {
    min: u32,
    max: u32,
    gap: (u32, u32),
    pieces: Vec<((u32, u32), Vec<Pattern>)>,
}

impl Run {
    fn push(&mut self, patterns: Vec<Pattern>) {
        self.pieces.push((self.gap, patterns));
        self.gap = (0, 0);
    }

    fn finish(self, line: usize) -> Result<SubSequence, Problem> {
        let anchor = (0..self.pieces.len())
            .filter(|at| self.pieces[*at].1.len() == 1)
            .max_by_key(|at| self.pieces[*at].1[0].literal().1.len())
            .ok_or_else(|| Problem::new(line, "a sequence without plain bytes"))?;
        let side = |(min, max): (u32, u32), patterns: &[Pattern]| -> Alternatives {
            let fragment = |pattern: &Pattern| Fragment {
                min,
                max,
                pattern: pattern.clone(),
            };
            patterns.iter().map(fragment).collect()
        };
        // A piece on the left keeps the gap to the piece on its right.
        let left = (0..anchor)
            .rev()
            .map(|at| side(self.pieces[at + 1].0, &self.pieces[at].1));
        let right = self.pieces[anchor + 1..]
            .iter()
            .map(|(gap, patterns)| side(*gap, patterns));
        Ok(SubSequence {
            min: self.min,
            max: self.max,
            left: left.collect(),
            right: right.collect(),
            anchor: self.pieces[anchor].1[0].clone(),
        })
    }
}
