//! `muniment signatures`: the PRONOM signatures that files are identified with.
//!
//! Owns which signatures a command uses, and what people are told of them. Does not own them (`pronom`) or where
//! a data folder keeps them (`muniment::signature_store`).

mod fetch;
mod list;
mod source;
mod update;

use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Months, NaiveDate, Utc};
use clap::{Args, Subcommand};
use muniment::signature_store::{self, InUse};

use worker::settings;

use crate::failure::{Failure, Outcome, chain, io_reason};
use crate::output;
use crate::progress::Screen;
use crate::system;
use crate::text::{counted, plain, size};

/// What to do when the signatures of a data folder or of the settings cannot be used.
pub(crate) const REPAIR: &str = "`muniment signatures update --data DIR` installs a good pair in a data folder; \
     MUNIMENT_PRONOM_SIGNATURES and MUNIMENT_PRONOM_CONTAINERS name files of your own";

/// The options of `muniment signatures`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Print which signatures there are and which are in use: version, date, how many, where from
    #[command(after_help = "\
`muniment serve` and `muniment transfer` use the files that MUNIMENT_PRONOM_SIGNATURES and
MUNIMENT_PRONOM_CONTAINERS name, else those that `muniment signatures update` put into the data
folder, else the built-in ones. The first line of the list is what is in use.

Examples:
  muniment signatures list
  muniment signatures list --data /var/lib/muniment")]
    List(list::Arguments),

    /// Put the newest signatures of The National Archives into a data folder
    Update(update::Arguments),

    /// Print the formats that are known: identifier, name, version and MIME type, tab-separated
    #[command(after_help = "\
Example:
  muniment signatures formats | grep -i pdf")]
    Formats(SignatureFiles),

    /// Write official signature files in the compact form that loads at once
    #[command(after_help = "\
Example:
  muniment signatures compile --signature-file DROID_SignatureFile_V122.xml \\
    --container-signature-file container-signature-20260119.xml -o v122.bin")]
    Compile(Compile),
}

/// The options of `muniment signatures compile`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Compile {
    /// The signature file, `DROID_SignatureFile_V*.xml`
    #[arg(long, value_name = "XML")]
    signature_file: PathBuf,

    /// The container signature file, `container-signature-*.xml`
    #[arg(long, value_name = "XML")]
    container_signature_file: Option<PathBuf>,

    /// The file to write
    #[arg(short, long, value_name = "OUT")]
    output: PathBuf,
}

/// Which signatures to use. Without any of these, those that the environment names, else the built-in ones.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SignatureFiles {
    /// PRONOM signatures to use instead of the built-in ones: XML, or compiled
    #[arg(long, value_name = "FILE")]
    pub(crate) signature_file: Option<PathBuf>,

    /// Container signatures that belong to them (XML)
    #[arg(long, value_name = "XML", requires = "signature_file")]
    pub(crate) container_signature_file: Option<PathBuf>,

    /// Use the signatures that this data folder uses
    #[arg(long, value_name = "DIR", conflicts_with = "signature_file")]
    pub(crate) data: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) async fn run(command: &Command, screen: &Screen) -> Result<Outcome, Failure> {
    match command {
        Command::List(arguments) => list::run(arguments)?,
        Command::Update(arguments) => update::run(arguments, screen).await?,
        Command::Formats(files) => formats(files)?,
        Command::Compile(arguments) => compile(arguments)?,
    }
    Ok(Outcome::Good)
}

/// The signatures that were asked for.
pub(crate) fn load(files: &SignatureFiles) -> Result<InUse, Failure> {
    let named = files
        .signature_file
        .as_ref()
        .map(|binary| settings::SignatureFiles {
            binary: binary.clone(),
            container: files.container_signature_file.clone(),
        });
    let named = match named {
        Some(named) => Some(named),
        None => system::configured_signatures()?,
    };
    match (&files.data, named) {
        (Some(data), named) => signature_store::in_use(data, named.as_ref()),
        (None, Some(named)) => signature_store::in_use(Path::new("."), Some(&named)),
        (None, None) => Ok(signature_store::built_in()),
    }
    .map_err(|error| unusable(&error))
}

