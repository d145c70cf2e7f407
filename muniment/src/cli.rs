//! The command line.
//!
//! Owns the list of commands and what `--help` says above them. Does not own a command's options:
//! they stand with the command.

use clap::{Parser, Subcommand};

use crate::{
    checkpoint_key, documents, export, fixity, identify, migrate, schema, serve, signatures, token,
    transfer, verify, verify_log,
};

/// A records repository that can prove what it holds.
#[derive(Debug, Parser)]
#[command(
    name = "muniment",
    version,
    about = "A records repository that can prove what it holds",
    after_help = "\
Exit status of every command: 0 everything is good; 2 it was carried out and something in it is
not good; 1 it could not be carried out, or was given wrongly; 130 interrupted.

Examples:
  muniment transfer samples --bag out.tar
  muniment serve
  muniment verify out.tar"
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole system in one process
    Serve(serve::Arguments),
    /// Take a folder through the whole system: upload, checks, verdicts, bag
    Transfer(transfer::Arguments),
    /// Save accepted content as a `BagIt` bag
    Export(export::Arguments),
    /// Read again everything that is kept, and compare it with what was accepted
    Fixity(fixity::Arguments),
    /// Judge a `BagIt` bag, file by file, and the events that it carries
    Verify(verify::Arguments),
    /// Look for events that were edited, removed or reordered
    VerifyLog(verify_log::Arguments),
    /// Print the public half of the key that signs the log of events
    CheckpointKey(checkpoint_key::Arguments),
    /// Identify file formats by PRONOM signatures
    Identify(identify::Arguments),
    /// List, update or compile PRONOM signatures
    #[command(subcommand)]
    Signatures(signatures::Command),
    /// Print a token for a system that runs over a data folder
    Token(token::Arguments),
    /// Bring the database up to date
    Migrate(migrate::Arguments),
    /// Print the API's schema
    Schema(schema::Arguments),
    /// Print what our own programs ask of the API
    Documents(documents::Arguments),
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split(' '))
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        let mut cli = Cli::command();
        cli.build();
        let mut waiting = vec![cli];
        while let Some(mut command) = waiting.pop() {
            let help = command.render_long_help().to_string();
            let nested: Vec<_> = command
                .get_subcommands()
                .filter(|nested| nested.get_name() != "help")
                .cloned()
                .collect();
            let group = command.get_name() == "signatures";
            assert!(group || help.contains("Example"), "{help}");
            waiting.extend(nested);
        }
    }

    #[test]
    fn the_examples_of_the_help_are_valid() {
        let mut examples = 0;
        let mut waiting = vec![Cli::command()];
        while let Some(command) = waiting.pop() {
            waiting.extend(command.get_subcommands().cloned());
            let help = command.get_after_help().map(ToString::to_string);
            let help = help.unwrap_or_default().replace("\\\n    ", "");
            for line in help.lines().filter_map(example) {
                assert!(parse(&line).is_ok(), "{line}");
                examples += 1;
            }
        }
        assert!(examples > 12, "{examples}");
    }

    /// The part of a shell line that is ours.
    fn example(line: &str) -> Option<String> {
        let line = line.strip_prefix("  ")?;
        let start = line
            .match_indices("muniment ")
            .map(|(start, _)| start)
            .find(|start| *start == 0 || line[..*start].ends_with([' ', '(']))?;
        let ours = line.get(start..)?;
        let end = ours.find([')', '|', '>']).unwrap_or(ours.len());
        Some(ours.get(..end)?.trim().to_owned())
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        for line in [
            "muniment",
            "muniment transfer",
            "muniment export -o out.tar",
            "muniment export --transfer a --collection b -o out.tar",
            "muniment export --transfer a",
            "muniment fixity --record a --transfer b",
            "muniment fixity --wait 0",
            "muniment identify",
            "muniment identify --threads 0 a",
            "muniment identify --container-signature-file c.xml a",
            "muniment token",
            "muniment token --role king",
            "muniment token --role reader --hours 0",
            "muniment serve --listen here",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn several_records_and_roles_may_be_named() {
        for line in [
            "muniment export --record a --record b -o out.tar",
            "muniment token --role archivist --role contributor --body A --body B",
        ] {
            parse(line).unwrap();
        }
    }
}
