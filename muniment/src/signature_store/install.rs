//! Putting a pair of signature files into a data folder.
//!
//! Always: a crash leaves the pair that was in use; a pair that cannot be read, or is older than the one in use, does
//! not replace it.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions, TryLockError},
    io::Write as _,
    path::{Path, PathBuf},
};

use pronom::{LoadError, Signatures};

use super::{CURRENT, Error, FOLDER, InUse, Source, at, current, in_use, is_date, numeral};

const LOCK: &str = "lock";
pub(super) const STAGING: &str = ".new-";

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

/// What became of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Installed {
    /// It is in use from the next start on.
    New,
    /// The same files were in use already.
    AlreadyInUse,
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
    let content = |folder: &Path| -> Result<Vec<(OsString, Vec<u8>)>, Error> {
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

pub(super) fn lock(folder: &Path) -> Result<File, Error> {
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
