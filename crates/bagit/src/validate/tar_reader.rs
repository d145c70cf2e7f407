//! A tar archive as a stream of members, from a hostile hand.
//!
//! Reads ustar, pax and GNU headers. The `tar` crate parses the header block; what surrounds it is done here, because
//! that crate holds extended headers in memory whatever their size, and cuts pax values at line ends.
//!
//! Always: memory is bounded by [`EXTENDED_BYTES`]; nothing is written, followed or unpacked.

use std::io::{self, Read};

use tar::Header;

const BLOCK: usize = 512;
/// The largest extended header that is read; a path of that length is nobody's.
const EXTENDED_BYTES: u64 = 1 << 20;
/// Extended headers in a row before a member.
const EXTENDED_COUNT: usize = 16;
/// Where old GNU sparse headers say that a further header block follows: in the header, and in that block.
const SPARSE_MORE: (usize, usize) = (482, 504);

/// What a member is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    /// What a bag cannot hold, by its name in English.
    Other(&'static str),
}

/// A member's header.
#[derive(Debug)]
pub(super) struct Member {
    /// The path as it stands in the archive.
    pub(super) path: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) size: u64,
}

/// The archive cannot be read on.
#[derive(Debug)]
pub(super) struct Damaged(pub(super) String);

impl From<io::Error> for Damaged {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// Reads the members of an archive one after the other.
pub(super) struct TarReader<R> {
    source: R,
    /// Bytes of the current member's content that were not read yet, and the padding after them.
    left: u64,
    padding: u64,
}

/// The content of the current member.
impl<R: Read> Read for TarReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = usize::try_from(self.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if want == 0 {
            return Ok(0);
        }
        let count = self.source.read(&mut buffer[..want])?;
        if count == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the archive ends within a file",
            ));
        }
        self.left -= count as u64;
        Ok(count)
    }
}

