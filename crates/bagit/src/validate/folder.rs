//! A bag in a folder: found by one walk, then hashed by a few threads.
//!
//! Always: no symbolic link below the folder is followed; what is not a regular file is never opened.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use walkdir::WalkDir;

use super::{
    Limits, Progress,
    claims::{Claims, is_read_as_text},
    digests::{Algorithms, CHUNK, Digests, hash_all},
    error::Error,
    inventory::{Found, Inventory, check_file_count, take_text_bytes},
    problems::{At, Problems},
};
use crate::{Code, Source};

/// More threads than this wait for the disk.
const THREADS: usize = 4;

/// What is in the folder; nothing is hashed yet.
pub(super) fn survey(
    root: &Path,
    limits: &Limits,
    problems: &mut Problems,
) -> Result<Inventory, Error> {
    let mut inventory = Inventory::new(Source::Folder);
    let mut text_bytes_left = limits.tag_bytes;
    let mut seen = 0;
    for entry in WalkDir::new(root).min_depth(1) {
        seen += 1;
        check_file_count(seen, limits)?;
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let path = error.path().unwrap_or(root);
                let name = bag_path(root, path, problems);
                let message = error
                    .io_error()
                    .map_or_else(|| error.to_string(), io::Error::to_string);
                problems.error(Code::FileUnreadable, At::File(&name), message);
                continue;
            }
        };
        let name = bag_path(root, entry.path(), problems);
        let kind = entry.file_type();
        if kind.is_dir() {
            inventory.has_payload_folder |= name == "data";
            continue;
        }
        if !kind.is_file() {
            let what = if kind.is_symlink() {
                "symbolic link"
            } else {
                "device, pipe or socket"
            };
            let message = format!("is a {what}, which is not followed and cannot be verified");
            problems.error(Code::NotRegular, At::File(&name), message);
            continue;
        }
        let mut found = Found {
            size: entry.metadata().map_or(0, |metadata| metadata.len()),
            ..Found::default()
        };
        if is_read_as_text(&name) {
            take_text_bytes(&mut text_bytes_left, found.size, limits)?;
            match read_text(entry.path(), found.size) {
                Ok(text) => {
                    inventory.texts.insert(name.clone(), text);
                }
                Err(error) => {
                    problems.error(Code::FileUnreadable, At::File(&name), error.to_string());
                    found.unreadable = true;
                }
            }
        }
        inventory.files.insert(name, found);
    }
    Ok(inventory)
}

/// No more than the size that was counted, even if the file grows meanwhile.
fn read_text(path: &Path, size: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(size).read_to_end(&mut text)?;
    Ok(text)
}

/// The path in the bag, with slashes.
fn bag_path(root: &Path, path: &Path, problems: &mut Problems) -> String {
    let mut unicode = true;
    let steps: Vec<String> = path
        .strip_prefix(root)
        .unwrap_or(path)
        .components()
        .map(|step| {
            let step = step.as_os_str();
            unicode &= step.to_str().is_some();
            step.to_string_lossy().into_owned()
        })
        .collect();
    let name = steps.join("/");
    if !unicode {
        let message = "the name is not Unicode, so no manifest can list it";
        problems.error(Code::NameNotUnicode, At::File(&name), message);
    }
    name
}

struct Task {
    path: String,
    file: PathBuf,
    of: Algorithms,
}

enum Event {
    Bytes(u64),
    Done(usize, io::Result<(u64, Digests)>),
}

/// Computes the digests that the claims need, and puts them into the inventory.
pub(super) fn hash(
    root: &Path,
    claims: &Claims,
    inventory: &mut Inventory,
    problems: &mut Problems,
    progress: &mut dyn FnMut(Progress),
) {
    let tasks: Vec<Task> = inventory
        .files
        .iter()
        .filter(|(_, found)| !found.unreadable)
        .map(|(path, _)| Task {
            path: path.clone(),
            file: root.join(path),
            of: claims.needed_for(path),
        })
        .filter(|task| !task.of.is_empty())
        .collect();
    let total_bytes = tasks
        .iter()
        .filter_map(|task| inventory.files.get(&task.path))
        .map(|found| found.size)
        .fold(0, u64::saturating_add);
    let mut now = Progress {
        files: 0,
        bytes: 0,
        total_bytes,
    };
    let threads = thread::available_parallelism()
        .map_or(1, usize::from)
        .min(THREADS)
        .min(tasks.len());
    let next = AtomicUsize::new(0);
    let (sender, events) = mpsc::sync_channel(64);
    thread::scope(|scope| {
        for _ in 0..threads {
            let (tasks, next, sender) = (&tasks, &next, sender.clone());
            scope.spawn(move || run(tasks, next, &sender));
        }
        drop(sender);
        for event in events {
            match event {
                Event::Bytes(count) => now.bytes += count,
                Event::Done(task, hashed) => {
                    now.files += 1;
                    settle(&tasks[task].path, hashed, inventory, problems);
                }
            }
            progress(now);
        }
    });
}

fn run(tasks: &[Task], next: &AtomicUsize, sender: &mpsc::SyncSender<Event>) {
    let mut buffer = vec![0; CHUNK];
    loop {
        let position = next.fetch_add(1, Ordering::Relaxed);
        let Some(task) = tasks.get(position) else {
            return;
        };
        let hashed = File::open(&task.file).and_then(|mut file| {
            hash_all(&mut file, task.of, &mut buffer, &mut |piece| {
                // The receiver outlives the threads; were it gone, nobody would want the count.
                let _ = sender.send(Event::Bytes(piece.len() as u64));
            })
        });
        if sender.send(Event::Done(position, hashed)).is_err() {
            return;
        }
    }
}

fn settle(
    path: &str,
    hashed: io::Result<(u64, Digests)>,
    inventory: &mut Inventory,
    problems: &mut Problems,
) {
    let Some(found) = inventory.files.get_mut(path) else {
        return;
    };
    match hashed {
        Ok((size, digests)) => {
            found.size = size;
            found.digests = digests;
        }
        Err(error) => {
            found.unreadable = true;
            problems.error(Code::FileUnreadable, At::File(path), error.to_string());
        }
    }
}
