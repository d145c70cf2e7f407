//! `Payload-Oxum`: how many bytes in how many files (RFC 8493 §2.2.2).

use std::{fmt, str::FromStr};

/// The octets and streams of a payload. A quick test for completeness, never a substitute for digests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PayloadOxum {
    /// Bytes in all payload files.
    pub octets: u64,
    /// Number of payload files.
    pub streams: u64,
}

impl fmt::Display for PayloadOxum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.octets, self.streams)
    }
}

impl FromStr for PayloadOxum {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (octets, streams) = text.split_once('.').unwrap_or((text, ""));
        // `parse` alone would take a sign.
        let number = |digits: &str| digits.replace('+', "?").parse();
        Ok(Self {
            octets: number(octets)?,
            streams: number(streams)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_oxum_is_two_numbers_and_a_dot() {
        let oxum = PayloadOxum {
            octets: 58,
            streams: 2,
        };
        assert_eq!(oxum.to_string(), "58.2");
        assert_eq!("58.2".parse(), Ok(oxum));
        for bad in ["", "58", "58.", ".2", "58.2.1", "+58.2", "58.-2", "58 .2"] {
            assert!(bad.parse::<PayloadOxum>().is_err(), "{bad:?}");
        }
    }
}
