//! `muniment signatures list`: which signatures there are, and which are in use.

use std::path::PathBuf;

use clap::Args;
use muniment::signature_store::{self, InUse};

use super::{created, unusable};
use crate::failure::Failure;
use crate::output;
use crate::system;
use crate::text::{grouped, plain};

/// The options of `muniment signatures list`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// The data folder
    #[arg(long, value_name = "DIR", default_value = "data")]
    data: PathBuf,
}

/// Carries the command out.
pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    for line in table(arguments)? {
        output::line(line)?;
    }
    Ok(())
}

fn table(arguments: &Arguments) -> Result<Vec<String>, Failure> {
    let data = &arguments.data;
    let mut sets = Vec::new();
    if let Some(files) = system::configured_signatures()? {
        sets.push(signature_store::in_use(data, Some(&files)));
    }
    if signature_store::current(data)
        .map_err(|error| unusable(&error).hint(super::REPAIR))?
        .is_some()
    {
        sets.push(signature_store::in_use(data, None));
    }
    sets.push(Ok(signature_store::built_in()));
    let mut lines = vec![row([
        "",
        "PRONOM",
        "created",
        "containers",
        "formats",
        "binary",
        "container",
        "source",
    ])];
    for (index, set) in sets.into_iter().enumerate() {
        let set = set.map_err(|error| unusable(&error).hint(super::REPAIR))?;
        lines.push(line(&set, index == 0));
    }
    Ok(lines)
}

fn line(set: &InUse, in_use: bool) -> String {
    let signatures = set.signatures;
    let (binary, container) = signatures.counts();
    let date = created(set).map_or_else(|| "unknown".to_owned(), |date| date.to_string());
    row([
        if in_use { "in use" } else { "" },
        &plain(signatures.version()),
        &date,
        &plain(signatures.container_version()),
        &grouped(signatures.formats().len() as u64),
        &grouped(binary as u64),
        &grouped(container as u64),
        &plain(&set.source.to_string()),
    ])
}

fn row(
    [
        mark,
        version,
        date,
        containers,
        formats,
        binary,
        container,
        source,
    ]: [&str; 8],
) -> String {
    format!(
        "{mark:<8}{version:<8}{date:<12}{containers:<12}{formats:>8}{binary:>8}{container:>11}  {source}"
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_signatures_are_listed_and_in_use_where_there_are_no_others() {
        let data = tempfile::tempdir().unwrap();
        let arguments = Arguments {
            data: data.path().to_owned(),
        };
        assert_eq!(
            table(&arguments).unwrap(),
            [
                "        PRONOM  created     containers   formats  binary  container  source",
                "in use  V109    2022-11-01  20200121       2,246   1,963        180  built in",
            ]
        );
    }
}
