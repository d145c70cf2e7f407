//! Limits of texts that people write, the same for every noun.

use crate::Error;

/// A title: one line, 1 to 500 characters.
pub const TITLE: Limit = Limit {
    min: 1,
    max: 500,
    lines: false,
    names: false,
};
/// A short text that may be empty: one line.
pub const SHORT: Limit = Limit {
    min: 0,
    max: 500,
    lines: false,
    names: false,
};
/// A name or subject: one line, 1 to 200 characters.
pub const NAME: Limit = Limit {
    min: 1,
    max: 200,
    lines: false,
    names: false,
};
/// A file's name or path as its depositor has it: any character but NUL, also line breaks.
pub const FILE_NAME: Limit = Limit {
    min: 1,
    max: 1_024,
    lines: true,
    names: true,
};
/// A reason: 1 to 4,000 characters.
pub const REASON: Limit = Limit {
    min: 1,
    max: 4_000,
    lines: true,
    names: false,
};
/// A description or comment: up to 20,000 characters.
pub const LONG: Limit = Limit {
    min: 0,
    max: 20_000,
    lines: true,
    names: false,
};

/// The most bytes of a record's metadata, as JSON.
pub const METADATA_BYTES: usize = 64 * 1024;

/// How long a text may be.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    min: usize,
    max: usize,
    lines: bool,
    names: bool,
}

/// Refuses a text that is too short, too long, or holds control characters.
pub fn check(path: &str, text: &str, limit: Limit) -> Result<(), Error> {
    let length = text.chars().take(limit.max + 1).count();
    if length > limit.max {
        return Err(Error::TooLarge(format!(
            "{path} has at most {} characters",
            limit.max
        )));
    }
    if length < limit.min || (limit.min > 0 && !limit.names && text.trim().is_empty()) {
        return Err(Error::input(path, "the text is empty"));
    }
    let bad = |c: char| match (limit.names, limit.lines) {
        (true, _) => c == '\0',
        (_, true) => c.is_control() && !matches!(c, '\n' | '\r' | '\t'),
        _ => c.is_control(),
    };
    if text.chars().any(bad) {
        return Err(Error::input(
            path,
            "control characters are not allowed here",
        ));
    }
    Ok(())
}

/// Refuses metadata that is no JSON object, or too large.
pub fn check_metadata(path: &str, metadata: &serde_json::Value) -> Result<(), Error> {
    if !metadata.is_object() {
        return Err(Error::input(path, "metadata is a JSON object"));
    }
    let mut room = Room(METADATA_BYTES);
    if serde_json::to_writer(&mut room, metadata).is_err() {
        return Err(Error::TooLarge(format!(
            "{path} has at most {METADATA_BYTES} bytes as JSON"
        )));
    }
    // PostgreSQL's jsonb cannot hold it.
    if holds_nul(metadata) {
        return Err(Error::input(path, "the character U+0000 cannot be kept"));
    }
    Ok(())
}

/// Whether a text in it, or a name, holds U+0000.
fn holds_nul(value: &serde_json::Value) -> bool {
    match value {
        serde_json::Value::String(text) => text.contains('\0'),
        serde_json::Value::Array(items) => items.iter().any(holds_nul),
        serde_json::Value::Object(fields) => fields
            .iter()
            .any(|(name, value)| name.contains('\0') || holds_nul(value)),
        _ => false,
    }
}

struct Room(usize);

impl std::io::Write for Room {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self
            .0
            .checked_sub(bytes.len())
            .ok_or_else(|| std::io::Error::other("too large"))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_have_limits() {
        let long = "x".repeat(501);
        for (text, limit, fits) in [
            ("A title", TITLE, true),
            ("", TITLE, false),
            ("  ", TITLE, false),
            ("two\nlines", TITLE, false),
            ("two\nlines", LONG, true),
            ("", LONG, true),
            ("nul\0", LONG, false),
            (long.as_str(), TITLE, false),
            (&long[1..], TITLE, true),
        ] {
            assert_eq!(check("title", text, limit).is_ok(), fits, "{text:.20}");
        }
    }

    #[test]
    fn metadata_is_an_object_of_bounded_size() {
        for (metadata, fits) in [
            (json!({}), true),
            (json!({"a": [1, {"b": null}]}), true),
            (json!([]), false),
            (json!("text"), false),
            (json!(null), false),
            (json!({"nul": "\0"}), false),
            (json!({"long": "x".repeat(METADATA_BYTES)}), false),
        ] {
            assert_eq!(check_metadata("metadata", &metadata).is_ok(), fits);
        }
    }
}
