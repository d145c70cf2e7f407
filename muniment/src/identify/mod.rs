//! `muniment identify`: which formats are these files?
//!
//! Owns finding the files, the threads, and how the answers are told. Does not own the answers
//! (`pronom`).
//!
//! Always: the answers come in the order of the files, whatever finishes first; memory does not
//! grow with their number.

mod in_order;
mod line;
mod tell;

use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use pronom::Signatures;
use walkdir::WalkDir;

use self::tell::{Answer, Totals, Why};
use crate::failure::{Failure, Outcome, io_reason};
use crate::output;
use crate::progress::{Screen, Unit};
use crate::signatures::{self, SignatureFiles};
use crate::text::plain;

/// The options of `muniment identify`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Folders are walked in the order of their names; links in them are not followed, and said. The
answers are those of DROID with a full scan. A file of no known format is an answer like any other.

The signatures are those of --signature-file, or those that the data folder --data uses; else those
that MUNIMENT_PRONOM_SIGNATURES and MUNIMENT_PRONOM_CONTAINERS name, else the built-in ones.

With --json, each line is an object: path, puids, basis (container, signature or extension),
mismatch (of the extension), mime, bytes_read, error. Some lines have more: container_error, where
the file begins like a container and could not be opened as one; path_bytes (hex), where the path
is not UTF-8; explain, with --explain.

With --explain, lines under a file say where its signatures matched, which other signatures matched
and why they do not count, and which nearly matched: what was found of them, and what was missing.
With --json, explain holds matches (puid, name, version, mime, basis, ranges), outranked (puid, by)
and near_misses (puids, signature, found, missing).

Exit status: 0 every file was looked at; 2 something could not be read; 1 nothing could be done.

Examples:
  muniment identify plan.dwg
  muniment identify --explain broken.pdf
  muniment identify --json --threads 4 /archive/2019 > formats.jsonl
  muniment identify --signature-file DROID_SignatureFile_V122.xml samples")]
pub(crate) struct Arguments {
    /// Files and folders
    #[arg(value_name = "PATH", required = true)]
    paths: Vec<PathBuf>,

    /// Print one JSON object a line
    #[arg(long)]
    json: bool,

    /// Say why a file is not taken for something else
    #[arg(long)]
    explain: bool,

    /// How many files are looked at the same time; without it, one for each core
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,

    #[command(flatten)]
    signatures: SignatureFiles,
}

/// Something to look at, or why not.
enum Item {
    File(PathBuf),
    Link(PathBuf),
    Unreadable(PathBuf, String),
}

/// Carries the command out.
pub(crate) fn run(arguments: &Arguments, screen: &Screen) -> Result<Outcome, Failure> {
    /// More only wait for the disk.
    const MOST_THREADS: usize = 64;
    let in_use = signatures::load(&arguments.signatures)?;
    let signatures = in_use.signatures;
    let threads = arguments
        .threads
        .or_else(|| std::thread::available_parallelism().ok())
        .map_or(1, NonZeroUsize::get)
        .min(MOST_THREADS);
    let begun = Instant::now();
    let mut totals = Totals::default();
    // On a terminal the answers themselves show how far it is.
    let stage =
        (!std::io::stdout().is_terminal()).then(|| screen.stage("identified", Unit::Uncounted));
    let items = arguments.paths.iter().flat_map(|path| items(path));
    let items = items.take_while(|_| !output::reader_is_gone());
    in_order::in_order(
        items,
        threads,
        |item| guarded(item, |item| look(signatures, item, arguments.explain)),
        |answer: Answer| {
            totals.add(&answer);
            if let Some(stage) = &stage {
                stage.expect(1);
                stage.advance(1);
            }
            if let Some(remark) = answer.remark() {
                screen.say(remark);
                Ok(())
            } else if arguments.json {
                output::line(answer.json()?)
            } else {
                output::line(answer.text())
            }
        },
    )?;
    screen.clear();
    screen.say(totals.text(begun.elapsed(), signatures));
    Ok(if totals.unreadable == 0 {
        Outcome::Good
    } else {
        Outcome::NotAllGood
    })
}

