//! Standard output: what the user asked for, and nothing else.
//!
//! Always: a reader that went away (`| head`) ends the command quietly.

use std::fmt::Display;
use std::io::{ErrorKind, Write};

use crate::failure::{Failure, io_reason};

/// Writes a line of the result.
pub(crate) fn line(text: impl Display) -> Result<(), Failure> {
    written(writeln!(std::io::stdout().lock(), "{text}"))
}

/// Writes a text of the result that has its own line ends.
pub(crate) fn text(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    written(
        output
            .write_all(text.as_bytes())
            .and_then(|()| output.flush()),
    )
}

fn written(result: std::io::Result<()>) -> Result<(), Failure> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => Err(Failure::new(format!(
            "standard output could not be written: {}",
            io_reason(&error)
        ))),
        Ok(()) => Ok(()),
    }
}
