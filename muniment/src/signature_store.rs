//! Which PRONOM signatures files are identified with, and the ones that a data folder keeps.
//!
//! Owns the folder `signatures` of a data folder: a folder for each pair of files that was installed, as The
//! National Archives published it, and `current`, which names the one in use. Does not own where a pair comes
//! from (`muniment signatures update`) or what it says (`pronom`).
//!
//! Always: `current` changes in one step, after everything that it names is on the disk, so that a crash leaves
//! the pair that was in use; a pair that cannot be read, or is older than the one in use, does not replace it.

use std::{
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use pronom::{LoadError, Signatures};

const FOLDER: &str = "signatures";
const CURRENT: &str = "current";
const LOCK: &str = "lock";
const STAGING: &str = ".new-";
/// Signature files have 4 MB at most; what is much larger is something else.
pub const LARGEST: u64 = 64 << 20;

/// Signature files that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The binary signatures: XML, or what `muniment signatures compile` wrote.
    pub binary: PathBuf,
    /// The container signatures (XML).
    pub container: Option<PathBuf>,
}

/// A pair to install, as it was published.
#[derive(Debug, Clone)]
pub struct NewPair {
    /// The binary signature file.
    pub binary: Vec<u8>,
    /// The container signature file.
    pub container: Vec<u8>,
    /// The date that the container signature file goes by (`20260119`), where it is known: it does not say itself.
    pub container_date: Option<String>,
}

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

/// What became of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// It is in use from the next start on.
    New,
    /// The same files were in use already.
    AlreadyInUse,
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
pub fn in_use(data: &Path, settings: Option<&Files>) -> Result<InUse, Error> {
    let (files, source) = if let Some(files) = settings {
        (files.clone(), Source::Settings(files.binary.clone()))
    } else if let Some((folder, files)) = current(data)? {
        (files, Source::DataFolder(folder))
    } else {
        return Ok(built_in());
    };
    let signatures: &'static Signatures = Box::leak(Box::new(load(&files)?));
    Ok(InUse { signatures, source })
}

/// The signatures that are part of the program.
pub fn built_in() -> InUse {
    InUse {
        signatures: Signatures::builtin(),
        source: Source::BuiltIn,
    }
}

/// Reads signatures, from XML or compiled.
pub fn load(files: &Files) -> Result<Signatures, Error> {
    let container = files.container.as_deref();
    Ok(match compiled(&files.binary)? {
        Some(_) if container.is_some() => {
            return Err(Error::Wrong(
                "compiled signatures hold their container signatures: leave the container signature file out"
                    .to_owned(),
            ));
        }
        Some(bytes) => Signatures::from_compiled(&bytes)?,
        None => Signatures::load(&files.binary, container)?,
    })
}

/// The bytes of a file that is not XML.
fn compiled(path: &Path) -> Result<Option<Vec<u8>>, Error> {
    let size = path.metadata().map_err(at(path))?.len();
    if size > LARGEST {
        return Err(Error::Wrong(format!(
            "{}: {size} bytes are more than a signature file has",
            path.display()
        )));
    }
    let bytes = fs::read(path).map_err(at(path))?;
    Ok(bytes.starts_with(b"PRONOM\0").then_some(bytes))
}

/// The pair that a data folder has in use, and its folder.
pub fn current(data: &Path) -> Result<Option<(PathBuf, Files)>, Error> {
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
    Ok(Some((folder, Files { binary, container })))
}

/// Makes a pair the one in use from the next start on, if it is good and not older than the one that is.
/// With `force`, an older one too.
pub fn install(data: &Path, pair: &NewPair, force: bool) -> Result<(Installed, InUse), Error> {
    let folder = data.join(FOLDER);
    fs::create_dir_all(&folder).map_err(at(&folder))?;
    let _lock = lock(&folder)?;
    remove_leftovers(&folder)?;
    let staging = tempfile::Builder::new()
        .prefix(STAGING)
        .tempdir_in(&folder)
        .map_err(at(&folder))?;
    let (name, signatures) = stage(staging.path(), pair)?;
    // What cannot be read is what an update repairs.
    if let Ok(before) = &in_use(data, None) {
        if same_files(data, staging.path())? {
            return Ok((Installed::AlreadyInUse, before.clone()));
        }
        if !force {
            not_older(&signatures, before.signatures)?;
        }
    }
    let target = free_name(&folder, &name)?;
    sync(staging.path())?;
    fs::rename(staging.path(), &target).map_err(at(&target))?;
    // It has moved: there is nothing to remove.
    drop(staging.keep());
    sync(&folder)?;
    point(&folder, &target)?;
    let signatures: &'static Signatures = Box::leak(Box::new(signatures));
    let source = Source::DataFolder(target);
    Ok((Installed::New, InUse { signatures, source }))
}

