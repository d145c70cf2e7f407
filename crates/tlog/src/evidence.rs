//! Entries with their proofs, as a package carries them: a line each, in canonical JSON.
//!
//! `{"event":{…},"leaf":17,"proof":["…",…]}`: the entry, its place in the tree, and the proof (hashes in hexadecimal).
//! Of the entry only what links it is read here: `id`, `record`, `subject`, `sequence` and `previous`.
//!
//! Always: a line that passed is in the tree of the checkpoint, to the byte, and follows its predecessor. The lines of
//! a record stand together, so what is remembered is that of one record.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::{Checkpoint, Hash, canonical, hash, verify_inclusion};

/// The longest line that is read, in bytes.
pub const MAX_LINE: usize = 4 * 1024 * 1024;
/// The most chains of one record that are followed.
const MAX_CHAINS: usize = 100_000;

/// Why a line cannot be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// It is no line of this format.
    #[error("this is not an event with its proof, in canonical JSON")]
    Malformed,
    /// The entry is not in the tree.
    #[error("{0} was changed: its proof does not lead to the signed root")]
    NotInTree(String),
    /// Something is missing before it.
    #[error(
        "{event} is number {found} of {subject}, but number {expected} was due: something was removed or reordered"
    )]
    OutOfOrder {
        /// The entry.
        event: String,
        /// Of what.
        subject: String,
        /// Which number it has.
        found: u64,
        /// Which one was due.
        expected: u64,
    },
    /// It follows another entry than the one before it.
    #[error("{0} does not follow the event before it")]
    NotLinked(String),
    /// More than can be followed.
    #[error("a record has more than {MAX_CHAINS} chains of events")]
    TooMany,
}

/// The line of an entry. `entry` is canonical JSON.
pub fn line(entry: &str, leaf: u64, proof: &[Hash]) -> String {
    let proof: Vec<String> = proof
        .iter()
        .map(|hash| format!("\"{}\"", hex::encode(hash)))
        .collect();
    format!(
        "{{\"event\":{entry},\"leaf\":{leaf},\"proof\":[{}]}}\n",
        proof.join(",")
    )
}

/// The parts of a line that hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// The entry.
    pub event: Value,
    /// Its place in the tree.
    pub leaf: u64,
    /// What shows it.
    pub proof: Vec<Hash>,
}

impl Line {
    /// From its text, with or without the line break.
    pub fn parse(text: &str) -> Result<Self, EvidenceError> {
        let text = text.strip_suffix('\n').unwrap_or(text);
        let value: Value = serde_json::from_str(text).map_err(|_| EvidenceError::Malformed)?;
        // A name that stands twice is read differently by different readers.
        if canonical(&value).as_deref() != Ok(text) {
            return Err(EvidenceError::Malformed);
        }
        let (event, leaf) = (value["event"].clone(), value["leaf"].as_u64());
        let proof: Option<Vec<Hash>> = value["proof"]
            .as_array()
            .and_then(|hashes| hashes.iter().map(|hash| hex_hash(hash.as_str()?)).collect());
        match (event, leaf, proof) {
            (event @ Value::Object(_), Some(leaf), Some(proof)) => Ok(Self { event, leaf, proof }),
            _ => Err(EvidenceError::Malformed),
        }
    }
}

fn hex_hash(text: &str) -> Option<Hash> {
    hex::decode(text).ok()?.try_into().ok()
}

/// What was seen so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Seen {
    /// Entries that hold.
    pub events: u64,
    /// Records that they concern.
    pub records: u64,
}

/// Holds entries to a checkpoint, one after the other.
#[derive(Debug)]
pub struct Evidence {
    checkpoint: Checkpoint,
    record: Value,
    chains: HashMap<String, (u64, Hash)>,
    seen: Seen,
}

impl Evidence {
    /// Against a checkpoint whose signature was verified.
    pub fn new(checkpoint: Checkpoint) -> Self {
        Self {
            checkpoint,
            record: Value::Null,
            chains: HashMap::new(),
            seen: Seen::default(),
        }
    }

    /// What was seen so far.
    pub fn seen(&self) -> Seen {
        self.seen
    }

    /// Looks at the next line. After an error the next line may be looked at all the same.
    pub fn add(&mut self, text: &str) -> Result<(), EvidenceError> {
        let line = Line::parse(text)?;
        let member = |name: &str| line.event[name].as_str().map(str::to_owned);
        let (Some(event), Some(subject), Some(sequence)) = (
            member("id"),
            member("subject"),
            line.event["sequence"].as_u64(),
        ) else {
            return Err(EvidenceError::Malformed);
        };
        let entry = canonical(&line.event).map_err(|_| EvidenceError::Malformed)?;
        let hash = hash::leaf(entry.as_bytes());
        let Checkpoint { size, root, .. } = &self.checkpoint;
        let in_tree = verify_inclusion(&hash, line.leaf, *size, &line.proof, root);
        if line.event["record"] != self.record {
            self.record = line.event["record"].clone();
            self.chains.clear();
            self.seen.records += 1;
        }
        if self.chains.len() >= MAX_CHAINS {
            return Err(EvidenceError::TooMany);
        }
        let known = self.chains.insert(subject.clone(), (sequence, hash));
        in_tree.map_err(|_| EvidenceError::NotInTree(event.clone()))?;
        let expected = known.map_or(1, |(last, _)| last.saturating_add(1));
        if sequence != expected {
            return Err(EvidenceError::OutOfOrder {
                event,
                subject,
                found: sequence,
                expected,
            });
        }
        let previous = known.map(|(_, hash)| Value::from(hex::encode(hash)));
        if line.event["previous"] != previous.unwrap_or(json!(null)) {
            return Err(EvidenceError::NotLinked(event));
        }
        self.seen.events += 1;
        Ok(())
    }
}
