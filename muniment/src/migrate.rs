//! `muniment migrate`: the database brought up to date.

use std::path::PathBuf;

use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::system;

/// The options of `muniment migrate`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Brings the database that MUNIMENT_DATABASE_URL names up to date, else the one in the data folder.
`muniment serve` does the same for its own data folder when it starts.

Examples:
  muniment migrate --data /var/lib/muniment
  MUNIMENT_DATABASE_URL=postgres://muniment@db/muniment muniment migrate")]
pub(crate) struct Arguments {
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

/// Carries the command out.
pub(crate) async fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    system::migrate(&arguments.data).await?;
    output::line("the database is up to date")?;
    Ok(Outcome::Good)
}
