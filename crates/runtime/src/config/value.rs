//! How the text of a setting becomes a value.

use std::net::SocketAddr;
use std::time::Duration;

use secrecy::SecretString;

/// A type that a setting can have.
pub trait Value: Sized {
    /// What is expected, as the end of the sentence "… is not".
    const EXPECTED: &'static str;

    /// The value that `text` stands for.
    fn parse(text: &str) -> Option<Self>;

    /// Any value: it takes the place of one that could not be read until
    /// [`super::Settings::read`] throws the whole configuration away.
    fn stand_in() -> Self;
}

impl Value for String {
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Option<Self> {
        Some(text.to_owned())
    }

    fn stand_in() -> Self {
        Self::new()
    }
}

impl Value for SecretString {
    const EXPECTED: &'static str = "text";

    fn parse(text: &str) -> Option<Self> {
        Some(text.into())
    }

    fn stand_in() -> Self {
        Self::default()
    }
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn stand_in() -> Self {
        false
    }
}

/// An address with a scheme, not taken apart further: what connects to it does that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url(String);

impl Url {
    /// The address as it was written, without the slashes at its end.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Url> for String {
    fn from(url: Url) -> Self {
        url.0
    }
}

impl Value for Url {
    const EXPECTED: &'static str = "an address such as https://host/path";

    fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.split_once(':')?;
        let scheme_holds = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
        let rest_holds = !rest.trim_matches('/').is_empty()
            && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        (scheme_holds && rest_holds).then(|| Self(text.trim_end_matches('/').to_owned()))
    }

    fn stand_in() -> Self {
        Self(String::new())
    }
}

/// A number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl From<u64> for Bytes {
    fn from(bytes: u64) -> Self {
        Self(bytes)
    }
}

impl Value for Bytes {
    const EXPECTED: &'static str = "a size such as 64MiB";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let factor = match unit {
            "" | "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            "TiB" => 1 << 40,
            _ => return None,
        };
        number.checked_mul(factor).map(Self)
    }

    fn stand_in() -> Self {
        Self(0)
    }
}

impl Value for Duration {
    const EXPECTED: &'static str = "a duration such as 30s";

    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = number_and_unit(text)?;
        let seconds = match unit {
            "ms" => return Some(Self::from_millis(number)),
            "s" => 1,
            "m" => 60,
            "h" => 60 * 60,
            "d" => 24 * 60 * 60,
            _ => return None,
        };
        number.checked_mul(seconds).map(Self::from_secs)
    }

    fn stand_in() -> Self {
        Self::ZERO
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.trim_start()))
}

impl Value for SocketAddr {
    const EXPECTED: &'static str = "an address and port such as 127.0.0.1:8080";

    fn parse(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn stand_in() -> Self {
        Self::from(([127, 0, 0, 1], 0))
    }
}

/// A whole number that a setting can have.
pub trait Number: Value {}

macro_rules! numbers {
    ($($number:ty: $expected:literal),*) => {$(
        impl Number for $number {}

        impl Value for $number {
            const EXPECTED: &'static str = $expected;

            fn parse(text: &str) -> Option<Self> {
                text.parse().ok()
            }

            fn stand_in() -> Self {
                <$number>::MIN
            }
        }
    )*};
}

numbers! {
    u16: "a whole number from 0 to 65535",
    u32: "a whole number that is not negative",
    u64: "a whole number that is not negative",
    usize: "a whole number that is not negative",
    std::num::NonZeroU32: "a whole number of at least 1",
    std::num::NonZeroUsize: "a whole number of at least 1"
}
