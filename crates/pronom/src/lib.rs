//! File format identification with PRONOM signatures.
//!
//! The answers are those of DROID with a full scan: binary, container and extension signatures, priorities,
//! several hits, extension mismatch. Time and memory have a bound whatever the input is.
//!
//! ```
//! use pronom::{Basis, Signatures};
//!
//! let signatures = Signatures::builtin();
//! let found = signatures.identify_bytes("plan.gif", b"GIF89a\x01\0\x01\0\0\0\0;");
//! let gif = &found.matches[0];
//! assert_eq!((gif.puid.as_str(), gif.basis), ("fmt/4", Basis::Signature));
//! assert_eq!(gif.mime, "image/gif");
//! ```
//!
//! [`Signatures::load`] takes the files that The National Archives publishes, of any version;
//! [`Signatures::builtin`] needs none. A file on disk, bytes in memory and a stream that comes by once
//! ([`Signatures::stream`]) get the same answer.

mod compiled;
mod container;
mod decide;
mod error;
mod explain;
mod file;
mod flags;
mod identification;
mod load;
mod matcher;
mod model;
mod pattern;
mod signatures;
mod source;
mod stream;

pub use compiled::compile;
pub use error::LoadError;
pub use explain::{Explanation, NearMiss, Outranked};
pub use identification::{Basis, Flags, Identification, Match};
pub use model::Format;
pub use signatures::Signatures;
pub use source::ReadAt;
pub use stream::Stream;
