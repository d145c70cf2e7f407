//! The file name of an index entry.
//!
//! Owns how any key of S3 (up to 1,024 bytes of anything) becomes a name that every file
//! system takes: a hash, so that keys differing only in case stay apart, and the key itself
//! where there is room, so that listing need not open every entry.
//!
//! Always: one key, one name; [`to_key`] gives back what [`of_key`] was given, or `None`
//! where the entry must be asked.

use sha2::{Digest, Sha256};

/// Leaves room for the hash below the 255 bytes that file systems allow.
const MAX_ENCODED: usize = 200;

pub(super) fn of_key(key: &str) -> String {
    let hash = hex::encode(&Sha256::digest(key)[..16]);
    let encoded = encode(key);
    if encoded.len() > MAX_ENCODED {
        return hash;
    }
    format!("{hash}.{encoded}")
}

pub(super) fn to_key(name: &str) -> Option<String> {
    let (_, encoded) = name.split_once('.')?;
    decode(encoded)
}

fn encode(key: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(key.len());
    for byte in key.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_' {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// Undoes percent-encoding. `None` if it is broken, or what comes out is not UTF-8.
pub(in crate::objects) fn decode(encoded: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'%' {
            let (digits, tail) = tail.split_at_checked(2)?;
            let mut decoded = [0];
            hex::decode_to_slice(digits, &mut decoded).ok()?;
            bytes.extend(decoded);
            rest = tail;
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_key_that_is_too_long_for_a_name_has_only_its_hash() {
        let name = of_key(&"ü".repeat(512));
        assert_eq!((name.len(), to_key(&name)), (32, None));
    }

    #[test]
    fn keys_that_differ_in_case_have_names_that_differ_otherwise() {
        assert_ne!(of_key("A").to_lowercase(), of_key("a").to_lowercase());
    }

    #[test]
    fn broken_encoding_is_refused() {
        for broken in ["%", "%4", "%GG", "%FF"] {
            assert_eq!(decode(broken), None, "{broken}");
        }
    }

    proptest! {
        #[test]
        fn a_name_is_one_path_segment_and_gives_the_key_back(key in "\\PC{1,60}|[./\\x00-\\x1f]{1,60}") {
            let name = of_key(&key);
            prop_assert!(name.len() <= 255);
            prop_assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_%.".contains(&b)));
            if let Some(found) = to_key(&name) {
                prop_assert_eq!(found, key);
            }
        }
    }
}
