//! The entries of a ZIP file, by its central directory.
//!
//! Owns finding the directory and unpacking the start of an entry. As in DROID, bytes may lie before the first
//! entry, and offsets are then counted from where the directory really is.
//!
//! Always: the directory is read in pieces, and of an entry no more is unpacked than was asked for.

use std::{collections::BTreeMap, io};

use miniz_oxide::inflate::{
    TINFLStatus,
    core::{DecompressorOxide, decompress, inflate_flags},
};

use super::{Found, Progress};
use crate::source::Source;

const END_LEN: usize = 22;
const ENTRY_LEN: usize = 46;
const LOCAL_LEN: usize = 30;
const MAX_COMMENT: usize = 0xFFFF;
const MAX_ENTRIES: u64 = 1_000_000;
const MAX_DIRECTORY: u64 = 64 << 20;
/// More than this of one entry is not unpacked.
const MAX_UNPACKED: usize = 8 << 20;
const PIECE: usize = 64 << 10;

/// Why a ZIP file cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("ZIP: {0}")]
    Io(#[from] io::Error),
    #[error("ZIP: {0}")]
    Malformed(&'static str),
    #[error("ZIP: more than {MAX_ENTRIES} entries")]
    TooManyEntries,
    #[error("ZIP: {0} is encrypted")]
    Encrypted(String),
    #[error("ZIP: more of {0} than is unpacked")]
    TooLarge(String),
}

impl Error {
    /// Whether what was found before counts for nothing.
    pub(super) fn is_fatal(&self) -> bool {
        !matches!(self, Self::TooLarge(_))
    }
}

/// An entry that signatures ask for.
struct Entry {
    method: u16,
    encrypted: bool,
    packed: u64,
    offset: u64,
}

struct Directory {
    start: u64,
    size: u64,
    entries: u64,
    /// What has to be added to the offsets that the directory gives.
    shift: u64,
}

/// Shows the entries to `progress`.
pub(super) fn walk(
    source: &mut Source<'_>,
    progress: &mut Progress<'_>,
    found: &mut Found,
) -> Result<(), Error> {
    let directory = directory(source)?;
    let entries = entries(source, &directory, progress, found)?;
    let mut too_large = None;
    for (name, entry) in entries {
        let Some(need) = progress.need(&name) else {
            if let Ok((manifest, _)) = content(source, &entry, &directory, MANIFEST_NEED) {
                found.encrypted |= is_encrypted(&manifest);
            }
            continue;
        };
        if need == 0 {
            progress.entry(&name, None, true);
            continue;
        }
        if entry.encrypted {
            return Err(Error::Encrypted(name));
        }
        let (content, whole) = content(source, &entry, &directory, need.min(MAX_UNPACKED))?;
        if name == MANIFEST {
            found.encrypted |= is_encrypted(&content);
        }
        if !whole && need > MAX_UNPACKED {
            too_large = Some(name.clone());
        }
        progress.entry(&name, Some(&content), whole);
    }
    too_large.map_or(Ok(()), |name| Err(Error::TooLarge(name)))
}

/// The manifest of an Open Document says whether it is encrypted.
const MANIFEST: &str = "META-INF/manifest.xml";
const MANIFEST_NEED: usize = 64 << 10;

fn is_encrypted(manifest: &[u8]) -> bool {
    memchr::memmem::find(manifest, b"manifest:encryption-data").is_some()
}

fn u16_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 2)
        .map_or(0, |bytes| u64::from(bytes[0]) | u64::from(bytes[1]) << 8)
}

fn u32_at(bytes: &[u8], at: usize) -> u64 {
    u16_at(bytes, at) | u16_at(bytes, at + 2) << 16
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u32_at(bytes, at) | u32_at(bytes, at + 4) << 32
}

fn directory(source: &mut Source<'_>) -> Result<Directory, Error> {
    let size = source.size();
    let reach = size.min((MAX_COMMENT + END_LEN) as u64);
    let base = size - reach;
    let tail = source.exact(base, usize::try_from(reach).unwrap_or(0))?;
    let last = tail.len().checked_sub(END_LEN);
    let last = last.ok_or(Error::Malformed("too short"))?;
    let at = memchr::memmem::rfind(&tail[..last + 4], b"PK\x05\x06")
        .ok_or(Error::Malformed("no end of the central directory"))?;
    let end = &tail[at..];
    let position = base + at as u64;
    let (mut entries, mut size, mut offset) = (u16_at(end, 10), u32_at(end, 12), u32_at(end, 16));
    if u16_at(end, 4) != u16_at(end, 6) || u16_at(end, 8) != entries {
        return Err(Error::Malformed("spread over several disks"));
    }
    let mut limit = position;
    let locator = position
        .checked_sub(20)
        .map(|at| source.exact(at, 20))
        .transpose()?;
    if let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
        let at = u64_at(&locator, 8);
        let record = source.exact(at, 56)?;
        if !record.starts_with(b"PK\x06\x06") {
            return Err(Error::Malformed("no ZIP64 record where it should be"));
        }
        (entries, size, offset) = (
            u64_at(&record, 32),
            u64_at(&record, 40),
            u64_at(&record, 48),
        );
        limit = at;
    }
    let start = limit.checked_sub(size).ok_or(Error::Malformed(
        "the central directory is larger than the file",
    ))?;
    Ok(Directory {
        start,
        size,
        entries,
        shift: start.wrapping_sub(offset),
    })
}

