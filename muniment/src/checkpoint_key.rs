//! `muniment checkpoint-key`: the key that signs the log of events.
//!
//! Always: only the public half is told.

use std::path::PathBuf;

use clap::Args;

use crate::failure::{Failure, Outcome};
use crate::{data_folder, output, system};

/// The options of `muniment checkpoint-key`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Prints the public half of the key, by which anybody can verify a checkpoint (a C2SP signed-note
verifier key). A key file that is not there is made, readable by its owner only: that is what
MUNIMENT_CHECKPOINT_KEY of muniment-api names. One key signs for good; keep a copy of it.

Examples:
  muniment checkpoint-key --data /var/lib/muniment
  muniment checkpoint-key /etc/muniment/checkpoint-key.p8")]
pub(crate) struct Arguments {
    /// The key file, in place of the data folder's
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,

    /// The data folder
    #[arg(
        long,
        value_name = "DIR",
        default_value = "data",
        conflicts_with = "file"
    )]
    data: PathBuf,
}

/// Carries the command out.
pub(crate) fn run(arguments: &Arguments) -> Result<Outcome, Failure> {
    let key = if let Some(file) = &arguments.file {
        api::checkpoints::key::open_or_make(file)
            .map_err(|error| Failure::new(format!("{}: {error}", file.display())))?
    } else {
        data_folder::check(&arguments.data)?;
        system::checkpoint_key(&arguments.data)?
    };
    output::line(key.verifier())?;
    Ok(Outcome::Good)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_where_it_is_named_and_not_where_no_data_folder_is() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.p8");
        let arguments = |file: Option<PathBuf>| Arguments {
            file,
            data: folder.path().join("absent"),
        };
        assert_eq!(run(&arguments(Some(file.clone()))), Ok(Outcome::Good));
        let made = std::fs::read(&file).unwrap();
        assert_eq!(run(&arguments(Some(file.clone()))), Ok(Outcome::Good));
        assert_eq!(std::fs::read(&file).unwrap(), made);
        run(&arguments(None)).unwrap_err();
        std::fs::write(&file, "half").unwrap();
        run(&arguments(Some(file))).unwrap_err();
    }
}
