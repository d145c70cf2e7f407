//! The streams of an OLE2 compound file.
//!
//! Owns the allocation tables and the directory. Does not own what streams mean.
//!
//! Always: every chain of sectors has a bound, so that a loop in it ends; what is held of a file is not much more
//! than the file (`a_small_file_is_held_by_little`); of a stream no more is read than was asked for.

use std::{io, rc::Rc};

use super::{Found, Progress};
use crate::source::Source;

const HEADER_LEN: usize = 512;
const MAGIC: [u8; 8] = [0xD0, 0xCF, 0x11, 0xE0, 0xA1, 0xB1, 0x1A, 0xE1];
const END: u32 = 0xFFFF_FFFE;
const NONE: u32 = 0xFFFF_FFFF;
const ENTRY_LEN: usize = 128;
const MAX_ENTRIES: usize = 100_000;
/// Entries of an allocation table that are kept: enough for a file of 2 GB.
const MAX_TABLE: usize = 1 << 22;
const MINI_SHIFT: u32 = 6;
/// More than this of one stream is not looked at.
const MAX_STREAM: usize = 32 << 20;
const MAX_DEPTH: usize = 64;

/// Why a compound file cannot be looked into.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("OLE2: {0}")]
    Io(#[from] io::Error),
    #[error("OLE2: {0}")]
    Malformed(&'static str),
    #[error("OLE2: more than is looked through")]
    TooLarge,
}

struct Compound {
    shift: u32,
    /// How many sectors the file has, the last of which may be cut off.
    sectors: usize,
    table: Vec<u32>,
    mini_table: Vec<u32>,
    /// Sectors of the stream that small streams lie in.
    mini: Vec<u32>,
    cutoff: u64,
}

/// A storage or stream of the directory.
struct Node {
    name: String,
    kind: u8,
    left: u32,
    right: u32,
    child: u32,
    start: u32,
    size: u64,
}

const STORAGE: u8 = 1;
const STREAM: u8 = 2;
const ROOT: u8 = 5;

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .map_or(0, |bytes| u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from(u16_at(bytes, at)) | u32::from(u16_at(bytes, at + 2)) << 16
}

/// Shows the entries to `progress`.
pub(super) fn walk(
    source: &mut Source<'_>,
    progress: &mut Progress<'_>,
    found: &mut Found,
) -> Result<(), Error> {
    let (compound, nodes) = open(source)?;
    let root = nodes.first().filter(|node| node.kind == ROOT);
    let root = root.ok_or(Error::Malformed("no root entry"))?;
    let mut too_large = false;
    let mut descent = Descent::new(&nodes);
    descent.push(root.child, &Rc::from(""), 0);
    while let Some((node, path)) = descent.next() {
        found.encrypted |= is_encrypted(source, &compound, node, &path);
        let Some(need) = progress.need(&path) else {
            continue;
        };
        if node.kind != STREAM || need == 0 {
            progress.entry(&path, None, true);
            continue;
        }
        let content = compound.content(source, node, need.min(MAX_STREAM))?;
        let whole = content.len() as u64 == node.size;
        too_large |= !whole && need > MAX_STREAM;
        progress.entry(&path, Some(&content), whole);
    }
    if too_large {
        Err(Error::TooLarge)
    } else {
        Ok(())
    }
}

/// What of the directory is still to be visited.
struct Descent<'a> {
    nodes: &'a [Node],
    seen: Vec<bool>,
    /// Nodes, the folder that each lies in, and how deep.
    stack: Vec<(usize, Rc<str>, usize)>,
}

impl<'a> Descent<'a> {
    fn new(nodes: &'a [Node]) -> Self {
        Self {
            nodes,
            seen: vec![false; nodes.len()],
            stack: Vec::new(),
        }
    }

    /// Adds a node, if there is one and it was not visited.
    fn push(&mut self, at: u32, folder: &Rc<str>, depth: usize) {
        let at = at as usize;
        if self.seen.get(at) == Some(&false) {
            self.stack.push((at, Rc::clone(folder), depth));
        }
    }

    /// The next node and its path.
    fn next(&mut self) -> Option<(&'a Node, String)> {
        let (at, folder, depth) = loop {
            let next = self.stack.pop()?;
            if !std::mem::replace(&mut self.seen[next.0], true) {
                break next;
            }
        };
        let node = &self.nodes[at];
        self.push(node.right, &folder, depth);
        self.push(node.left, &folder, depth);
        let path = format!("{folder}{}", node.name.trim_matches(|c: char| c <= ' '));
        if node.kind == STORAGE && depth < MAX_DEPTH {
            self.push(node.child, &format!("{path}/").into(), depth + 1);
        }
        Some((node, path))
    }
}

