//! The file that a package is saved as.
//!
//! Always: OUT is the old file or the whole new one, never a part of it, whatever dies when.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::{Failure, io_reason};
use crate::text::plain;

/// Whether a package can be saved there: said before the work, not after it.
pub(crate) fn check(out: &Path) -> Result<(), Failure> {
    if out.is_dir() {
        return Err(Failure::new(format!("{} is a folder", shown(out)))
            .hint("name a file, such as out.tar"));
    }
    if out.file_name().is_none() {
        return Err(Failure::new(format!(
            "{} is no name for a file",
            shown(out)
        )));
    }
    Destination::begin(out).map(drop)
}

/// A file that is being written, beside the one that it will be.
#[derive(Debug)]
pub(crate) struct Destination {
    out: PathBuf,
    file: NamedTempFile,
}

impl Destination {
    /// Begins a new file. It goes away again unless it is [finished](Self::finish).
    pub(crate) fn begin(out: &Path) -> Result<Self, Failure> {
        let name = out.file_name().unwrap_or_default().to_string_lossy();
        let file = tempfile::Builder::new()
            .prefix(&format!(".{name}."))
            .suffix(".part")
            .tempfile_in(folder(out))
            .map_err(|error| trouble(out, &error))?;
        Ok(Self {
            out: out.to_owned(),
            file,
        })
    }

    /// Appends bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.file
            .write_all(bytes)
            .map_err(|error| trouble(&self.out, &error))
    }

    /// Forgets what was written.
    pub(crate) fn restart(&mut self) -> Result<(), Failure> {
        *self = Self::begin(&self.out)?;
        Ok(())
    }

    /// Makes it the file that it was to be, durably.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        let Self { out, file } = self;
        let finished = || {
            allow_reading(file.as_file())?;
            file.as_file().sync_all()?;
            file.persist(&out).map_err(|error| error.error)?;
            sync_folder(folder(&out))
        };
        finished().map_err(|error| trouble(&out, &error))
    }
}

/// Temporary files are the owner's only; a package has the permissions of any new file.
#[cfg(unix)]
fn allow_reading(file: &File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn allow_reading(_: &File) -> std::io::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "it can fail elsewhere")]
fn sync_folder(_: &Path) -> std::io::Result<()> {
    Ok(())
}

fn folder(out: &Path) -> &Path {
    match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn trouble(out: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!(
        "{} cannot be written: {}",
        shown(out),
        io_reason(error)
    ))
}

fn shown(path: &Path) -> String {
    plain(&path.to_string_lossy()).into_owned()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::fs;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn the_old_file_stays_until_the_new_one_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.tar");
        fs::write(&out, "old").unwrap();
        let mut destination = Destination::begin(&out).unwrap();
        destination.write(b"new").unwrap();
        assert_eq!(fs::read(&out).unwrap(), b"old");
        destination.finish().unwrap();
        assert_eq!(fs::read(&out).unwrap(), b"new");
        assert_eq!(names(folder.path()), ["out.tar"]);
    }

    #[test]
    fn what_is_given_up_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.tar");
        let mut destination = Destination::begin(&out).unwrap();
        destination.write(b"half").unwrap();
        drop(destination);
        assert!(names(folder.path()).is_empty());
    }

    #[test]
    fn a_fresh_start_forgets_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.tar");
        let mut destination = Destination::begin(&out).unwrap();
        destination.write(b"half").unwrap();
        destination.restart().unwrap();
        destination.write(b"whole").unwrap();
        destination.finish().unwrap();
        assert_eq!(fs::read(&out).unwrap(), b"whole");
    }

    #[test]
    fn where_nothing_can_be_written_is_said_before_the_work() {
        let folder = tempfile::tempdir().unwrap();
        assert!(check(&folder.path().join("out.tar")).is_ok());
        assert!(names(folder.path()).is_empty());
        for wrong in [
            folder.path().to_owned(),
            folder.path().join("absent/out.tar"),
        ] {
            assert!(check(&wrong).is_err());
        }
    }
}