/// Writes the pair down and reads it again from there. Answers the name of its versions.
fn stage(staging: &Path, pair: &NewPair) -> Result<(String, Signatures), Error> {
    let first = staging.join("binary.xml");
    write(&first, &pair.binary)?;
    let container_name = match &pair.container_date {
        Some(date) if is_date(date) => format!("container-signature-{date}.xml"),
        _ => "container-signature.xml".to_owned(),
    };
    let container = staging.join(container_name);
    write(&container, &pair.container)?;
    let signatures = Signatures::load(&first, Some(&container)).map_err(named)?;
    let (version, containers) = (signatures.version(), signatures.container_version());
    // They become names of files.
    let number = version.strip_prefix('V').and_then(numeral);
    if number.is_none() || numeral(containers).is_none() {
        return Err(Error::Wrong(format!(
            "{version:?} and {containers:?} are no versions of signature files"
        )));
    }
    if signatures.formats().is_empty() || signatures.counts().0 == 0 || signatures.counts().1 == 0 {
        return Err(Error::Wrong(
            "there are no signatures in the files".to_owned(),
        ));
    }
    let binary = staging.join(format!("DROID_SignatureFile_{version}.xml"));
    fs::rename(&first, &binary).map_err(at(&binary))?;
    Ok((format!("{version}-{containers}"), signatures))
}

/// A file that is in a folder for a moment only is told by what it is.
fn named(error: LoadError) -> Error {
    match error {
        LoadError::Syntax {
            file,
            line,
            problem,
        } => {
            let what = if file.ends_with("binary.xml") {
                "binary"
            } else {
                "container"
            };
            Error::Wrong(format!(
                "the {what} signature file is not understood: line {line}: {problem}"
            ))
        }
        error => Error::Load(error),
    }
}

fn numeral(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|digit| digit.is_ascii_digit());
    text.parse().ok().filter(|_| digits)
}

/// Whether it reads as `20260119`.
pub fn is_date(text: &str) -> bool {
    text.len() == 8 && numeral(text).is_some()
}

fn not_older(new: &Signatures, old: &Signatures) -> Result<(), Error> {
    let number = |signatures: &Signatures| signatures.version().strip_prefix('V').and_then(numeral);
    let older = |new: String, old: String| Err(Error::Older { new, old });
    if number(new) < number(old) {
        return older(
            format!("PRONOM {}", new.version()),
            format!("PRONOM {}", old.version()),
        );
    }
    let (ours, theirs) = (new.container_version(), old.container_version());
    if is_date(ours) && is_date(theirs) && ours < theirs {
        return older(
            format!("the container signature file of {ours}"),
            format!("that of {theirs}"),
        );
    }
    Ok(())
}

/// Whether the pair in use has the same bytes.
fn same_files(data: &Path, staging: &Path) -> Result<bool, Error> {
    let Ok(Some((folder, _))) = current(data) else {
        return Ok(false);
    };
    let content = |folder: &Path| -> Result<Vec<(std::ffi::OsString, Vec<u8>)>, Error> {
        let mut files = Vec::new();
        for entry in fs::read_dir(folder).map_err(at(folder))? {
            let entry = entry.map_err(at(folder))?;
            let path = entry.path();
            files.push((entry.file_name(), fs::read(&path).map_err(at(&path))?));
        }
        files.sort();
        Ok(files)
    };
    Ok(content(&folder)? == content(staging)?)
}

/// A pair that was published again under the same version gets a name of its own.
fn free_name(folder: &Path, name: &str) -> Result<PathBuf, Error> {
    let mut target = folder.join(name);
    let mut number = 1;
    while target.try_exists().map_err(at(&target))? {
        number += 1;
        target = folder.join(format!("{name}.{number}"));
    }
    Ok(target)
}

fn point(folder: &Path, target: &Path) -> Result<(), Error> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let new = folder.join(format!("{STAGING}{CURRENT}"));
    write(&new, format!("{name}\n").as_bytes())?;
    let pointer = folder.join(CURRENT);
    fs::rename(&new, &pointer).map_err(at(&pointer))?;
    sync(folder)
}

/// What a process left that ended in the middle.
fn remove_leftovers(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(at(folder))? {
        let entry = entry.map_err(at(folder))?;
        if entry.file_name().to_string_lossy().starts_with(STAGING) {
            let path = entry.path();
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.map_err(at(&path))?;
        }
    }
    Ok(())
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(LOCK);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(at(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(Error::Wrong(format!(
            "another update of {} is under way",
            folder.display()
        ))),
        Err(TryLockError::Error(error)) => Err(at(&path)(error)),
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(at(path))
}

/// What a folder lists is on the disk, where folders can be synchronised.
fn sync(folder: &Path) -> Result<(), Error> {
    if cfg!(unix) {
        File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(at(folder))?;
    }
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_owned();
    move |error| Error::File { path, error }
}

#[cfg(test)]
mod tests;