/// In a line for people: which signatures, of when, from where.
pub(crate) fn described(in_use: &InUse) -> String {
    let signatures = in_use.signatures;
    let of = created(in_use).map_or_else(String::new, |date| format!(" of {date}"));
    let container = match signatures.container_version() {
        "" => "none".to_owned(),
        version => version.to_owned(),
    };
    let source = in_use.source.to_string();
    format!(
        "PRONOM {}{of}, container signatures {}, {}",
        plain(signatures.version()),
        plain(&container),
        plain(&source)
    )
}

/// When the binary signatures were made.
pub(crate) fn created(in_use: &InUse) -> Option<NaiveDate> {
    let date = in_use.signatures.created().get(..10)?;
    NaiveDate::parse_from_str(date, "%Y-%m-%d").ok()
}

/// What is to be said of signatures that are more than a year old.
pub(crate) fn aged(in_use: &InUse, now: DateTime<Utc>) -> Option<String> {
    let date = created(in_use)?;
    let old = date.checked_add_months(Months::new(12))? < now.date_naive();
    old.then(|| {
        format!(
            "the PRONOM signatures in use ({}) are of {date}, more than a year old, so that newer formats are not \
             recognised: `muniment signatures update` fetches the newest",
            plain(in_use.signatures.version())
        )
    })
}

fn formats(files: &SignatureFiles) -> Result<(), Failure> {
    for format in load(files)?.signatures.formats() {
        output::line(format_args!(
            "{}\t{}\t{}\t{}",
            plain(&format.puid),
            plain(&format.name),
            plain(&format.version),
            plain(&format.mime)
        ))?;
    }
    Ok(())
}

fn compile(arguments: &Compile) -> Result<(), Failure> {
    let container = arguments.container_signature_file.as_deref();
    let not_loaded = |error| unusable(&signature_store::Error::Load(error));
    let bytes = pronom::compile(&arguments.signature_file, container).map_err(not_loaded)?;
    let signatures = pronom::Signatures::from_compiled(&bytes).map_err(not_loaded)?;
    write(&arguments.output, &bytes)?;
    output::line(format_args!(
        "{}: PRONOM {}, {}, {}",
        plain(&arguments.output.to_string_lossy()),
        plain(signatures.version()),
        counted(signatures.formats().len() as u64, "format"),
        size(bytes.len() as u64)
    ))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = std::fs::File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(|error| {
        Failure::new(format!(
            "{} cannot be written: {}",
            plain(&path.to_string_lossy()),
            io_reason(&error)
        ))
    })
}

fn unusable(error: &signature_store::Error) -> Failure {
    Failure::new(plain(&chain(error)).into_owned())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use chrono::TimeZone;
    use muniment::signature_store::Source;

    use super::*;

    fn files(path: &Path) -> SignatureFiles {
        SignatureFiles {
            signature_file: Some(path.to_owned()),
            ..SignatureFiles::default()
        }
    }

    #[test]
    fn without_a_file_the_built_in_signatures_are_used() {
        let found = load(&SignatureFiles::default()).unwrap();
        assert_eq!(found.source, Source::BuiltIn);
    }

    #[test]
    fn what_are_no_signatures_is_said_with_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("wrong.xml");
        std::fs::write(&path, "<wrong/>").unwrap();
        for wrong in [path, folder.path().join("absent.xml")] {
            let failure = load(&files(&wrong)).unwrap_err().to_string();
            let name = wrong.file_name().unwrap().to_str().unwrap();
            assert!(failure.contains(name), "{failure}");
        }
    }

    #[test]
    fn signatures_of_more_than_a_year_ago_are_said_to_be_old() {
        let built_in = signature_store::built_in();
        let at = |year, month, day| Utc.with_ymd_and_hms(year, month, day, 0, 0, 0).unwrap();
        assert_eq!(aged(&built_in, at(2023, 11, 1)), None);
        let said = aged(&built_in, at(2023, 11, 2)).unwrap();
        assert!(
            said.contains("V109") && said.contains("2022-11-01"),
            "{said}"
        );
        assert_eq!(
            described(&built_in),
            "PRONOM V109 of 2022-11-01, container signatures 20200121, built in"
        );
    }
}
