//! The `muniment` binary: the whole system in one process, and the commands that are its clients.
//!
//! Owns the command line, the data folder, and what people are told. Does not own any rule: `api`
//! decides, `worker` looks, `bagit` and `pronom` know their formats.
//!
//! Always: results go to standard output, everything else to standard error; the exit status is
//! one of those in [`failure`].

mod checkpoint_key;
mod cli;
mod client;
mod data_folder;
mod documents;
mod export;
mod failure;
#[cfg(test)]
mod fake;
mod fixity;
mod identify;
mod interrupt;
mod migrate;
mod output;
mod progress;
mod schema;
mod serve;
mod signatures;
mod system;
mod text;
mod token;
mod transfer;
mod verify;
mod verify_log;

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use runtime::{config, telemetry};

use crate::cli::{Cli, Command};
use crate::failure::{Failure, Outcome};
use crate::progress::Screen;

/// How long threads that still read or write are waited for at the end.
const LINGER: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refused(&error),
    };
    let screen = Screen::stderr();
    let logging = match log(&cli.command) {
        Ok(logging) => logging,
        Err(failure) => {
            screen.say(format_args!("muniment: {failure}"));
            return ExitCode::from(failure.code());
        }
    };
    let ended = carry_out(&cli.command, &screen);
    drop(logging);
    match ended {
        Ok(outcome) => outcome.into(),
        Err(failure) => {
            screen.clear();
            screen.say(format_args!("muniment: {failure}"));
            ExitCode::from(failure.code())
        }
    }
}

/// Clap's own status for a wrong command line is 2, which means something else here.
fn refused(error: &clap::Error) -> ExitCode {
    // Nobody is left to tell when standard error is gone.
    let _ = error.print();
    ExitCode::from(u8::from(error.use_stderr()))
}

/// What the system says about itself goes to standard error: a server's own lines, and errors of the one that
/// a command starts for itself.
fn log(command: &Command) -> Result<telemetry::Traces, Failure> {
    let environment = config::Settings::from_env("MUNIMENT_LOG");
    let filter = environment
        .read(|read| {
            read.ignore("MUNIMENT_LOG_");
            read.string("MUNIMENT_LOG").optional()
        })
        .map_err(|problems| Failure::new(problems.to_string()))?;
    let filter = match (filter, command) {
        (Some(filter), _) => Some(filter),
        (None, Command::Serve(_)) => None,
        (None, _) => Some("error,s3s=off".to_owned()),
    };
    telemetry::init("muniment", telemetry::Format::Text, filter.as_deref())
        .map_err(|error| Failure::new(error.to_string()))
}

fn carry_out(command: &Command, screen: &Screen) -> Result<Outcome, Failure> {
    match command {
        Command::Verify(arguments) => verify::run(arguments, screen),
        Command::VerifyLog(arguments) => wait_for(verify_log::run(arguments, screen)),
        Command::CheckpointKey(arguments) => checkpoint_key::run(arguments),
        Command::Identify(arguments) => identify::run(arguments, screen),
        Command::Signatures(command) => wait_for(signatures::run(command, screen)),
        Command::Token(arguments) => token::run(arguments),
        Command::Schema(arguments) => schema::run(arguments),
        Command::Documents(arguments) => documents::run(arguments),
        Command::Transfer(arguments) => wait_for(transfer::run(arguments, screen)),
        Command::Fixity(arguments) => wait_for(fixity::run(arguments, screen)),
        Command::Export(arguments) => wait_for(export::run(arguments, screen)),
        Command::Serve(arguments) => wait_for(serve::run(arguments, screen)),
        Command::Migrate(arguments) => wait_for(migrate::run(arguments)),
    }
}

fn wait_for(work: impl Future<Output = Result<Outcome, Failure>>) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("no threads could be started: {error}")))?;
    let result = runtime.block_on(work);
    runtime.shutdown_timeout(LINGER);
    result
}
