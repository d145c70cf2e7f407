//! What api and worker say to each other beyond GraphQL: typed ids, queue messages, object keys
//! and the vocabulary of checks.
//!
//! Owns the spelling of those things. Does not own transport, storage or rules: no I/O, no async.

pub mod checks;
pub mod ids;
pub mod messages;
pub mod objects;

pub use ids::{
    AnyId, ApiKeyId, CheckId, CollectionId, CommentId, EventId, ExportId, FixityCheckId,
    FixityRunId, IdError, JobId, RecordId, TaskId, TransferId, VersionId,
};
