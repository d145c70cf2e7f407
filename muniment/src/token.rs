//! `muniment token`: a token that an embedded system takes.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use runtime::secrecy::ExposeSecret;

use crate::failure::{Failure, Outcome};
use crate::output;
use crate::system::{self, TokenRequest};

/// The options of `muniment token`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
The token is signed with the key in the data folder, which `muniment serve` may be using at the
same time. Whoever has it may do what its role may do until it ends: treat it as a password.

Examples:
  muniment token --role archivist
  export MUNIMENT_TOKEN=$(muniment token --role contributor --body MH --hours 8)")]
pub(crate) struct Arguments {
    /// What its holder may do; may be given many times
    #[arg(long, value_name = "ROLE", required = true, ignore_case = true)]
    role: Vec<Role>,

    /// Code of a body whose collections its holder sees; may be given many times
    #[arg(long, value_name = "BODY")]
    body: Vec<String>,

    /// Whose token it is
    #[arg(long, value_name = "NAME", default_value = "cli")]
    subject: String,

    /// How long it holds, in hours
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=8760))]
    hours: u32,

    /// The data folder whose key signs it
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

/// What a token's holder may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Role {
    /// Everything but deciding about content
    Admin,
    /// Reviews transfers, decides, exports
    Archivist,
    /// Adds content for its bodies
    Contributor,
    /// Reads what is accepted of its bodies
    Reader,
    /// Runs jobs, and nothing else
    Worker,
}

impl Role {
    /// The API's word.
    fn name(self) -> &'static str {
        match self {
            Self::Admin => "ADMIN",
            Self::Archivist => "ARCHIVIST",
            Self::Contributor => "CONTRIBUTOR",
            Self::Reader => "READER",
            Self::Worker => "WORKER",
        }
    }
}

/// Carries the command out.
pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    const HOUR: Duration = Duration::from_hours(1);
    let request = TokenRequest {
        roles: arguments
            .role
            .iter()
            .map(|role| role.name().to_owned())
            .collect(),
        bodies: arguments.body.clone(),
        subject: arguments.subject.clone(),
        lifetime: HOUR * arguments.hours,
    };
    let token = system::mint(&arguments.data, &request)?;
    output::line(token.expose_secret())?;
    Ok(Outcome::Good)
}
