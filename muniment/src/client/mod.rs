//! The API and the object store as this program's commands see them.
//!
//! Owns requests, time limits, repeating what may succeed later, and saying in plain words why
//! the API refused. Does not own what is done with an answer (`transfer`, `export`,
//! `fixity`).
//!
//! Always: every operation is checked against `schema.graphql` when this crate is built, and may
//! be repeated without harm, so a request whose answer was lost is sent again; memory does not
//! grow with a file's size.

mod error;
mod exports;
mod fixity;
pub(crate) mod http;
mod objects;
mod patience;
mod target;
mod token;
mod transfers;
mod typed;
mod uploads;
mod verdicts;

pub(crate) use error::ClientError;
pub(crate) use exports::{Export, ExportStatus, Selection};
pub(crate) use fixity::{Finding, FixityOutcome, FixityRun, FixitySelection};
pub(crate) use http::Client;
pub(crate) use objects::{Objects, Place, Slice, StoreError};
pub(crate) use patience::Patience;
pub(crate) use target::Target;
#[cfg(test)]
pub(crate) use token::Token;
pub(crate) use transfers::{Collection, FoundTransfer, Totals, TransferStatus};
pub(crate) use typed::documents;
pub(crate) use uploads::{
    Added, Completed, Completion, NewFile, Part, Ticket, UploadKind, Uploading,
};
#[cfg(test)]
pub(crate) use verdicts::Check;
pub(crate) use verdicts::{CheckStatus, Format, Verdict, VersionStatus};
