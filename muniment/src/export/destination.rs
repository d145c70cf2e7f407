//! The file that a package is saved as.
//!
//! Always: OUT is the old file or the whole new one, never a part of it, whatever dies when; its
//! permissions are those of any new file; what a killed process left is removed by a later one.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::NamedTempFile;

use crate::failure::{Failure, io_reason};
use crate::text::plain;

/// What names of files end in that are being written.
const SUFFIX: &str = ".part";
/// How many letters make such a name unlike any other.
const RANDOM: usize = 6;
/// After so long without a write, nobody writes any more: a server that is away, or a bag that is
/// being made, is waited for at most an hour.
const ABANDONED: Duration = Duration::from_hours(24);

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
        remove_abandoned(out);
        let mut builder = tempfile::Builder::new();
        let prefix = prefix(out);
        builder.prefix(&prefix).suffix(SUFFIX).rand_bytes(RANDOM);
        as_any_new_file(&mut builder);
        let file = builder
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
            file.as_file().sync_all()?;
            file.persist(&out).map_err(|error| error.error)?;
            sync_folder(folder(&out))
        };
        finished().map_err(|error| trouble(&out, &error))
    }
}

/// Temporary files are the owner's only; a package is whose the umask says.
#[cfg(unix)]
fn as_any_new_file(builder: &mut tempfile::Builder<'_, '_>) {
    use std::os::unix::fs::PermissionsExt;
    builder.permissions(std::fs::Permissions::from_mode(0o666));
}

#[cfg(not(unix))]
fn as_any_new_file(_: &mut tempfile::Builder<'_, '_>) {}

/// Removes what processes left that were killed while they wrote to OUT. One that still writes has
/// written lately.
fn remove_abandoned(out: &Path) {
    let Ok(entries) = std::fs::read_dir(folder(out)) else {
        // Beginning the new file says why.
        return;
    };
    for entry in entries
        .flatten()
        .filter(|entry| is_part_of(out, &entry.path()))
    {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let age = written.ok().and_then(|at| at.elapsed().ok());
        if age.is_some_and(|age| age >= ABANDONED) {
            // What cannot be removed does no harm: it is never deposited.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a path is that of a file being written, or left half-written, beside OUT.
pub(crate) fn is_part_of(out: &Path, path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let random = name
        .strip_prefix(&prefix(out))
        .and_then(|rest| rest.strip_suffix(SUFFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

fn prefix(out: &Path) -> String {
    format!(
        ".{}.",
        out.file_name().unwrap_or_default().to_string_lossy()
    )
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

    #[cfg(unix)]
    #[test]
    fn a_bag_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        let (other, out) = (folder.path().join("other"), folder.path().join("out.tar"));
        fs::write(&other, "").unwrap();
        Destination::begin(&out).unwrap().finish().unwrap();
        assert_eq!(mode(&out), mode(&other));
    }

    #[test]
    fn what_a_killed_process_left_long_ago_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let long_ago = std::time::SystemTime::now() - ABANDONED - Duration::from_secs(1);
        for (name, old) in [
            (".out.tar.aB3xY9.part", true),
            (".out.tar.writes.part", false),
            (".out.tar.my own.part", true),
            (".else.tar.aB3xY9.part", true),
        ] {
            let file = File::create(folder.path().join(name)).unwrap();
            if old {
                file.set_modified(long_ago).unwrap();
            }
        }
        check(&folder.path().join("out.tar")).unwrap();
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(
            left,
            [
                ".else.tar.aB3xY9.part",
                ".out.tar.my own.part",
                ".out.tar.writes.part"
            ]
        );
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
