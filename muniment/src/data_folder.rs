//! The folder that an embedded system lives in.
//!
//! Owns its creation, its lock and its version. Does not own what the system keeps in it
//! (`system`).
//!
//! Always: one process at a time has a [`DataFolder`]; a folder of a newer version, or one that
//! holds something else, is left untouched.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::failure::{Failure, io_reason};
use crate::text::plain;

/// The version of the folder's layout that this program writes and the newest that it reads.
const VERSION: u32 = 1;
const VERSION_FILE: &str = "VERSION";
const LOCK_FILE: &str = "lock";

/// A data folder that belongs to this process until it is dropped.
#[derive(Debug)]
pub(crate) struct DataFolder {
    path: PathBuf,
    // Held, not read: the operating system gives the lock back when the file is closed,
    // also when the process is killed.
    _lock: File,
}

impl DataFolder {
    /// Takes the folder for this process, and makes it if it is not there.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        create(path).map_err(|error| trouble(path, "could not be created", &error))?;
        // Before anything is written: somebody else's folder stays as it is.
        if read_version(path)?.is_none() {
            must_be_empty(path)?;
            tighten(path)
                .map_err(|error| trouble(path, "could not be closed to others", &error))?;
        }
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(|error| trouble(path, "cannot be written to", &error))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(path)),
            Err(TryLockError::Error(error)) => {
                return Err(trouble(path, "could not be locked", &error));
            }
        }
        // Again, with the lock: another process may have been first.
        if read_version(path)?.is_none() {
            write_version(path).map_err(|error| trouble(path, "cannot be written to", &error))?;
        }
        Ok(Self {
            path: path.to_owned(),
            _lock: lock,
        })
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes a folder a data folder if it is none yet; one that another process is using stays as it is.
pub(crate) fn prepare(path: &Path) -> Result<(), Failure> {
    match read_version(path)? {
        Some(_) => Ok(()),
        None => DataFolder::open(path).map(drop),
    }
}

/// Looks at a folder that another process may be using: it must be there, and of a version that
/// this program understands.
pub(crate) fn check(path: &Path) -> Result<(), Failure> {
    match read_version(path)? {
        Some(_) => Ok(()),
        None => Err(
            Failure::new(format!("{} is no Muniment data folder", shown(path)))
                .hint("`muniment serve` and `muniment transfer` make one; name it with --data"),
        ),
    }
}

/// The folder holds the key that tokens are signed with.
#[cfg(unix)]
const OWNER_ONLY: u32 = 0o700;

/// Closes a folder to others that was there before, empty.
#[cfg(unix)]
fn tighten(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(OWNER_ONLY))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn tighten(_: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn create(path: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(OWNER_ONLY)
        .create(path)
}

#[cfg(not(unix))]
fn create(path: &Path) -> std::io::Result<()> {
    fs::create_dir_all(path)
}

fn read_version(path: &Path) -> Result<Option<u32>, Failure> {
    let text = match fs::read_to_string(path.join(VERSION_FILE)) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(trouble(path, "could not be read", &error)),
    };
    let version: u32 = text.trim().parse().map_err(|_| {
        Failure::new(format!(
            "the version of the data folder {} is not a number",
            shown(path)
        ))
    })?;
    if version > VERSION {
        return Err(Failure::new(format!(
            "the data folder {} is of version {version}, newer than this program understands ({VERSION})",
            shown(path)
        ))
        .hint("use the newer program, or another folder with --data"));
    }
    Ok(Some(version))
}

fn must_be_empty(path: &Path) -> Result<(), Failure> {
    let entries = fs::read_dir(path).map_err(|error| trouble(path, "could not be read", &error))?;
    for entry in entries {
        let entry = entry.map_err(|error| trouble(path, "could not be read", &error))?;
        let name = entry.file_name();
        let ours = name == LOCK_FILE || name.to_string_lossy().starts_with(VERSION_FILE);
        // What a fresh file system has at its root is nobody's.
        let ours = ours || name == "lost+found";
        if !ours {
            return Err(Failure::new(format!(
                "the folder {} holds something else ({}), so it is not taken as a data folder",
                shown(path),
                plain(&name.to_string_lossy())
            ))
            .hint("name an empty or a new folder with --data"));
        }
    }
    Ok(())
}

