//! One text for one JSON value (RFC 8785, JSON Canonicalization Scheme).
//!
//! Always: only values that every reader takes for the same are written: numbers are integers of at most 2^53 - 1 in
//! size (RFC 7493 §2.2). Databases print other numbers differently, so [`settle`] makes texts of them beforehand.

use std::fmt::Write as _;

use serde_json::{Number, Value};

/// The largest integer that every reader takes for the same.
const LARGEST: u64 = (1 << 53) - 1;

/// How deep lists and objects may be nested: parsers of JSON end at about 128.
const DEPTH: usize = 100;

/// A number that is no integer, or a large one, stands in the value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no integer that every reader takes for the same")]
pub struct NotCanonical(pub String);

/// Whether every reader takes the number for the same.
pub fn is_exact(number: &Number) -> bool {
    match number.as_i64() {
        Some(integer) => integer.unsigned_abs() <= LARGEST,
        None => number.as_u64().is_some_and(|integer| integer <= LARGEST),
    }
}

/// Makes texts of the numbers that are not exact, wherever they stand, and of what is nested deeper than readers go.
pub fn settle(value: &mut Value) {
    settle_within(value, DEPTH);
}

fn settle_within(value: &mut Value, depth: usize) {
    match value {
        Value::Number(number) if !is_exact(number) => *value = Value::String(number.to_string()),
        Value::Array(_) | Value::Object(_) if depth == 0 => {
            *value = Value::String(value.to_string());
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| settle_within(value, depth - 1)),
        Value::Object(members) => members
            .values_mut()
            .for_each(|value| settle_within(value, depth - 1)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The text of a value.
pub fn canonical(value: &Value) -> Result<String, NotCanonical> {
    let mut text = String::new();
    write(&mut text, value)?;
    Ok(text)
}

fn write(text: &mut String, value: &Value) -> Result<(), NotCanonical> {
    match value {
        Value::Null => text.push_str("null"),
        Value::Bool(true) => text.push_str("true"),
        Value::Bool(false) => text.push_str("false"),
        Value::Number(number) if is_exact(number) => text.push_str(&number.to_string()),
        Value::Number(number) => return Err(NotCanonical(number.to_string())),
        Value::String(string) => write_string(text, string),
        Value::Array(values) => {
            text.push('[');
            for (place, value) in values.iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write(text, value)?;
            }
            text.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            // By UTF-16 code units (§3.2.3), which is not the order of UTF-8.
            members.sort_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            text.push('{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                if place > 0 {
                    text.push(',');
                }
                write_string(text, name);
                text.push(':');
                write(text, value)?;
            }
            text.push('}');
        }
    }
    Ok(())
}

/// §3.2.2.2.
fn write_string(text: &mut String, string: &str) {
    text.push('"');
    for character in string.chars() {
        match character {
            '"' => text.push_str("\\\""),
            '\\' => text.push_str("\\\\"),
            '\u{8}' => text.push_str("\\b"),
            '\t' => text.push_str("\\t"),
            '\n' => text.push_str("\\n"),
            '\u{c}' => text.push_str("\\f"),
            '\r' => text.push_str("\\r"),
            control if control < ' ' => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(control));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}
