//! The object server as its clients see it: through the AWS SDK and through signed addresses.

#![expect(clippy::unwrap_used, reason = "a test may")]

mod checksums;
mod conditions;
mod copies;
mod crashes;
mod full_disk;
mod killed;
mod listing;
mod multipart;
mod objects;
mod signed;
mod world;
