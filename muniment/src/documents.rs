//! `muniment documents`: what our own programs ask of the API, for a list of trusted documents.

use std::collections::BTreeMap;

use clap::Args;

use crate::client;
use crate::failure::{Failure, Outcome};
use crate::output;
use crate::system;

/// The options of `muniment documents`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
A server that takes only documents it knows (MUNIMENT_TRUSTED_DOCUMENTS) must know these, or neither
`muniment-worker` nor the commands of this program are served. A frontend has a file of its own
beside it, in the same form: a JSON object of ids and documents.

Example:
  muniment documents > muniment.json")]
pub(crate) struct Arguments {}

/// Carries the command out.
pub(crate) fn run(_: &Arguments) -> Result<Outcome, Failure> {
    let documents: BTreeMap<String, &str> = worker::client::documents()
        .iter()
        .chain(client::documents())
        .map(|&document| (system::document_id(document), document))
        .collect();
    let text = serde_json::to_string_pretty(&documents)
        .map_err(|error| Failure::new(error.to_string()))?;
    output::line(text)?;
    Ok(Outcome::Good)
}
