//! A bag in a tar archive, read once from front to back.
//!
//! Owns which digests to compute before it is known what the manifests will ask for. Unpacks nothing: names are
//! strings here, and links are named and left alone.

use std::{
    cell::Cell,
    fs::File,
    io::{self, BufReader, Read},
    path::Path,
    rc::Rc,
};

use flate2::read::MultiGzDecoder;

use super::{
    Limits, Progress,
    claims::{is_read_as_text, manifest_name},
    digests::{Algorithms, CHUNK, hash_all},
    error::Error,
    inventory::{Found, check_file_count, take_text_bytes},
    listing,
    problems::{At, Problems},
    scan::Scan,
    tar_reader::{Damaged, Kind, Member, TarReader, is_header},
};
use crate::{Algorithm, Code, Source};

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
    let stream = unpacked(counted, source);
    let mut scanner = Scanner {
        scan: Scan::default(),
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

fn unpacked(stream: impl Read + 'static, source: Source) -> Box<dyn Read> {
    match source {
        Source::TarGz => Box::new(MultiGzDecoder::new(BufReader::with_capacity(CHUNK, stream))),
        Source::Tar | Source::Folder => Box::new(stream),
    }
}

/// The first file of this path in the archive, from its beginning.
pub(super) fn open(
    path: &Path,
    source: Source,
    wanted: &str,
) -> io::Result<Option<TarReader<Box<dyn Read>>>> {
    let stream = BufReader::with_capacity(CHUNK, File::open(path)?);
    let mut reader = TarReader::new(unpacked(stream, source));
    let damaged = |Damaged(what)| io::Error::new(io::ErrorKind::InvalidData, what);
    while let Some(member) = reader.next_member().map_err(damaged)? {
        let name = String::from_utf8_lossy(&member.path);
        if member.kind == Kind::File && without_dots(&name) == wanted {
            return Ok(Some(reader));
        }
    }
    Ok(None)
}

/// The path without `./` and doubled slashes.
fn without_dots(name: &str) -> String {
    let steps: Vec<&str> = name
        .split('/')
        .filter(|step| !step.is_empty() && *step != ".")
        .collect();
    steps.join("/")
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
        Some(without_dots(&name))
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