/// The entries that matter, in the order of their names, so that of several faults the same one is always told; of
/// two with one name the last one.
fn entries(
    source: &mut Source<'_>,
    directory: &Directory,
    progress: &Progress<'_>,
    found: &mut Found,
) -> Result<BTreeMap<String, Entry>, Error> {
    if directory.entries > MAX_ENTRIES || directory.size > MAX_DIRECTORY {
        return Err(Error::TooManyEntries);
    }
    let mut entries = BTreeMap::new();
    let end = directory.start + directory.size;
    let mut position = directory.start;
    let mut piece = source.up_to(position, PIECE)?;
    let mut at = 0;
    let mut count = 0_u64;
    while position + (at as u64) < end {
        let left = &piece[at..];
        let wanted = if left.len() < ENTRY_LEN {
            ENTRY_LEN
        } else {
            let lengths = u16_at(left, 28) + u16_at(left, 30) + u16_at(left, 32);
            ENTRY_LEN + usize::try_from(lengths).unwrap_or(0)
        };
        if left.len() < wanted {
            position += at as u64;
            at = 0;
            let more = source.up_to(position, PIECE.max(wanted))?;
            if more.len() < wanted {
                return Err(Error::Malformed("the central directory ends too early"));
            }
            piece = more;
            continue;
        }
        if !left.starts_with(b"PK\x01\x02") {
            break;
        }
        count += 1;
        // However many the directory says that there are.
        if count > MAX_ENTRIES {
            return Err(Error::TooManyEntries);
        }
        let encrypted = u16_at(left, 8) & 1 == 1;
        found.encrypted |= encrypted;
        let name_len = usize::try_from(u16_at(left, 28)).unwrap_or(0);
        let name = &left[ENTRY_LEN..ENTRY_LEN + name_len];
        if let Ok(name) = std::str::from_utf8(name)
            && (name == MANIFEST || progress.need(name).is_some())
        {
            let extra_len = usize::try_from(u16_at(left, 30)).unwrap_or(0);
            let extra = &left[ENTRY_LEN + name_len..ENTRY_LEN + name_len + extra_len];
            let entry = entry(left, extra, encrypted);
            entries.insert(name.to_owned(), entry);
        }
        at += wanted;
    }
    if count & 0xFFFF != directory.entries & 0xFFFF {
        return Err(Error::Malformed(
            "not as many entries as the directory says",
        ));
    }
    Ok(entries)
}

fn entry(header: &[u8], extra: &[u8], encrypted: bool) -> Entry {
    let mut entry = Entry {
        method: u16::try_from(u16_at(header, 10)).unwrap_or(0),
        encrypted,
        packed: u32_at(header, 20),
        offset: u32_at(header, 42),
    };
    let mut rest = extra;
    while rest.len() >= 4 {
        let length = usize::try_from(u16_at(rest, 2)).unwrap_or(0);
        let field = &rest[4..(4 + length).min(rest.len())];
        if u16_at(rest, 0) == 1 {
            let mut at = 0;
            let mut large = |value: &mut u64| {
                if *value == 0xFFFF_FFFF && field.len() >= at + 8 {
                    *value = u64_at(field, at);
                    at += 8;
                }
            };
            large(&mut u32_at(header, 24));
            large(&mut entry.packed);
            large(&mut entry.offset);
        }
        rest = rest.get(4 + length..).unwrap_or_default();
    }
    entry
}

/// The first `need` bytes of an entry, and whether that is all of it.
fn content(
    source: &mut Source<'_>,
    entry: &Entry,
    directory: &Directory,
    need: usize,
) -> Result<(Vec<u8>, bool), Error> {
    let offset = entry.offset.wrapping_add(directory.shift);
    let local = source.exact(offset, LOCAL_LEN)?;
    if !local.starts_with(b"PK\x03\x04") {
        return Err(Error::Malformed("no entry where it should be"));
    }
    let data = offset + LOCAL_LEN as u64 + u16_at(&local, 26) + u16_at(&local, 28);
    match entry.method {
        0 => {
            let packed = usize::try_from(entry.packed).unwrap_or(usize::MAX);
            let bytes = source.up_to(data, packed.min(need))?.into_owned();
            let whole = bytes.len() == packed;
            Ok((bytes, whole))
        }
        8 => inflate(source, data, entry.packed, need),
        _ => Err(Error::Malformed(
            "an entry is packed in a way that is not supported",
        )),
    }
}

/// Unpacks until there are `need` bytes.
fn inflate(
    source: &mut Source<'_>,
    data: u64,
    packed: u64,
    need: usize,
) -> Result<(Vec<u8>, bool), Error> {
    let mut state = Box::<DecompressorOxide>::default();
    let mut out = vec![0; need.min(16 << 10)];
    let (mut read, mut written) = (0_u64, 0_usize);
    loop {
        let left = usize::try_from(packed - read).unwrap_or(usize::MAX);
        let input = source.up_to(data + read, left.min(PIECE))?;
        let mut flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
        if input.len() < left {
            flags |= inflate_flags::TINFL_FLAG_HAS_MORE_INPUT;
        }
        let (status, used, made) = decompress(&mut state, &input, &mut out, written, flags);
        read += used as u64;
        written += made;
        match status {
            TINFLStatus::Done => {
                out.truncate(written);
                return Ok((out, true));
            }
            TINFLStatus::HasMoreOutput if out.len() < need => {
                let grown = (out.len() * 2).min(need);
                out.resize(grown, 0);
            }
            TINFLStatus::HasMoreOutput => {
                out.truncate(written);
                return Ok((out, false));
            }
            TINFLStatus::NeedsMoreInput if !input.is_empty() => {}
            _ => return Err(Error::Malformed("an entry cannot be unpacked")),
        }
    }
}