fn open(source: &mut Source<'_>) -> Result<(Compound, Vec<Node>), Error> {
    let header = source.exact(0, HEADER_LEN)?.into_owned();
    if !header.starts_with(&MAGIC) {
        return Err(Error::Malformed("not a compound file"));
    }
    let shift = u32::from(u16_at(&header, 30));
    if shift != 9 && shift != 12 {
        return Err(Error::Malformed("a sector size that does not exist"));
    }
    let sectors = source.size().div_ceil(1 << shift).saturating_sub(1);
    let mut compound = Compound {
        shift,
        sectors: usize::try_from(sectors).unwrap_or(usize::MAX),
        table: Vec::new(),
        mini_table: Vec::new(),
        mini: Vec::new(),
        cutoff: u64::from(u32_at(&header, 56)),
    };
    for sector in table_sectors(source, &compound, &header)? {
        let bytes = compound.sector(source, sector)?;
        compound
            .table
            .extend((0..bytes.len()).step_by(4).map(|at| u32_at(&bytes, at)));
    }
    let directory = compound.chain(u32_at(&header, 48), MAX_ENTRIES)?;
    if directory.len() > compound.sectors {
        return Err(Error::Malformed("a directory that has no end"));
    }
    let mut nodes = Vec::new();
    for sector in directory {
        let bytes = compound.sector(source, sector)?;
        nodes.extend(bytes.chunks_exact(ENTRY_LEN).map(node));
        if nodes.len() > MAX_ENTRIES {
            return Err(Error::TooLarge);
        }
    }
    let mini_sectors = (u32_at(&header, 64) as usize).min(compound.most_of_table());
    for sector in compound.chain(u32_at(&header, 60), mini_sectors)? {
        let bytes = compound.sector(source, sector)?;
        compound
            .mini_table
            .extend((0..bytes.len()).step_by(4).map(|at| u32_at(&bytes, at)));
    }
    if let Some(root) = nodes.first() {
        compound.mini = compound.chain(root.start, compound.sectors)?;
    }
    Ok((compound, nodes))
}

/// The sectors that hold the allocation table.
fn table_sectors(
    source: &mut Source<'_>,
    compound: &Compound,
    header: &[u8],
) -> Result<Vec<u32>, Error> {
    let count = u32_at(header, 44) as usize;
    if count == 0 || count > compound.most_of_table() {
        return Err(Error::Malformed(
            "an allocation table of an impossible size",
        ));
    }
    let mut sectors: Vec<u32> = (0..109.min(count))
        .map(|at| u32_at(header, 76 + at * 4))
        .collect();
    let mut next = u32_at(header, 68);
    let per_sector = (1_usize << compound.shift) / 4 - 1;
    while sectors.len() < count {
        let bytes = compound.sector(source, next)?;
        let here = per_sector.min(count - sectors.len());
        sectors.extend((0..here).map(|at| u32_at(&bytes, at * 4)));
        next = u32_at(&bytes, per_sector * 4);
    }
    Ok(sectors)
}

fn node(bytes: &[u8]) -> Node {
    let length = usize::from(u16_at(bytes, 64)).clamp(2, 64);
    let units = bytes[..length - 2]
        .chunks_exact(2)
        .map(|unit| u16_at(unit, 0));
    Node {
        name: char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        kind: bytes[66],
        left: u32_at(bytes, 68),
        right: u32_at(bytes, 72),
        child: u32_at(bytes, 76),
        start: u32_at(bytes, 116),
        size: u64::from(u32_at(bytes, 120)),
    }
}

impl Compound {
    fn sector(&self, source: &mut Source<'_>, sector: u32) -> Result<Vec<u8>, Error> {
        let size = 1_usize << self.shift;
        let bytes = source.up_to((u64::from(sector) + 1) << self.shift, size)?;
        if bytes.is_empty() {
            return Err(Error::Malformed("a sector outside of the file"));
        }
        let mut bytes = bytes.into_owned();
        bytes.resize(size, 0);
        Ok(bytes)
    }

    /// How many sectors an allocation table can have.
    fn most_of_table(&self) -> usize {
        self.sectors.min((MAX_TABLE * 4) >> self.shift)
    }

    fn chain(&self, start: u32, limit: usize) -> Result<Vec<u32>, Error> {
        follow(&self.table, start, limit)
    }