fn items(path: &Path) -> impl Iterator<Item = Item> {
    let given = path.to_owned();
    let walk = WalkDir::new(path).sort_by_file_name().into_iter();
    walk.filter_map(move |entry| match entry {
        // A link is followed only where it is given by name.
        Ok(entry) if entry.depth() > 0 && entry.path_is_symlink() => {
            Some(Item::Link(entry.into_path()))
        }
        Ok(entry) if entry.path().is_dir() => None,
        Ok(entry) if entry.path().is_file() => Some(Item::File(entry.into_path())),
        Ok(entry) => Some(Item::Unreadable(
            entry.into_path(),
            "neither a file nor a folder".to_owned(),
        )),
        Err(error) => {
            let path = error.path().unwrap_or(&given).to_owned();
            let why = error
                .io_error()
                .map_or_else(|| error.to_string(), io_reason);
            Some(Item::Unreadable(path, why))
        }
    })
}

/// A file that the identification breaks on is one that cannot be identified, and the rest goes on.
fn guarded(item: Item, look: impl FnOnce(Item) -> Answer) -> Answer {
    let path = match &item {
        Item::File(path) | Item::Link(path) | Item::Unreadable(path, _) => path.clone(),
    };
    std::panic::catch_unwind(AssertUnwindSafe(|| look(item)))
        .unwrap_or_else(|_| Answer::Unreadable(path, "it could not be identified".to_owned()))
}

fn look(signatures: &Signatures, item: Item, explain: bool) -> Answer {
    match item {
        Item::File(path) => {
            let size = path.metadata().map_or(0, |metadata| metadata.len());
            let looked = if explain {
                let explained = signatures.explain_file(&path);
                explained.map(|explained| {
                    let why = Why {
                        near_misses: explained.near_misses,
                        outranked: explained.outranked,
                    };
                    (explained.identification, Some(why))
                })
            } else {
                signatures.identify_file(&path).map(|found| (found, None))
            };
            match looked {
                Ok((found, why)) => Answer::Found {
                    path,
                    size,
                    found: Box::new(found),
                    why,
                },
                Err(error) => Answer::Unreadable(path, io_reason(&error)),
            }
        }
        Item::Link(path) => Answer::Remark(format!(
            "{}: left out, a symbolic link; links are not followed",
            plain(&path.to_string_lossy())
        )),
        Item::Unreadable(path, why) => Answer::Unreadable(path, why),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use std::fs;

    use super::*;

    fn identify(paths: &[&Path]) -> (Outcome, Vec<String>) {
        let screen = Screen::recording();
        let arguments = Arguments {
            paths: paths.iter().map(|path| path.to_path_buf()).collect(),
            json: true,
            explain: true,
            threads: NonZeroUsize::new(2),
            signatures: SignatureFiles::default(),
        };
        let outcome = run(&arguments, &screen).unwrap();
        (outcome, screen.recorded())
    }

    #[test]
    fn what_cannot_be_read_is_counted_and_the_rest_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), "text").unwrap();
        let absent = folder.path().join("absent");
        let (outcome, said) = identify(&[&absent, folder.path()]);
        assert_eq!(outcome, Outcome::NotAllGood);
        assert!(said[0].starts_with("1 file, 1 unreadable"), "{said:?}");
        assert_eq!(identify(&[folder.path()]).0, Outcome::Good);
    }

    #[test]
    fn a_file_that_breaks_the_identification_is_counted_and_named() {
        let item = Item::File("evil.doc".into());
        let answer = guarded(item, |_| panic!("a bug in the identification"));
        let line = answer.text();
        assert!(line.starts_with("evil.doc"), "{line}");
        assert!(
            line.ends_with("NOT READ: it could not be identified"),
            "{line}"
        );
        let mut totals = Totals::default();
        totals.add(&answer);
        assert_eq!(totals.unreadable, 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_said_and_not_followed_unless_given_by_name() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.txt"), "text").unwrap();
        let link = folder.path().join("b.txt");
        std::os::unix::fs::symlink("a.txt", &link).unwrap();
        let (outcome, said) = identify(&[folder.path()]);
        assert_eq!(outcome, Outcome::Good);
        assert!(said[0].contains("b.txt: left out"), "{said:?}");
        let (_, said) = identify(&[&link]);
        assert!(said[0].starts_with("1 file"), "{said:?}");
    }
}
