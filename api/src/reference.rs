//! References: names that people read out and write down.
//!
//! Always: unique, because they are made of the random half of an id under a unique index; unambiguous,
//! because the alphabet has no vowels and none of 0, 1 and their look-alikes.

use chrono::{DateTime, Datelike, Utc};
use uuid::Uuid;

const ALPHABET: &[u8] = b"BCDFGHJKLMNPQRSTVWXZ23456789";
const LENGTH: usize = 9;

/// The reference of a transfer: `T-2026-…`.
pub fn transfer(id: Uuid, now: DateTime<Utc>) -> String {
    format!("T-{}-{}", now.year(), code(id))
}

/// The reference of a record: `R-2026-…`.
pub fn record(id: Uuid, now: DateTime<Utc>) -> String {
    format!("R-{}-{}", now.year(), code(id))
}

fn code(id: Uuid) -> String {
    // The last 62 bits of a UUIDv7 are random (RFC 9562, section 5.7).
    let mut random = id.as_u128() & ((1 << 62) - 1);
    let base = ALPHABET.len() as u128;
    let mut code = String::with_capacity(LENGTH);
    for _ in 0..LENGTH {
        code.push(char::from(ALPHABET[(random % base) as usize]));
        random /= base;
    }
    code
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_has_no_letters_that_look_alike() {
        let id = Uuid::from_u128(0x0192_0000_0000_7000_8123_4567_89ab_cdef);
        let reference = record(id, DateTime::UNIX_EPOCH);
        assert_eq!(reference.len(), "R-1970-".len() + LENGTH);
        assert!(!reference[7..].contains(['0', 'O', '1', 'I', 'A', 'E', 'U', 'Y']));
        assert_ne!(
            reference,
            record(Uuid::from_u128(id.as_u128() + 1), DateTime::UNIX_EPOCH)
        );
    }
}