    /// The first `need` bytes of a stream.
    fn content(&self, source: &mut Source<'_>, node: &Node, need: usize) -> Result<Vec<u8>, Error> {
        let most = node.size.min(source.size());
        let wanted = usize::try_from(most).unwrap_or(usize::MAX).min(need);
        let mut content = Vec::with_capacity(wanted);
        if node.size < self.cutoff {
            for mini in follow(
                &self.mini_table,
                node.start,
                wanted.div_ceil(1 << MINI_SHIFT),
            )? {
                let at = u64::from(mini) << MINI_SHIFT;
                let sector = usize::try_from(at >> self.shift).unwrap_or(usize::MAX);
                let sector = self
                    .mini
                    .get(sector)
                    .ok_or(Error::Malformed("a small stream without a sector"))?;
                let within = at & ((1 << self.shift) - 1);
                let position = ((u64::from(*sector) + 1) << self.shift) + within;
                content.extend_from_slice(&source.up_to(position, 1 << MINI_SHIFT)?);
            }
        } else {
            for sector in self.chain(node.start, wanted.div_ceil(1 << self.shift))? {
                content.extend_from_slice(&self.sector(source, sector)?);
            }
        }
        content.truncate(wanted);
        Ok(content)
    }
}

/// The first `limit` sectors of a chain.
fn follow(table: &[u32], start: u32, limit: usize) -> Result<Vec<u32>, Error> {
    let mut sectors = Vec::new();
    let mut next = start;
    while next != END && next != NONE && sectors.len() < limit {
        if sectors.len() > table.len() {
            return Err(Error::Malformed("a chain of sectors that has no end"));
        }
        sectors.push(next);
        let following = table.get(next as usize);
        next = *following.ok_or(Error::Malformed("a sector outside of the table"))?;
    }
    Ok(sectors)
}

/// Whether a stream says that the document is encrypted: OOXML in its envelope, Word, Excel, presentations.
fn is_encrypted(source: &mut Source<'_>, compound: &Compound, node: &Node, path: &str) -> bool {
    match path {
        "EncryptedPackage" | "EncryptionInfo" | "EncryptedSummary" => true,
        "WordDocument" => compound
            .content(source, node, 12)
            .is_ok_and(|fib| fib.len() == 12 && fib[11] & 1 == 1),
        "Workbook" | "Book" => compound
            .content(source, node, 4096)
            .is_ok_and(|records| has_file_pass(&records)),
        _ => false,
    }
}

/// Whether a FILEPASS record is among the first records of a workbook.
fn has_file_pass(records: &[u8]) -> bool {
    let mut rest = records;
    while rest.len() >= 4 {
        if u16_at(rest, 0) == 0x2F {
            return true;
        }
        rest = rest
            .get(4 + usize::from(u16_at(rest, 2))..)
            .unwrap_or_default();
    }
    false
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use super::*;

    const SWOLLEN: &[u8] = include_bytes!("../../tests/regressions/file/ole2-swollen-tables");
    const DEEP: &[u8] = include_bytes!("../../tests/regressions/file/ole2-deep-names");

    fn opened(file: &[u8]) -> Result<(Compound, Vec<Node>), Error> {
        let mut random = file;
        open(&mut Source::new(
            [(0, file), (0, b"")],
            &mut random,
            file.len() as u64,
        ))
    }

    #[test]
    fn a_small_file_is_held_by_little() {
        assert!(matches!(opened(SWOLLEN), Err(Error::Malformed(_))));
        // As many sectors of tables as the file has sectors are believed.
        let mut file = SWOLLEN.to_vec();
        file[44..48].copy_from_slice(&3_u32.to_le_bytes());
        let (compound, _) = opened(&file).unwrap();
        assert_eq!(compound.sectors, 3);
        assert_eq!(compound.table.len() * 4, 3 * 4096);
        assert!(compound.mini_table.len() * 4 <= 3 * 4096);
        assert!(compound.mini.len() <= 3);
    }

    #[test]
    fn the_names_of_folders_are_held_once_however_many_nodes_lie_in_them() {
        let (_, nodes) = opened(DEEP).unwrap();
        let mut descent = Descent::new(&nodes);
        descent.push(nodes[0].child, &Rc::from(""), 0);
        let mut visited = 0;
        while let Some((_, path)) = descent.next() {
            visited += 1;
            assert!(path.len() < 8192);
            assert!(descent.stack.len() <= 1, "{}", descent.stack.len());
        }
        assert_eq!(visited, 1_000);
    }
}
