//! `muniment schema`: the API as SDL.

use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::system;

/// The options of `muniment schema`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  muniment schema > schema.graphql")]
pub(crate) struct Arguments {}

/// Carries the command out.
pub(crate) fn run(_: &Arguments) -> Result<Outcome, Failure> {
    output::text(&system::schema())?;
    Ok(Outcome::Good)
}
