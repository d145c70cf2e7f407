//! A transparency log: hashes, Merkle trees, proofs, signed checkpoints, and the canonical text of an entry.
//!
//! Owns the mathematics and the texts, as they are published:
//! - trees, inclusion and consistency proofs: RFC 6962 §2.1 (verified as RFC 9162 §2.1 has it), with SHA-256;
//! - checkpoints: C2SP `tlog-checkpoint`, signed notes with Ed25519: C2SP `signed-note`;
//! - the bytes of an entry: RFC 8785 (JSON Canonicalization Scheme).
//!
//! Does not own where hashes are kept, and does no I/O: whoever has a tree says what its nodes are.
//!
//! Always: a proof that does not fit is an error and never a panic, whatever its bytes; a leaf can never be taken for
//! an inner node (RFC 6962's `0x00` and `0x01`).

mod canonical;
mod checkpoint;
mod evidence;
mod frontier;
mod hash;
mod note;
mod proof;
mod tree;

pub use canonical::{NotCanonical, canonical, is_exact, settle};
pub use checkpoint::{Checkpoint, Malformed};
pub use evidence::{Evidence, EvidenceError, Line, MAX_LINE, Seen, line};
pub use frontier::Frontier;
pub use hash::{Hash, empty, leaf, node};
pub use note::{NoteError, SigningKey, VerifierKey, signed_text};
pub use proof::{Mismatch, verify_consistency, verify_inclusion};
pub use tree::{NodeId, Range, consistency, inclusion, peaks};
