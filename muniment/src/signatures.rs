//! `muniment signatures`: the PRONOM signatures that files are identified with.
//!
//! Owns which signatures a command uses. Does not own them (`pronom`).

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use pronom::Signatures;

use crate::failure::{Failure, Outcome, chain, io_reason};
use crate::output;
use crate::text::{counted, plain, size};

/// Compiled signatures are a few hundred kilobytes; what is larger is something else.
const LARGEST_COMPILED: u64 = 64 * 1024 * 1024;

/// The options of `muniment signatures`.
#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Command {
    /// Print the formats that are known: identifier, name, version and MIME type, tab-separated
    #[command(after_help = "\
Example:
  muniment signatures list | grep -i pdf")]
    List(SignatureFiles),

    /// Write official signature files in the compact form that loads at once
    #[command(after_help = "\
Example:
  muniment signatures compile --signature-file DROID_SignatureFile_V122.xml \\
    --container-signature-file container-signature-20240715.xml -o v122.bin")]
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

/// Which signatures to use.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SignatureFiles {
    /// PRONOM signatures to use instead of the built-in ones: XML, or compiled
    #[arg(long, value_name = "FILE")]
    signature_file: Option<PathBuf>,

    /// Container signatures that belong to them (XML)
    #[arg(long, value_name = "XML", requires = "signature_file")]
    container_signature_file: Option<PathBuf>,
}

/// Carries the command out.
pub(crate) fn run(command: &Command) -> Result<Outcome, Failure> {
    match command {
        Command::List(files) => list(files)?,
        Command::Compile(arguments) => compile(arguments)?,
    }
    Ok(Outcome::Good)
}

/// The signatures that were asked for; nothing if none were.
pub(crate) fn load(files: &SignatureFiles) -> Result<Option<Signatures>, Failure> {
    let Some(binary) = &files.signature_file else {
        return Ok(None);
    };
    let container = files.container_signature_file.as_deref();
    let loaded = match compiled(binary)? {
        Some(_) if container.is_some() => {
            return Err(Failure::new(
                "compiled signatures hold their container signatures: leave out --container-signature-file",
            ));
        }
        Some(bytes) => Signatures::from_compiled(&bytes),
        None => Signatures::load(binary, container),
    };
    loaded.map(Some).map_err(|error| not_loaded(&error))
}

fn list(files: &SignatureFiles) -> Result<(), Failure> {
    let loaded = load(files)?;
    let signatures = loaded.as_ref().unwrap_or_else(|| Signatures::builtin());
    for format in signatures.formats() {
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
    let bytes = pronom::compile(&arguments.signature_file, container)
        .map_err(|error| not_loaded(&error))?;
    let signatures = Signatures::from_compiled(&bytes).map_err(|error| not_loaded(&error))?;
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

/// The bytes of a file that is not XML.
fn compiled(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    let trouble = |why: String| {
        Failure::new(format!(
            "the signatures {} cannot be read: {why}",
            plain(&path.to_string_lossy())
        ))
    };
    let metadata = path
        .metadata()
        .map_err(|error| trouble(io_reason(&error)))?;
    if metadata.len() > LARGEST_COMPILED {
        return Err(trouble("it is too large".to_owned()));
    }
    let bytes = std::fs::read(path).map_err(|error| trouble(io_reason(&error)))?;
    Ok(bytes.starts_with(b"PRONOM\0").then_some(bytes))
}

fn not_loaded(error: &pronom::LoadError) -> Failure {
    Failure::new(format!(
        "the signatures could not be loaded: {}",
        plain(&chain(error))
    ))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    fn files(path: &Path) -> SignatureFiles {
        SignatureFiles {
            signature_file: Some(path.to_owned()),
            container_signature_file: None,
        }
    }

    #[test]
    fn without_a_file_the_built_in_signatures_are_used() {
        assert!(load(&SignatureFiles::default()).unwrap().is_none());
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
}
