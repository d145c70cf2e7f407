//! The crate from outside: what it writes, what it says of the conformance suite, and of bags that were meddled with.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod any_bytes;
mod by_hand;
mod conformance;
mod hostile;
mod support;
mod tampered;
mod targets;
mod written;
