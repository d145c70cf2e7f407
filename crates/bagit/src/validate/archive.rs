//! A bag in a tar archive, read once from front to back.
//!
//! Owns which digests to compute before it is known what the manifests will ask for, and which of the archive's
//! folders is the bag. Unpacks nothing: names are strings here, and links are named and left alone.

use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    rc::Rc,
};

use flate2::read::MultiGzDecoder;

use super::{
    Limits, Progress,
    claims::{is_read_as_text, manifest_name},
    declaration,
    digests::{Algorithms, CHUNK, Digests, hash_all},
    error::Error,
    inventory::{Found, Inventory, check_file_count, is_system_file, take_text_bytes},
    listing,
    problems::{At, Problems},
    tar_reader::{Damaged, Kind, Member, TarReader, is_header},
};
use crate::{Algorithm, Code, Source};

/// What stands in an archive, by full path.
pub(super) struct Scan {
    pub(super) files: BTreeMap<String, Found>,
    texts: BTreeMap<String, Vec<u8>>,
    folders: BTreeSet<String>,
}

/// Whether the file is a tar or a gzipped tar, by its first bytes.
pub(super) fn recognise(path: &Path) -> Result<Source, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let mut file = File::open(path).map_err(unreadable)?;
    let mut block = [0; 512];
    let mut filled = 0;
    while filled < block.len() {
        let count = file.read(&mut block[filled..]).map_err(unreadable)?;
        if count == 0 {
            break;
        }
        filled += count;
    }
    if block.starts_with(&[0x1f, 0x8b]) {
        Ok(Source::TarGz)
    } else if filled == block.len() && is_header(&block) {
        Ok(Source::Tar)
    } else {
        Err(Error::NotABag(path.to_owned()))
    }
}

/// Reads the whole archive. `only` are the digests to compute, where that is known already.
pub(super) fn scan(
    path: &Path,
    source: Source,
    only: Option<Algorithms>,
    limits: &Limits,
    problems: &mut Problems,
    progress: &mut dyn FnMut(Progress),
) -> Result<Scan, Error> {
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(unreadable)?;
    let total_bytes = file.metadata().map_err(unreadable)?.len();
    let consumed = Rc::new(Cell::new(0));
    let counted = Counted {
        source: BufReader::with_capacity(CHUNK, file),
        count: Rc::clone(&consumed),
    };
    let stream: Box<dyn Read> = match source {
        Source::TarGz => Box::new(MultiGzDecoder::new(BufReader::with_capacity(
            CHUNK, counted,
        ))),
        Source::Tar | Source::Folder => Box::new(counted),
    };
    let mut scanner = Scanner {
        scan: Scan {
            files: BTreeMap::new(),
            texts: BTreeMap::new(),
            folders: BTreeSet::new(),
        },
        only,
        seen: Algorithms::default(),
        text_bytes_left: limits.tag_bytes,
        unpacked: 0,
        limits,
        problems,
        progress: &mut |files| {
            progress(Progress {
                files,
                bytes: consumed.get(),
                total_bytes,
            });
        },
    };
    scanner.run(TarReader::new(stream))?;
    Ok(scanner.scan)
}

struct Counted<R> {
    source: R,
    count: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.count.set(self.count.get() + count as u64);
        Ok(count)
    }
}

struct Scanner<'a> {
    scan: Scan,
    only: Option<Algorithms>,
    /// The algorithms of the payload manifests that were seen so far.
    seen: Algorithms,
    text_bytes_left: u64,
    unpacked: u64,
    limits: &'a Limits,
    problems: &'a mut Problems,
    progress: &'a mut dyn FnMut(u64),
}

