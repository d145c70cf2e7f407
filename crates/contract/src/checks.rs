//! The vocabulary of checks.

/// Measured SHA-256 and size against what the depositor declared.
pub const CHECKSUM: &str = "CHECKSUM";
/// A virus scan.
pub const ANTIVIRUS: &str = "ANTIVIRUS";
/// Format identification by PRONOM signatures.
pub const FORMAT: &str = "FORMAT";

/// The checks that Muniment's own worker runs in its one pass. Others go to queues of their own name.
pub const BUILT_IN: [&str; 3] = [CHECKSUM, ANTIVIRUS, FORMAT];

/// Whether a text may name a check: 1 to 32 of `A`–`Z`, `0`–`9` and `_`, a letter first.
pub fn is_valid_kind(kind: &str) -> bool {
    let mut bytes = kind.bytes();
    kind.len() <= 32
        && bytes.next().is_some_and(|first| first.is_ascii_uppercase())
        && bytes.all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_named_in_capitals() {
        for (kind, valid) in [
            ("CHECKSUM", true),
            ("OCR", true),
            ("OCR_2", true),
            ("", false),
            ("ocr", false),
            ("2OCR", false),
            ("O CR", false),
            ("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", false),
        ] {
            assert_eq!(is_valid_kind(kind), valid, "{kind}");
        }
    }
}
