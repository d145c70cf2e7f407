//! Ids: UUIDv7 inside, typed in public (`record_01k9…`), as the TypeID specification (0.3) has it:
//! a prefix, `_`, and the 128 bits as 26 characters of Crockford base32 in lower case.
//!
//! Always: an id of another type does not parse.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a text is no id of the type asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdError {
    /// It has the prefix of another type, or none.
    WrongType {
        /// The prefix that was asked for.
        expected: &'static str,
    },
    /// What follows the prefix is not 26 characters of Crockford base32 below 2^128.
    Malformed,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongType { expected } => write!(f, "this is not the id of a {expected}"),
            Self::Malformed => write!(f, "this is not an id"),
        }
    }
}

impl std::error::Error for IdError {}

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const SUFFIX_LENGTH: usize = 26;

fn encode(uuid: Uuid) -> String {
    let mut value = uuid.as_u128();
    let mut text = [0_u8; SUFFIX_LENGTH];
    for slot in text.iter_mut().rev() {
        *slot = ALPHABET[(value & 31) as usize];
        value >>= 5;
    }
    text.iter().map(|&byte| char::from(byte)).collect()
}

fn decode(text: &str) -> Result<Uuid, IdError> {
    let bytes = text.as_bytes();
    // 26 characters hold 130 bits: the first may not exceed 7.
    if bytes.len() != SUFFIX_LENGTH || bytes[0] > b'7' {
        return Err(IdError::Malformed);
    }
    let mut value = 0_u128;
    for byte in bytes {
        let digit = ALPHABET
            .iter()
            .position(|known| known == byte)
            .ok_or(IdError::Malformed)?;
        value = value << 5 | digit as u128;
    }
    Ok(Uuid::from_u128(value))
}

macro_rules! typed_ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal as $variant:ident;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
            pub struct $name(pub Uuid);

            impl $name {
                /// The prefix of the public form.
                pub const PREFIX: &'static str = $prefix;
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, "{}_{}", $prefix, encode(self.0))
                }
            }

            impl FromStr for $name {
                type Err = IdError;

                fn from_str(text: &str) -> Result<Self, IdError> {
                    let wrong = IdError::WrongType { expected: $prefix };
                    match text.split_once('_') {
                        Some(($prefix, suffix)) => decode(suffix).map(Self),
                        _ => Err(wrong),
                    }
                }
            }

            impl From<Uuid> for $name {
                fn from(uuid: Uuid) -> Self {
                    Self(uuid)
                }
            }

            impl From<$name> for Uuid {
                fn from(id: $name) -> Self {
                    id.0
                }
            }

            impl Serialize for $name {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> Deserialize<'de> for $name {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                }
            }
        )*

        /// An id of any type, as `node(id)` takes it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum AnyId {
            $(
                $(#[$doc])*
                $variant($name),
            )*
        }

        impl AnyId {
            /// The prefix of the public form, which is also the name of the noun.
            pub fn prefix(self) -> &'static str {
                match self {
                    $(Self::$variant(_) => $prefix,)*
                }
            }

            /// The bare UUID.
            pub fn uuid(self) -> Uuid {
                match self {
                    $(Self::$variant(id) => id.0,)*
                }
            }

            /// Puts a stored noun name and UUID together again.
            pub fn from_parts(prefix: &str, uuid: Uuid) -> Option<Self> {
                match prefix {
                    $($prefix => Some(Self::$variant($name(uuid))),)*
                    _ => None,
                }
            }
        }

        impl fmt::Display for AnyId {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(id) => id.fmt(f),)*
                }
            }
        }

        impl FromStr for AnyId {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                match text.split_once('_') {
                    $(Some(($prefix, suffix)) => decode(suffix).map(|uuid| Self::$variant($name(uuid))),)*
                    _ => Err(IdError::Malformed),
                }
            }
        }

        $(impl From<$name> for AnyId {
            fn from(id: $name) -> Self {
                Self::$variant(id)
            }
        })*
    };
}