impl Scanner<'_> {
    fn run(&mut self, mut reader: TarReader<Box<dyn Read>>) -> Result<(), Error> {
        let mut buffer = vec![0; CHUNK];
        loop {
            match reader.next_member() {
                Ok(Some(member)) => {
                    self.unpacked = self.unpacked.saturating_add(member.size);
                    self.check_unpacked()?;
                    if let Err(damaged) = self.member(&member, &mut reader, &mut buffer)? {
                        self.damaged(&damaged);
                        return Ok(());
                    }
                }
                Ok(None) => break,
                Err(damaged) => {
                    self.damaged(&damaged);
                    return Ok(());
                }
            }
        }
        self.read_to_end(reader.into_source(), &mut buffer)?;
        (self.progress)(self.scan.files.len() as u64);
        Ok(())
    }

    /// Reads what follows the archive's end: behind it stands the checksum of a compressed stream.
    fn read_to_end(&mut self, mut rest: Box<dyn Read>, buffer: &mut [u8]) -> Result<(), Error> {
        loop {
            match rest.read(buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => {
                    self.unpacked = self.unpacked.saturating_add(count as u64);
                    self.check_unpacked()?;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    self.damaged(&Damaged::from(error));
                    return Ok(());
                }
            }
        }
    }

    fn check_unpacked(&self) -> Result<(), Error> {
        if self.unpacked > self.limits.unpacked_bytes {
            return Err(Error::Limit {
                what: "unpacked bytes",
                limit: self.limits.unpacked_bytes,
            });
        }
        Ok(())
    }

    fn damaged(&mut self, damaged: &Damaged) {
        let message = format!("the archive cannot be read further: {}", damaged.0);
        self.problems.error(Code::ArchiveDamaged, At::Bag, message);
    }

    fn member(
        &mut self,
        member: &Member,
        reader: &mut TarReader<Box<dyn Read>>,
        buffer: &mut [u8],
    ) -> Result<Result<(), Damaged>, Error> {
        let Some(path) = self.path_of(&member.path) else {
            return Ok(Ok(()));
        };
        match member.kind {
            Kind::Other(what) => {
                let message = format!("is a {what}, which is not followed and cannot be verified");
                self.problems
                    .error(Code::NotRegular, At::File(&path), message);
                return Ok(Ok(()));
            }
            Kind::Folder => {
                self.scan.folders.insert(path);
                return check_file_count(self.scan.folders.len(), self.limits).map(Ok);
            }
            Kind::File => {}
        }
        if self.scan.files.contains_key(&path) {
            let message = "is in the archive twice, and only the first is looked at";
            self.problems
                .error(Code::ArchiveDuplicate, At::File(&path), message);
            return Ok(Ok(()));
        }
        check_file_count(self.scan.files.len() + 1, self.limits)?;
        let keep = self.only.is_none() && is_text(&path);
        if keep {
            take_text_bytes(&mut self.text_bytes_left, member.size, self.limits)?;
        }
        let of = self.algorithms_for(&path);
        let mut text = Vec::new();
        let files = self.scan.files.len() as u64;
        let hashed = hash_all(reader, of, buffer, &mut |piece| {
            if keep {
                text.extend_from_slice(piece);
            }
            (self.progress)(files);
        });
        let (size, digests) = match hashed {
            Ok(done) => done,
            Err(error) => return Ok(Err(Damaged::from(error))),
        };
        if keep {
            self.note_manifest(&path);
            self.scan.texts.insert(path.clone(), text);
        }
        let found = Found {
            size,
            digests,
            unreadable: false,
        };
        self.scan.files.insert(path, found);
        (self.progress)(files + 1);
        Ok(Ok(()))
    }

    /// The member's path without `./`, if it stays in the archive's folder.
    fn path_of(&mut self, bytes: &[u8]) -> Option<String> {
        let name = String::from_utf8_lossy(bytes);
        if matches!(name, std::borrow::Cow::Owned(_)) {
            let message = "the name is not UTF-8, so no manifest can list it";
            self.problems
                .error(Code::NameNotUnicode, At::File(&name), message);
        }
        if name.starts_with('/') || name.split('/').any(|step| step == "..") {
            let message = "leaves the folder that the archive is unpacked in";
            self.problems
                .error(Code::PathOutside, At::File(&name), message);
            return None;
        }
        let steps: Vec<&str> = name
            .split('/')
            .filter(|step| !step.is_empty() && *step != ".")
            .collect();
        Some(steps.join("/"))
    }

    /// For the payload what its manifests need, if any came first; otherwise whatever is likely to be needed.
    fn algorithms_for(&self, path: &str) -> Algorithms {
        if let Some(only) = self.only {
            return only;
        }
        let in_payload = path.starts_with("data/") || path.contains("/data/");
        if in_payload && !self.seen.is_empty() {
            return self.seen;
        }
        self.seen.union(Algorithms::LIKELY.into_iter().collect())
    }

    fn note_manifest(&mut self, path: &str) {
        let name = path.rsplit('/').next().unwrap_or(path);
        if let Some((listing::Kind::Payload, algorithm)) = manifest_name(name)
            && let Some(algorithm) = Algorithm::from_name(algorithm)
        {
            self.seen.insert(algorithm);
        }
    }
}

