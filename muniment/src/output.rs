//! Standard output: what the user asked for, and nothing else.
//!
//! Always: a reader that went away (`| head`) is no failure, and changes nothing about how the
//! command ends.

use std::fmt::Display;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::failure::{Failure, io_reason};

static GONE: AtomicBool = AtomicBool::new(false);

/// Whether nobody reads any more, so that a command that only tells may stop.
pub(crate) fn reader_is_gone() -> bool {
    GONE.load(Ordering::Relaxed)
}

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
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            GONE.store(true, Ordering::Relaxed);
            Ok(())
        }
        Err(error) => Err(Failure::new(format!(
            "standard output could not be written: {}",
            io_reason(&error)
        ))),
        Ok(()) => Ok(()),
    }
}
