//! Which files of a folder are transferred.
//!
//! Owns the order, what is left out, and why. Does not own reading the files.
//!
//! Always: the order is the same on every run; nothing is left out silently; a link is never
//! followed, so nothing outside the folder is read.

use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use super::names;
use crate::export;
use crate::failure::io_reason;

/// Files that systems put into folders by themselves.
const SYSTEM_FILES: [&str; 3] = ["Thumbs.db", "desktop.ini", ".DS_Store"];

/// A file to transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    /// Its path as the record has it.
    pub(crate) path: String,
    /// The bytes of the path in hexadecimal, where they are no UTF-8.
    pub(crate) raw_path: Option<String>,
    /// Where it is.
    pub(crate) file: PathBuf,
    /// Its length, for progress.
    pub(crate) size: u64,
}

/// Something that is not transferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Its path as a record would have it.
    pub(crate) path: String,
    /// Why.
    pub(crate) reason: Reason,
}

/// Why something is not transferred.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reason {
    /// It is a link, and links are not followed.
    SymbolicLink,
    /// It is a pipe, a socket or a device.
    NotAFile,
    /// A system made it by itself.
    SystemFile,
    /// It is this program's own.
    Own(&'static str),
    /// It cannot be read.
    Unreadable(String),
    /// It is not UTF-8, and what it would be called is the name of another.
    NameTaken,
}

impl Reason {
    /// Whether something that the user wanted is missing.
    pub(crate) fn is_serious(&self) -> bool {
        match self {
            Self::Unreadable(_) | Self::NameTaken => true,
            Self::SymbolicLink | Self::NotAFile | Self::SystemFile | Self::Own(_) => false,
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SymbolicLink => f.write_str("a symbolic link; links are not followed"),
            Self::NotAFile => f.write_str("neither a file nor a folder"),
            Self::SystemFile => f.write_str("made by the system for itself"),
            Self::Own(what) => f.write_str(what),
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
            Self::NameTaken => f.write_str("its name is not UTF-8, and spelt out it is another's"),
        }
    }
}

/// One thing in a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// It is transferred.
    File(Found),
    /// It is not.
    LeftOut(LeftOut),
}

/// A folder to transfer.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    root: PathBuf,
    own: Vec<(PathBuf, &'static str)>,
    bag: Option<PathBuf>,
}

impl Folder {
    /// A folder by its canonical path.
    pub(crate) fn new(root: PathBuf) -> Self {
        Self {
            root,
            own: Vec::new(),
            bag: None,
        }
    }

    /// Leaves out something of this program's own, if it lies in the folder.
    #[must_use]
    pub(crate) fn without(mut self, path: &Path, what: &'static str) -> Self {
        if let Some(path) = canonical(path) {
            self.own.push((path, what));
        }
        self
    }

    /// Leaves out the bag that is written, and what killed processes left of it.
    #[must_use]
    pub(crate) fn without_bag(mut self, bag: &Path) -> Self {
        self.bag = canonical(bag);
        self.without(bag, "the bag that is written")
    }

    /// Everything in it, in the order of the names.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        let mut walk = WalkDir::new(&self.root)
            .min_depth(1)
            .sort_by_file_name()
            .into_iter();
        std::iter::from_fn(move || {
            loop {
                return Some(match walk.next()? {
                    Ok(entry) => {
                        if let Some(what) = self.own(&entry) {
                            if entry.file_type().is_dir() {
                                walk.skip_current_dir();
                            }
                            self.left_out(entry.path(), Reason::Own(what))
                        } else if entry.file_type().is_dir() {
                            continue;
                        } else {
                            self.entry(&entry)
                        }
                    }
                    Err(error) => self.unreadable(&error),
                });
            }
        })
    }

    fn own(&self, entry: &DirEntry) -> Option<&'static str> {
        let known = self.own.iter().find(|(path, _)| path == entry.path());
        known.map(|(_, what)| *what).or_else(|| {
            let bag = self.bag.as_ref()?;
            let beside = entry.path().parent() == bag.parent();
            (beside && export::is_part_of(bag, entry.path())).then_some("left of an unfinished bag")
        })
    }

    fn entry(&self, entry: &DirEntry) -> Entry {
        let path = entry.path();
        let kind = entry.file_type();
        let name = entry.file_name();
        if kind.is_symlink() {
            return self.left_out(path, Reason::SymbolicLink);
        }
        if !kind.is_file() {
            return self.left_out(path, Reason::NotAFile);
        }
        if SYSTEM_FILES
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
        {
            return self.left_out(path, Reason::SystemFile);
        }
        let size = match entry.metadata() {
            Ok(metadata) => metadata.len(),
            Err(error) => return self.unreadable(&error),
        };
        let spelling = names::spell(&self.root, self.relative(path));
        if spelling.clashes {
            return self.left_out(path, Reason::NameTaken);
        }
        Entry::File(Found {
            path: spelling.path,
            raw_path: spelling.raw,
            file: path.to_owned(),
            size,
        })
    }

    fn relative<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    fn left_out(&self, path: &Path, reason: Reason) -> Entry {
        let path = names::spell(&self.root, self.relative(path)).path;
        Entry::LeftOut(LeftOut { path, reason })
    }

    fn unreadable(&self, error: &walkdir::Error) -> Entry {
        let why = error
            .io_error()
            .map_or_else(|| error.to_string(), io_reason);
        let path = error.path().unwrap_or(&self.root);
        self.left_out(path, Reason::Unreadable(why))
    }
}