/// Whether the file may be a tag file of the bag's root. Files below a `data/` are not: a bag in a payload is payload.
fn is_text(path: &str) -> bool {
    let mut steps = path.rsplit('/');
    steps.next().is_some_and(is_read_as_text) && !steps.any(|folder| folder == "data")
}

impl Scan {
    /// The bag in the archive; what stands beside it is a problem.
    pub(super) fn into_inventory(self, source: Source, problems: &mut Problems) -> Inventory {
        let folder = self.bag_folder(problems);
        let mut inventory = Inventory::new(source);
        let inside = |path: &str| match folder.as_str() {
            "" => Some(path.to_owned()),
            folder => Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned()),
        };
        for (path, found) in self.files {
            if let Some(path) = inside(&path) {
                inventory.has_payload_folder |= path.starts_with("data/");
                inventory.files.insert(path, found);
            } else if is_system_file(&path)
                || path.rsplit('/').next().is_some_and(|n| n.starts_with("._"))
            {
                let message = "stands beside the bag, and is left there by an operating system";
                problems.warn(Code::SystemFile, At::File(&path), message);
            } else {
                let message = format!("stands outside the bag's folder {folder:?}");
                problems.error(Code::ArchiveStray, At::File(&path), message);
            }
        }
        inventory.has_payload_folder |= self
            .folders
            .iter()
            .any(|f| inside(f).as_deref() == Some("data"));
        inventory.texts = self
            .texts
            .into_iter()
            .filter_map(|(path, text)| Some((inside(&path)?, text)))
            .collect();
        inventory.folder = folder;
        inventory
    }

    /// The folder of the `bagit.txt` that is nearest to the root; without one, of the nearest manifest; without one,
    /// the folder that everything is in.
    fn bag_folder(&self, problems: &mut Problems) -> String {
        let nearest = |wanted: &dyn Fn(&str) -> bool| {
            let mut folders: Vec<&str> = self
                .texts
                .keys()
                .map(|path| path.rsplit_once('/').unwrap_or(("", path)))
                .filter(|(_, name)| wanted(name))
                .map(|(folder, _)| folder)
                .collect();
            folders.sort_by_key(|folder| (depth(folder), *folder));
            folders
        };
        let declared = nearest(&|name| name == declaration::NAME);
        if let [first, second, ..] = declared[..]
            && depth(first) == depth(second)
        {
            let message = format!("holds more than one bag; only {first:?} is looked at");
            problems.error(Code::ArchiveStray, At::Bag, message);
        }
        let listed = nearest(&|name| manifest_name(name).is_some());
        if let Some(folder) = declared.first().or(listed.first()) {
            return (*folder).to_owned();
        }
        let mut tops = self
            .files
            .keys()
            .map(|path| path.split_once('/').map(|(top, _)| top));
        let first = tops.next().flatten().filter(|top| *top != "data");
        match first {
            Some(top) if tops.all(|other| other == Some(top)) => top.to_owned(),
            _ => String::new(),
        }
    }

    /// The digests of this second reading, by path in the bag.
    pub(super) fn digests_in<'a>(
        &'a self,
        folder: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Digests)> {
        self.files.iter().filter_map(move |(path, found)| {
            let path = match folder {
                "" => path.as_str(),
                folder => path.strip_prefix(folder)?.strip_prefix('/')?,
            };
            Some((path, &found.digests))
        })
    }
}

fn depth(folder: &str) -> usize {
    folder.split('/').filter(|step| !step.is_empty()).count()
}
