//! What is deposited: every file's bytes follow from the seed, its path and its number, so that an audit can make
//! them again.

use serde_json::{Value, json};

use crate::sha256;

/// What is special about a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sort {
    /// Nothing: it is to be accepted.
    Good,
    /// It is the EICAR test file.
    Malware,
    /// Its declared digest is that of other bytes.
    Mistaken,
    /// There are no bytes.
    Empty,
}

/// One version that was declared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Declared {
    seed: u64,
    /// Where it stands in the transfer.
    pub(super) path: String,
    /// 1, 2, …
    pub(super) number: u32,
    /// What is special about it.
    pub(super) sort: Sort,
}

impl Declared {
    /// The file of an index, and of a number.
    pub(super) fn new(seed: u64, index: usize, number: u32) -> Self {
        let sort = match index % 50 {
            7 if number == 1 => Sort::Malware,
            19 if number == 1 => Sort::Mistaken,
            31 if number == 1 => Sort::Empty,
            _ => Sort::Good,
        };
        Self {
            seed,
            path: format!("folder {}/{index:05}.txt", index % 7),
            number,
            sort,
        }
    }

    /// Its bytes.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self.sort {
            Sort::Malware => return crate::eicar().into_bytes(),
            Sort::Empty => return Vec::new(),
            Sort::Good | Sort::Mistaken => {}
        }
        let mut text = format!(
            "{}, version {}, seed {}\n",
            self.path, self.number, self.seed
        );
        let digits: usize = self.path.bytes().map(usize::from).sum();
        let length = if digits.is_multiple_of(25) {
            300_000
        } else {
            200 + digits % 97 * 60
        };
        while text.len() < length {
            let line = text.len();
            text.push_str(&format!("line {line}\n"));
        }
        text.into_bytes()
    }

    /// What the depositor says of it.
    pub(super) fn file(&self) -> Value {
        let bytes = self.bytes();
        let digest = if self.sort == Sort::Mistaken {
            sha256(b"something else")
        } else {
            sha256(&bytes)
        };
        json!({"size": bytes.len(), "sha256": digest, "fileName": "file.txt"})
    }

    /// Whether it may end so. A check that could not be made leaves the answer to a person.
    pub(super) fn may_end(&self, status: &str) -> bool {
        let expected = match self.sort {
            Sort::Good => "ACCEPTED",
            Sort::Malware => "QUARANTINED",
            Sort::Mistaken | Sort::Empty => "REJECTED",
        };
        status == expected || status == "NEEDS_REVIEW"
    }
}