/// The canonical path of what may not be there yet.
fn canonical(path: &Path) -> Option<PathBuf> {
    if let Ok(path) = path.canonicalize() {
        return Some(path);
    }
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Some(parent.canonicalize().ok()?.join(path.file_name()?))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::fs;

    use super::*;

    fn folder(files: &[&str]) -> (tempfile::TempDir, Folder) {
        let root = tempfile::tempdir().unwrap();
        for file in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, file).unwrap();
        }
        let folder = Folder::new(root.path().canonicalize().unwrap());
        (root, folder)
    }

    fn found(folder: &Folder) -> Vec<String> {
        let entries = folder.entries();
        entries
            .filter_map(|entry| match entry {
                Entry::File(found) => Some(found.path),
                Entry::LeftOut(_) => None,
            })
            .collect()
    }

    fn left_out(folder: &Folder) -> Vec<(String, Reason)> {
        let entries = folder.entries();
        entries
            .filter_map(|entry| match entry {
                Entry::LeftOut(left) => Some((left.path, left.reason)),
                Entry::File(_) => None,
            })
            .collect()
    }

    #[test]
    fn files_come_in_the_order_of_their_names() {
        let (_root, folder) = folder(&["b.txt", "a/z.txt", "a/y/x.txt", "c d/é.txt"]);
        assert_eq!(
            found(&folder),
            ["a/y/x.txt", "a/z.txt", "b.txt", "c d/é.txt"]
        );
    }

    #[test]
    fn what_a_system_made_for_itself_is_left_out_and_said() {
        let (_root, folder) = folder(&["a/.DS_Store", "a/thumbs.db", "desktop.ini", "a/mine.db"]);
        assert_eq!(found(&folder), ["a/mine.db"]);
        let left = left_out(&folder);
        assert_eq!(left.len(), 3);
        assert!(left.iter().all(|(_, why)| *why == Reason::SystemFile));
    }

    #[test]
    fn the_data_folder_and_the_bag_are_not_part_of_the_transfer() {
        let (root, folder) = folder(&["data/muniment.db", "data/objects/1", "out.tar", "a.txt"]);
        let folder = folder
            .without(&root.path().join("data"), "the data folder")
            .without(&root.path().join("out.tar"), "the bag");
        assert_eq!(found(&folder), ["a.txt"]);
        assert_eq!(
            left_out(&folder),
            [
                ("data".to_owned(), Reason::Own("the data folder")),
                ("out.tar".to_owned(), Reason::Own("the bag")),
            ]
        );
    }

    #[test]
    fn what_a_killed_process_left_of_the_bag_is_not_part_of_the_transfer() {
        let part = ".out.tar.aB3xY9.part";
        let (root, folder) = folder(&[part, "deep/.out.tar.aB3xY9.part", "a.txt"]);
        let folder = folder.without_bag(&root.path().join("out.tar"));
        assert_eq!(found(&folder), ["a.txt", "deep/.out.tar.aB3xY9.part"]);
        let reason = Reason::Own("left of an unfinished bag");
        assert_eq!(left_out(&folder), [(part.to_owned(), reason)]);
    }

    #[cfg(unix)]
    #[test]
    fn a_symbolic_link_is_not_followed_and_said() {
        let (root, folder) = folder(&["real/a.txt"]);
        std::os::unix::fs::symlink(root.path().join("real"), root.path().join("loop")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.path().join("real/secret")).unwrap();
        assert_eq!(found(&folder), ["real/a.txt"]);
        assert_eq!(
            left_out(&folder),
            [
                ("loop".to_owned(), Reason::SymbolicLink),
                ("real/secret".to_owned(), Reason::SymbolicLink),
            ]
        );
    }

    #[cfg(unix)]
    #[test]
    fn a_socket_is_left_out_and_said() {
        let (root, folder) = folder(&["a.txt"]);
        let _socket = std::os::unix::net::UnixListener::bind(root.path().join("s")).unwrap();
        assert_eq!(found(&folder), ["a.txt"]);
        assert_eq!(left_out(&folder), [("s".to_owned(), Reason::NotAFile)]);
    }

    #[cfg(unix)]
    #[test]
    fn an_unreadable_folder_is_said_and_the_rest_goes_on() {
        use std::os::unix::fs::PermissionsExt;
        let (root, folder) = folder(&["a/1.txt", "b/2.txt", "c/3.txt"]);
        let closed = root.path().join("b");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        if fs::read_dir(&closed).is_ok() {
            eprintln!("skipped: this user may read everything");
            return;
        }
        assert_eq!(found(&folder), ["a/1.txt", "c/3.txt"]);
        let reason = Reason::Unreadable("permission denied".to_owned());
        assert!(reason.is_serious());
        assert_eq!(left_out(&folder), [("b".to_owned(), reason)]);
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf8_is_transferred_spelt_out_unless_that_is_taken() {
        use std::os::unix::ffi::OsStrExt;
        let (root, folder) = folder(&["%FF"]);
        for name in [&b"\xfe"[..], &b"\xff"[..]] {
            fs::write(root.path().join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
        }
        assert_eq!(found(&folder), ["%FF", "%FE"]);
        assert_eq!(left_out(&folder), [("%FF".to_owned(), Reason::NameTaken)]);
    }

    #[test]
    fn what_goes_away_while_it_is_looked_at_is_said() {
        let (root, folder) = folder(&["a.txt"]);
        let gone = root.path().canonicalize().unwrap();
        drop(root);
        assert!(!gone.exists());
        let left = left_out(&folder);
        assert_eq!(left[0].1, Reason::Unreadable("not found".to_owned()));
    }
}