fn write_version(path: &Path) -> std::io::Result<()> {
    let temporary = path.join(format!("{VERSION_FILE}.new"));
    let mut file = File::create(&temporary)?;
    writeln!(file, "{VERSION}")?;
    file.sync_all()?;
    fs::rename(temporary, path.join(VERSION_FILE))
}

fn in_use(path: &Path) -> Failure {
    Failure::new(format!(
        "the data folder {} is in use by another process",
        shown(path)
    ))
    .hint(
        "a `muniment serve` or `muniment transfer` is running on it: wait for it, stop it, \
         use it with --server and --token, or name another folder with --data",
    )
}

fn trouble(path: &Path, what: &str, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "the data folder {} {what}: {}",
        shown(path),
        io_reason(error)
    ))
}

fn shown(path: &Path) -> String {
    plain(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    fn message(result: Result<DataFolder, Failure>) -> String {
        result.err().unwrap().to_string()
    }

    #[test]
    fn a_folder_is_made_and_taken_again_once_it_is_given_back() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deep/data");
        let first = DataFolder::open(&path).unwrap();
        assert_eq!(first.path(), path);
        drop(first);
        assert!(DataFolder::open(&path).is_ok());
    }

    #[test]
    fn a_folder_in_use_is_refused_and_named() {
        let folder = tempfile::tempdir().unwrap();
        let _first = DataFolder::open(folder.path()).unwrap();
        let second = message(DataFolder::open(folder.path()));
        assert!(second.contains("in use by another process"), "{second}");
        assert!(second.contains(folder.path().to_str().unwrap()), "{second}");
        assert!(check(folder.path()).is_ok(), "looking is allowed");
    }

    #[test]
    fn a_newer_folder_is_left_untouched() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("VERSION"), "2\n").unwrap();
        let newer = message(DataFolder::open(folder.path()));
        assert!(newer.contains("version 2, newer"), "{newer}");
        let kept = fs::read_to_string(folder.path().join("VERSION")).unwrap();
        assert_eq!(kept, "2\n");
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_not_taken() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("thesis.doc"), "").unwrap();
        let other = message(DataFolder::open(folder.path()));
        assert!(other.contains("thesis.doc"), "{other}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_fresh_file_system_is_an_empty_folder() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("lost+found")).unwrap();
        assert!(DataFolder::open(folder.path()).is_ok());
    }

    #[cfg(unix)]
    #[test]
    fn an_empty_folder_is_closed_to_others_when_it_is_taken_and_no_other_is() {
        use std::os::unix::fs::PermissionsExt;
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let open = |path: &Path| fs::set_permissions(path, fs::Permissions::from_mode(0o755));
        let folder = tempfile::tempdir().unwrap();
        open(folder.path()).unwrap();
        drop(DataFolder::open(folder.path()).unwrap());
        assert_eq!(mode(folder.path()), OWNER_ONLY);
        // Who opens it again later has a reason.
        open(folder.path()).unwrap();
        drop(DataFolder::open(folder.path()).unwrap());
        assert_eq!(mode(folder.path()), 0o755);
        let other = tempfile::tempdir().unwrap();
        open(other.path()).unwrap();
        fs::write(other.path().join("thesis.doc"), "").unwrap();
        assert!(DataFolder::open(other.path()).is_err());
        assert_eq!(mode(other.path()), 0o755);
    }

    #[test]
    fn a_process_killed_while_it_made_the_folder_does_no_harm() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("VERSION.new"), "").unwrap();
        fs::write(folder.path().join("lock"), "").unwrap();
        assert!(DataFolder::open(folder.path()).is_ok());
    }

    #[test]
    fn a_folder_that_is_not_there_is_no_data_folder() {
        let parent = tempfile::tempdir().unwrap();
        let absent = check(&parent.path().join("absent"));
        assert!(absent.is_err());
    }
}
