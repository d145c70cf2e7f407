//! What is signed of a tree (C2SP `tlog-checkpoint`): whose it is, how large, and its root.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{Hash, NoteError, SigningKey, VerifierKey, signed_text};

/// A tree at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The name of the log.
    pub origin: String,
    /// How many leaves it has.
    pub size: u64,
    /// Its root.
    pub root: Hash,
}

/// A text is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not a checkpoint: an origin, a size and a root in base64, a line each")]
pub struct Malformed;

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = STANDARD.encode(self.root);
        write!(f, "{}\n{}\n{root}\n", self.origin, self.size)
    }
}

impl Checkpoint {
    /// As a signed note.
    pub fn sign(&self, key: &SigningKey) -> String {
        key.sign(&self.to_string())
    }

    /// From the text of a note, without its signatures. Extension lines are passed over.
    pub fn parse(text: &str) -> Result<Self, Malformed> {
        let mut lines = text.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next())
        else {
            return Err(Malformed);
        };
        let number: u64 = size.parse().map_err(|_| Malformed)?;
        let root = STANDARD.decode(root).map_err(|_| Malformed)?;
        if origin.is_empty() || number.to_string() != size || lines.next_back() != Some("") {
            return Err(Malformed);
        }
        Ok(Self {
            origin: origin.to_owned(),
            size: number,
            root: root.try_into().map_err(|_| Malformed)?,
        })
    }

    /// From a note, without looking at its signatures.
    pub fn read(note: &str) -> Result<Self, NoteError> {
        Ok(Self::parse(signed_text(note)?)?)
    }

    /// From a note that one of the keys has signed, as the log that it names.
    pub fn open(note: &str, keys: &[VerifierKey]) -> Result<Self, NoteError> {
        let mut last = NoteError::Stranger;
        for key in keys {
            match key.open(note) {
                Ok(text) => {
                    let checkpoint = Self::parse(text)?;
                    return if checkpoint.origin == key.name() {
                        Ok(checkpoint)
                    } else {
                        Err(NoteError::Stranger)
                    };
                }
                Err(NoteError::Stranger) => {}
                Err(error) => last = error,
            }
        }
        Err(last)
    }
}
