//! ZIP files as nobody should make them.

use std::io::Write as _;

use flate2::{Compression, Crc, write::DeflateEncoder};

/// An entry of a ZIP file.
#[derive(Debug, Clone)]
pub struct Entry {
    name: String,
    packed: Vec<u8>,
    size: u32,
    crc: u32,
    method: u16,
    flags: u16,
}

impl Entry {
    /// As it is.
    pub fn stored(name: &str, bytes: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(bytes);
        Self {
            name: name.to_owned(),
            packed: bytes.to_vec(),
            size: four(bytes.len()),
            crc: crc.sum(),
            method: 0,
            flags: 0,
        }
    }

    /// Deflated.
    pub fn deflated(name: &str, bytes: &[u8]) -> Self {
        let mut deflate = DeflateEncoder::new(Vec::new(), Compression::best());
        deflate.write_all(bytes).expect("memory takes it");
        Self {
            packed: deflate.finish().expect("memory takes it"),
            method: 8,
            ..Self::stored(name, bytes)
        }
    }

    /// Behind a password: what is inside cannot be read (the header of its encryption stands before it).
    #[must_use]
    pub fn encrypted(mut self) -> Self {
        self.flags |= 1;
        let header = [
            0xA7, 0x31, 0x5C, 0x0D, 0x92, 0xEE, 0x43, 0x18, 0x6F, 0xB4, 0x29, 0xD1,
        ];
        let hidden = self.packed.iter().map(|byte| byte ^ 0x5A);
        self.packed = header.into_iter().chain(hidden).collect();
        self
    }

    /// The same under another name.
    #[must_use]
    pub fn named(&self, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..self.clone()
        }
    }

    fn common(&self) -> Vec<u8> {
        let mut common = 20_u16.to_le_bytes().to_vec();
        common.extend(self.flags.to_le_bytes());
        common.extend(self.method.to_le_bytes());
        common.extend([0, 0, 0x21, 0]);
        common.extend(self.crc.to_le_bytes());
        common.extend(four(self.packed.len()).to_le_bytes());
        common.extend(self.size.to_le_bytes());
        common.extend(two(self.name.len()).to_le_bytes());
        common.extend([0, 0]);
        common
    }

    fn local(&self) -> Vec<u8> {
        let mut local = b"PK\x03\x04".to_vec();
        local.extend(self.common());
        local.extend(self.name.as_bytes());
        local.extend(&self.packed);
        local
    }

    fn central(&self, offset: usize) -> Vec<u8> {
        let mut central = b"PK\x01\x02\x14\0".to_vec();
        central.extend(self.common());
        central.extend([0; 10]);
        central.extend(four(offset).to_le_bytes());
        central.extend(self.name.as_bytes());
        central
    }
}

fn four(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn two(number: usize) -> u16 {
    u16::try_from(number).unwrap_or(u16::MAX)
}

/// A ZIP file of these entries. With `overlapping`, the directory names each of them at the place of the first.
pub fn zip(entries: &[Entry], overlapping: bool) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        if overlapping && !archive.is_empty() {
            directory.extend(entry.central(0));
            continue;
        }
        directory.extend(entry.central(archive.len()));
        archive.extend(entry.local());
    }
    let begin = archive.len();
    archive.extend(&directory);
    archive.extend(b"PK\x05\x06\0\0\0\0");
    archive.extend(two(entries.len()).to_le_bytes());
    archive.extend(two(entries.len()).to_le_bytes());
    archive.extend(four(directory.len()).to_le_bytes());
    archive.extend(four(begin).to_le_bytes());
    archive.extend([0, 0]);
    archive
}

/// A ZIP64 file of one entry, whose end says of its directory what one likes: entries, size, offset.
pub fn zip64(entry: &Entry, entries: u64, size: u64, offset: u64) -> Vec<u8> {
    let mut archive = entry.local();
    archive.extend(entry.central(0));
    let record = archive.len() as u64;
    archive.extend(b"PK\x06\x06");
    archive.extend(44_u64.to_le_bytes());
    archive.extend([45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    for number in [entries, entries, size, offset] {
        archive.extend(number.to_le_bytes());
    }
    archive.extend(b"PK\x06\x07\0\0\0\0");
    archive.extend(record.to_le_bytes());
    archive.extend([1, 0, 0, 0]);
    archive.extend(b"PK\x05\x06\0\0\0\0\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\0\0");
    archive
}