#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl<R: Read> TarReader<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            left: 0,
            padding: 0,
        }
    }

    /// The next member, past what was not read of the one before; `None` at the archive's end.
    pub(super) fn next_member(&mut self) -> Result<Option<Member>, Damaged> {
        let mut extended = Extended::default();
        for _ in 0..=EXTENDED_COUNT {
            self.skip_content()?;
            let Some(header) = self.read_header()? else {
                return Ok(None);
            };
            let size = header.entry_size()?;
            let kind = header.as_bytes()[156];
            match kind {
                b'x' => {
                    let records = self.read_extended(size)?;
                    apply_pax(&records, &mut extended)?;
                }
                b'L' => {
                    let mut path = self.read_extended(size)?;
                    path.truncate(path.iter().position(|&b| b == 0).unwrap_or(path.len()));
                    extended.path = Some(path);
                }
                // Global records are about the archive; a long link name is about a link, and no link is followed.
                b'g' | b'K' => {
                    self.read_extended(size)?;
                }
                _ => return self.member(&header, extended).map(Some),
            }
        }
        Err(Damaged("too many extended headers in a row".to_owned()))
    }

    /// What is behind the last member, which only a compressed stream has an interest in: its checksum is there.
    pub(super) fn into_source(self) -> R {
        self.source
    }

    fn member(&mut self, header: &Header, extended: Extended) -> Result<Member, Damaged> {
        let path = extended
            .path
            .unwrap_or_else(|| header.path_bytes().into_owned());
        let bytes = header.as_bytes();
        let mut kind = match bytes[156] {
            // Before POSIX a folder was a file whose name ends in a slash.
            0 if path.ends_with(b"/") => Kind::Folder,
            0 | b'0' | b'7' => Kind::File,
            b'1' => Kind::Other("hard link"),
            b'2' => Kind::Other("symbolic link"),
            b'3' | b'4' => Kind::Other("device"),
            b'5' => Kind::Folder,
            b'6' => Kind::Other("named pipe"),
            b'S' => Kind::Other("sparse file"),
            b'M' => Kind::Other("rest of a file from another volume"),
            _ => Kind::Other("member of an unknown type"),
        };
        if extended.sparse {
            kind = Kind::Other("sparse file");
        }
        if bytes[156] == b'S' && bytes[SPARSE_MORE.0] != 0 {
            while self
                .read_block()?
                .is_some_and(|block| block[SPARSE_MORE.1] != 0)
            {}
        }
        let has_content = !matches!(bytes[156], b'1'..=b'6');
        let size = if has_content {
            extended.size.map_or_else(|| header.entry_size(), Ok)?
        } else {
            0
        };
        self.expect(size);
        Ok(Member { path, kind, size })
    }

    fn expect(&mut self, size: u64) {
        self.left = size;
        self.padding = crate::padding(size) as u64;
    }

    fn skip_content(&mut self) -> Result<(), Damaged> {
        let skip = self.left.saturating_add(self.padding);
        let skipped = io::copy(&mut (&mut self.source).take(skip), &mut io::sink())?;
        if skipped < self.left {
            return Err(Damaged("the archive ends within a file".to_owned()));
        }
        self.expect(0);
        Ok(())
    }

    fn read_header(&mut self) -> Result<Option<Header>, Damaged> {
        let Some(block) = self.read_block()? else {
            return Ok(None);
        };
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let header = Header::from_byte_slice(&block).clone();
        if !checksum_fits(&block, header.cksum()?) {
            return Err(Damaged("a header's checksum is wrong".to_owned()));
        }
        Ok(Some(header))
    }

    fn read_block(&mut self) -> Result<Option<[u8; BLOCK]>, Damaged> {
        let mut block = [0; BLOCK];
        let mut filled = 0;
        while filled < BLOCK {
            match self.source.read(&mut block[filled..]) {
                Ok(0) if filled == 0 => return Ok(None),
                Ok(0) => return Err(Damaged("the archive ends within a header".to_owned())),
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(block))
    }

    fn read_extended(&mut self, size: u64) -> Result<Vec<u8>, Damaged> {
        if size > EXTENDED_BYTES {
            return Err(Damaged(format!("an extended header has {size} bytes")));
        }
        self.expect(size);
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Whether the first block of a file is a tar header.
pub(super) fn is_header(block: &[u8; BLOCK]) -> bool {
    let header = Header::from_byte_slice(block);
    let empty = block.iter().all(|&byte| byte == 0);
    empty
        || header
            .cksum()
            .is_ok_and(|claimed| checksum_fits(block, claimed))
}

/// The sum of the block's bytes, the checksum itself as spaces; old tools summed them as signed.
fn checksum_fits(block: &[u8; BLOCK], claimed: u32) -> bool {
    let field = 148..156;
    let mut unsigned = 0_i64;
    let mut signed = 0_i64;
    for (at, &byte) in block.iter().enumerate() {
        let byte = if field.contains(&at) { b' ' } else { byte };
        unsigned += i64::from(byte);
        signed += i64::from(byte.cast_signed());
    }
    [unsigned, signed].contains(&i64::from(claimed))
}

/// Takes the records `length key=value\n`, where the value may hold anything.
fn apply_pax(records: &[u8], extended: &mut Extended) -> Result<(), Damaged> {
    let damaged = || Damaged("a pax header is malformed".to_owned());
    let mut rest = records;
    while !rest.is_empty() {
        let space = rest.iter().position(|&b| b == b' ').ok_or_else(damaged)?;
        let length: usize = std::str::from_utf8(&rest[..space])
            .ok()
            .and_then(|digits| digits.parse().ok())
            .ok_or_else(damaged)?;
        let record = rest.get(space + 1..length).ok_or_else(damaged)?;
        rest = &rest[length..];
        let record = record.strip_suffix(b"\n").ok_or_else(damaged)?;
        let equals = record.iter().position(|&b| b == b'=').ok_or_else(damaged)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => extended.path = Some(value.to_owned()),
            b"size" => {
                let size = std::str::from_utf8(value).ok().and_then(|v| v.parse().ok());
                extended.size = Some(size.ok_or_else(damaged)?);
            }
            _ => extended.sparse |= key.starts_with(b"GNU.sparse."),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use proptest::prelude::*;

    use super::*;
    use crate::{ARCHIVE_END, file_header, padding};

    fn add(bytes: &mut Vec<u8>, header: &[u8], content: &[u8]) {
        bytes.extend(header);
        bytes.extend(content);
        bytes.resize(bytes.len() + padding(content.len() as u64), 0);
    }

    fn extended(kind: u8, content: &[u8]) -> Vec<u8> {
        let mut header = Header::new_ustar();
        header.set_entry_type(tar::EntryType::new(kind));
        header.set_size(content.len() as u64);
        header.set_cksum();
        let mut bytes = Vec::new();
        add(&mut bytes, header.as_bytes(), content);
        bytes
    }

    fn members(bytes: &[u8]) -> Result<Vec<(String, Kind, Vec<u8>)>, Damaged> {
        let mut reader = TarReader::new(bytes);
        let mut found = Vec::new();
        while let Some(member) = reader.next_member()? {
            let mut content = Vec::new();
            reader.read_to_end(&mut content)?;
            assert_eq!(content.len() as u64, member.size);
            found.push((
                String::from_utf8_lossy(&member.path).into_owned(),
                member.kind,
                content,
            ));
        }
        Ok(found)
    }

    #[test]
    fn pax_and_gnu_names_are_read() {
        let mut bytes = Vec::new();
        let plain = file_header("short", 3, 0);
        for (before, expected) in [
            (Vec::new(), "short"),
            (extended(b'x', b"16 path=a\nb=c\xc3\xa9\n"), "a\nb=c\u{e9}"),
            (extended(b'L', b"long\0\0"), "long"),
            (extended(b'g', b"10 path=g\n"), "short"),
            (extended(b'K', b"link\0"), "short"),
        ] {
            bytes.extend(before);
            add(&mut bytes, &plain, b"abc");
            let found = members(&bytes).unwrap();
            let last = found.last().unwrap();
            assert_eq!(last, &(expected.to_owned(), Kind::File, b"abc".to_vec()));
        }
        bytes.extend(ARCHIVE_END);
        bytes.extend(b"what follows the end is not looked at");
        assert_eq!(members(&bytes).unwrap().len(), 5);
    }

    #[test]
    fn a_size_in_a_pax_header_counts() {
        let mut bytes = extended(b'x', b"9 size=3\n");
        bytes.extend(file_header("a", 0, 0));
        bytes.extend([b'z'; 512]);
        assert_eq!(members(&bytes).unwrap()[0].2, b"zzz");
    }

    #[test]
    fn what_is_no_file_is_named_and_stepped_over() {
        for (kind, expected) in [
            (b'1', Kind::Other("hard link")),
            (b'2', Kind::Other("symbolic link")),
            (b'4', Kind::Other("device")),
            (b'5', Kind::Folder),
            (b'6', Kind::Other("named pipe")),
        ] {
            let mut header = Header::new_ustar();
            header.set_entry_type(tar::EntryType::new(kind));
            // A link's size, where a tool gives one, is that of the file it points to.
            header.set_size(700);
            header.set_cksum();
            let mut bytes = header.as_bytes().to_vec();
            add(&mut bytes, &file_header("a", 1, 0), b"x");
            let found = members(&bytes).unwrap();
            assert_eq!((found[0].1, found[1].0.as_str()), (expected, "a"));
        }
        let mut bytes = extended(b'x', b"22 GNU.sparse.major=1\n");
        add(&mut bytes, &file_header("a", 1, 0), b"x");
        assert_eq!(members(&bytes).unwrap()[0].1, Kind::Other("sparse file"));
    }

    #[test]
    fn old_sparse_headers_are_stepped_over() {
        let mut header = Header::new_gnu();
        header.set_entry_type(tar::EntryType::new(b'S'));
        header.set_size(1);
        header.as_mut_bytes()[SPARSE_MORE.0] = 1;
        header.set_cksum();
        let mut bytes = header.as_bytes().to_vec();
        let mut more = [0; BLOCK];
        more[SPARSE_MORE.1] = 1;
        bytes.extend(more);
        bytes.extend([0; BLOCK]);
        add(&mut bytes, b"", b"x");
        add(&mut bytes, &file_header("a", 1, 0), b"y");
        let found = members(&bytes).unwrap();
        assert_eq!(found[0].1, Kind::Other("sparse file"));
        assert_eq!(found[1].2, b"y");
    }

    #[test]
    fn damage_is_an_error() {
        let mut whole = Vec::new();
        add(&mut whole, &file_header("a", 600, 0), &[7; 600]);
        whole.extend(ARCHIVE_END);
        assert_eq!(members(&whole).unwrap().len(), 1);
        for length in [1, 511, 513, 1_100] {
            assert!(members(&whole[..length]).is_err(), "{length}");
        }
        let mut flipped = whole.clone();
        flipped[0] ^= 1;
        assert!(members(&flipped).is_err());
        for records in [
            &b"x"[..],
            b"5 a=b\n",
            b"99 path=a\n",
            b"0 a=b\n",
            b"6 abc\n",
            b"9 size=x\n",
        ] {
            let mut bytes = extended(b'x', records);
            add(&mut bytes, &file_header("a", 1, 0), b"x");
            assert!(members(&bytes).is_err(), "{records:?}");
        }
    }

    #[test]
    fn an_extended_header_beyond_the_limit_is_not_read() {
        let mut header = Header::new_ustar();
        header.set_entry_type(tar::EntryType::XHeader);
        header.set_size(EXTENDED_BYTES + 1);
        header.set_cksum();
        assert!(members(header.as_bytes()).is_err());
        let many = extended(b'g', b"").repeat(EXTENDED_COUNT + 1);
        assert!(members(&many).is_err());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(paths in proptest::collection::vec("b/[a-z\u{e9}\n\r%=/ ]{0,300}[a-z]", 1..4)) {
            let mut bytes = Vec::new();
            for path in &paths {
                add(&mut bytes, &file_header(path, 4, 0), b"text");
            }
            bytes.extend(ARCHIVE_END);
            let found: Vec<String> = members(&bytes).unwrap().into_iter().map(|m| m.0).collect();
            prop_assert_eq!(found, paths);
        }

        #[test]
        fn changed_bytes_never_panic(at in 0_usize..3_000, byte: u8, fix: bool, cut in 0_usize..3_000) {
            let mut bytes = extended(b'x', b"20 path=some/path.x\n");
            add(&mut bytes, &file_header("a", 600, 0), &[7; 600]);
            add(&mut bytes, &file_header("\u{e9}", 1, 0), b"x");
            let at = at % bytes.len();
            bytes[at] = byte;
            let block = at / BLOCK * BLOCK;
            if fix {
                let mut header = Header::from_byte_slice(&bytes[block..block + BLOCK]).clone();
                header.set_cksum();
                bytes[block..block + BLOCK].copy_from_slice(header.as_bytes());
            }
            bytes.truncate(bytes.len().saturating_sub(cut));
            let _ = members(&bytes);
        }
    }
}
