//! Ranges of the object that is being identified.
//!
//! Owns the trait that asks for them, and serving them from memory where they are at hand. Counts what was read.

use std::{
    fs::File,
    io::{self, Read, Seek, SeekFrom},
};

/// Random access to the object that is being identified.
///
/// ```
/// use pronom::ReadAt;
///
/// let mut object: &[u8] = b"%PDF-1.4";
/// let mut version = [0; 3];
/// assert_eq!(object.read_at(5, &mut version).unwrap(), 3);
/// assert_eq!(&version, b"1.4");
/// ```
pub trait ReadAt {
    /// How many bytes the object has.
    fn size(&self) -> u64;

    /// Reads at `offset` into `buf`; fewer bytes than asked for only at the end of the object.
    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize>;
}

impl ReadAt for &[u8] {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let from = usize::try_from(offset)
            .unwrap_or(usize::MAX)
            .min(self.len());
        let count = buf.len().min(self.len() - from);
        buf[..count].copy_from_slice(&self[from..from + count]);
        Ok(count)
    }
}

/// A file, read by position.
#[derive(Debug)]
pub(crate) struct FileSource {
    file: File,
    size: u64,
}

impl FileSource {
    pub(crate) fn new(file: File, size: u64) -> Self {
        Self { file, size }
    }
}

impl ReadAt for FileSource {
    fn size(&self) -> u64 {
        self.size
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        self.file.seek(SeekFrom::Start(offset))?;
        let mut count = 0;
        while count < buf.len() {
            match self.file.read(&mut buf[count..]) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }
}

/// An object of which one or two parts are in memory.
pub(crate) struct Source<'a> {
    parts: [(u64, &'a [u8]); 2],
    random: &'a mut dyn ReadAt,
    size: u64,
    /// Bytes that had to be asked for.
    pub(crate) fetched: u64,
}

impl<'a> Source<'a> {
    pub(crate) fn new(parts: [(u64, &'a [u8]); 2], random: &'a mut dyn ReadAt, size: u64) -> Self {
        Self {
            parts,
            random,
            size,
            fetched: 0,
        }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The part that is in memory and holds the range.
    fn held(&self, offset: u64, count: usize) -> Option<&'a [u8]> {
        self.parts.iter().find_map(|(base, bytes)| {
            let from = usize::try_from(offset.checked_sub(*base)?).ok()?;
            bytes.get(from..from.checked_add(count)?)
        })
    }

    /// Exactly `count` bytes at `offset`, or an error if the object ends before.
    pub(crate) fn exact(
        &mut self,
        offset: u64,
        count: usize,
    ) -> io::Result<std::borrow::Cow<'a, [u8]>> {
        let bytes = self.up_to(offset, count)?;
        if bytes.len() < count {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(bytes)
    }

    /// As many of `count` bytes at `offset` as the object has.
    pub(crate) fn up_to(
        &mut self,
        offset: u64,
        count: usize,
    ) -> io::Result<std::borrow::Cow<'a, [u8]>> {
        let left = self.size.saturating_sub(offset);
        let count = usize::try_from(left).map_or(count, |left| count.min(left));
        if let Some(bytes) = self.held(offset, count) {
            return Ok(bytes.into());
        }
        let mut bytes = vec![0; count];
        let got = self.random.read_at(offset, &mut bytes)?;
        self.fetched += got as u64;
        bytes.truncate(got);
        Ok(bytes.into())
    }

    /// Fills `buf` from `offset` on, as far as the object goes.
    pub(crate) fn fill(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let left = self.size.saturating_sub(offset);
        let count = usize::try_from(left).map_or(buf.len(), |left| buf.len().min(left));
        let buf = &mut buf[..count];
        if let Some(bytes) = self.held(offset, count) {
            buf.copy_from_slice(bytes);
            return Ok(count);
        }
        let got = self.random.read_at(offset, buf)?;
        self.fetched += got as u64;
        Ok(got)
    }
}
