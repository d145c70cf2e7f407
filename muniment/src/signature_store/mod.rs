//! Which PRONOM signatures files are identified with, and the ones that a data folder keeps.
//!
//! Owns the folder `signatures` of a data folder: a folder for each pair of files that was installed, as The
//! National Archives published it, and `current`, which names the one in use. Does not own where a pair comes
//! from (`muniment signatures update`) or what it says (`pronom`).
//!
//! Always: `current` changes in one step, after everything that it names is on the disk (`install`).

mod install;
#[cfg(test)]
mod tests;

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use pronom::{LoadError, Signatures};
use worker::settings::SignatureFiles;

pub use install::{Installed, NewPair, install};

const FOLDER: &str = "signatures";
const CURRENT: &str = "current";
/// Signature files have 4 MB at most; what is much larger is something else.
pub const LARGEST: u64 = 64 << 20;

/// Where the signatures in use come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Settings name them.
    Settings(PathBuf),
    /// The data folder keeps them, there.
    DataFolder(PathBuf),
    /// They are part of the program.
    BuiltIn,
}

/// The signatures in use.
#[derive(Debug, Clone)]
pub struct InUse {
    /// Them.
    pub signatures: &'static Signatures,
    /// Where they come from.
    pub source: Source,
}

/// Why signatures cannot be used or installed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read or written.
    #[error("{}: {error}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// The signatures are not understood.
    #[error("the signatures could not be loaded: {0}")]
    Load(#[from] LoadError),
    /// Something else is wrong with them, or with the folder.
    #[error("{0}")]
    Wrong(String),
    /// They are older than what is in use.
    #[error("{new} is older than {old}, which is in use")]
    Older {
        /// What was to be installed.
        new: String,
        /// What is in use.
        old: String,
    },
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Settings(path) | Self::DataFolder(path) => path.display().fmt(f),
            Self::BuiltIn => f.write_str("built in"),
        }
    }
}

/// What identifies files over this data folder: the files that settings name, else the data folder's own, else
/// the built-in signatures. What is loaded stays for as long as the process runs.
pub fn in_use(data: &Path, settings: Option<&SignatureFiles>) -> Result<InUse, Error> {
    let (files, source) = if let Some(files) = settings {
        (files.clone(), Source::Settings(files.binary.clone()))
    } else if let Some((folder, files)) = current(data)? {
        (files, Source::DataFolder(folder))
    } else {
        return Ok(built_in());
    };
    let signatures: &'static Signatures = Box::leak(Box::new(Signatures::load(
        &files.binary,
        files.container.as_deref(),
    )?));
    Ok(InUse { signatures, source })
}

/// The signatures that are part of the program.
pub fn built_in() -> InUse {
    InUse {
        signatures: Signatures::builtin(),
        source: Source::BuiltIn,
    }
}

/// The pair that a data folder has in use, and its folder.
pub fn current(data: &Path) -> Result<Option<(PathBuf, SignatureFiles)>, Error> {
    let pointer = data.join(FOLDER).join(CURRENT);
    let name = match fs::read_to_string(&pointer) {
        Ok(name) => name,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(&pointer)(error)),
    };
    let name = name.trim();
    let plain = !name.is_empty() && !name.contains(['/', '\\']) && !name.starts_with('.');
    if !plain {
        return Err(Error::Wrong(format!(
            "{} does not name a folder beside it",
            pointer.display()
        )));
    }
    let folder = data.join(FOLDER).join(name);
    let (mut binary, mut container) = (None, None);
    for entry in fs::read_dir(&folder).map_err(at(&folder))? {
        let path = entry.map_err(at(&folder))?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with("DROID_SignatureFile") {
            binary = Some(path);
        } else if name.starts_with("container-signature") {
            container = Some(path);
        }
    }
    let Some(binary) = binary else {
        return Err(Error::Wrong(format!(
            "{} holds no DROID_SignatureFile",
            folder.display()
        )));
    };
    Ok(Some((folder, SignatureFiles { binary, container })))
}

fn numeral(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Whether it reads as `20260119`.
pub fn is_date(text: &str) -> bool {
    text.len() == 8 && numeral(text).is_some()
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::File { path, error }
}