typed_ids! {
    /// What belongs together and who may see it.
    CollectionId = "collection" as Collection;
    /// A batch deposited together.
    TransferId = "transfer" as Transfer;
    /// One thing kept, over time.
    RecordId = "record" as Record;
    /// One file of a record.
    VersionId = "version" as Version;
    /// One run of one kind of check on a version.
    CheckId = "check" as Check;
    /// A person's work on a record.
    TaskId = "task" as Task;
    /// A remark on a task.
    CommentId = "comment" as Comment;
    /// A package somebody asked for.
    ExportId = "export" as Export;
    /// One reading of what is kept, to see whether it is still what was accepted.
    FixityCheckId = "fixitycheck" as FixityCheck;
    /// Somebody's wish to have things verified now.
    FixityRunId = "fixityrun" as FixityRun;
    /// Work for a worker.
    JobId = "job" as Job;
    /// What happened.
    EventId = "event" as Event;
    /// A way in for a service of somebody else's.
    ApiKeyId = "apikey" as ApiKey;
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_typeid_specification_hold() {
        let zero = RecordId(Uuid::nil());
        assert_eq!(zero.to_string(), "record_00000000000000000000000000");
        let max = RecordId(Uuid::max());
        assert_eq!(max.to_string(), "record_7zzzzzzzzzzzzzzzzzzzzzzzzz");
        let known: Uuid = "01890a5d-ac96-774b-bcce-b302099a8057".parse().unwrap();
        assert_eq!(
            RecordId(known).to_string(),
            "record_01h455vb4pex5vsknk084sn02q"
        );
    }

    #[test]
    fn an_id_of_another_type_is_refused() {
        let record = RecordId(Uuid::from_u128(7)).to_string();
        assert_eq!(
            record.parse::<VersionId>(),
            Err(IdError::WrongType {
                expected: "version"
            })
        );
        assert_eq!(
            record.parse::<AnyId>(),
            Ok(AnyId::Record(RecordId(Uuid::from_u128(7))))
        );
    }

    #[test]
    fn what_is_no_id_is_refused() {
        for text in [
            "",
            "record",
            "record_",
            "record_8zzzzzzzzzzzzzzzzzzzzzzzzz",
            "record_0000000000000000000000000",
            "record_000000000000000000000000000",
            "record_0000000000000000000000000L",
            "record_0000000000000000000000000é",
            "01890a5d-ac96-774b-bcce-b302099a8057",
        ] {
            assert!(text.parse::<RecordId>().is_err(), "{text}");
            assert!(text.parse::<AnyId>().is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_id_comes_back_from_its_text(bits: u128) {
            let id = TaskId(Uuid::from_u128(bits));
            proptest::prop_assert_eq!(id.to_string().parse::<TaskId>(), Ok(id));
        }

        #[test]
        fn no_text_panics(text: String) {
            let _ = text.parse::<AnyId>();
            let _ = format!("record_{text}").parse::<RecordId>();
        }
    }

    /// Each id has one spelling: what is read is written as it was.
    #[test]
    fn any_bytes_are_an_id_or_refused() {
        let seeds: Vec<Vec<u8>> = [
            "record_01h455vb4pex5vsknk084sn02q",
            "version_7zzzzzzzzzzzzzzzzzzzzzzzzz",
            "apikey_00000000000000000000000000",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec();
        let regressions =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/regressions");
        fuzzing::Target::new("id", &regressions, &seeds)
            .with_words(&[b"_", b"record_", b"8", b"L", b"\xC3\xA9", b"0"])
            .at_most(64)
            .run(|bytes| {
                let text = String::from_utf8_lossy(bytes);
                if let Ok(id) = text.parse::<AnyId>() {
                    assert_eq!(id.to_string(), text);
                    assert_eq!(AnyId::from_parts(id.prefix(), id.uuid()), Some(id));
                }
                if let Ok(id) = text.parse::<RecordId>() {
                    assert_eq!(id.to_string(), text);
                    assert_eq!(text.parse(), Ok(AnyId::Record(id)));
                }
            });
    }
}
