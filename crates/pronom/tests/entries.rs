//! ZIP files of millions of entries, which are computed when they are asked for.

#[path = "common/memory.rs"]
mod memory;

use std::{
    io,
    time::{Duration, Instant},
};

use pronom::{Identification, ReadAt, Signatures};

/// How long the last byte may take until there is an answer. A machine may be busy.
const LIMIT: Duration = Duration::from_secs(5);
const MOST_MEMORY: u64 = 100 << 20;
const TOO_MANY: Option<&str> = Some("ZIP: more than 1000000 entries");

/// So many empty entries, each with its header and its line in the directory.
#[derive(Debug, Clone, Copy)]
struct Entries {
    count: u64,
    /// How many digits of its number are an entry's name.
    name: usize,
    /// Whether the directory says how many there are; otherwise only how many modulo 65,536.
    honest: bool,
}

impl Entries {
    fn local(self) -> u64 {
        30 + self.name as u64
    }

    fn line(self) -> u64 {
        46 + self.name as u64
    }

    fn directory(self) -> (u64, u64) {
        (self.count * self.local(), self.count * self.line())
    }

    /// What follows on the directory.
    fn end(self) -> Vec<u8> {
        let (start, size) = self.directory();
        let mut end = Vec::new();
        if self.honest {
            end.extend_from_slice(b"PK\x06\x06");
            end.extend_from_slice(&44_u64.to_le_bytes());
            end.extend_from_slice(&[45, 0, 45, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
            for value in [self.count, self.count, size, start] {
                end.extend_from_slice(&value.to_le_bytes());
            }
            end.extend_from_slice(b"PK\x06\x07\0\0\0\0");
            end.extend_from_slice(&(start + size).to_le_bytes());
            end.extend_from_slice(&[1, 0, 0, 0]);
        }
        let count = u16::try_from(self.count & 0xFFFF).expect("two bytes");
        end.extend_from_slice(b"PK\x05\x06\0\0\0\0");
        end.extend_from_slice(&count.to_le_bytes());
        end.extend_from_slice(&count.to_le_bytes());
        for value in [size, start] {
            let value = u32::try_from(value).expect("below 4 GiB");
            end.extend_from_slice(&value.to_le_bytes());
        }
        end.extend_from_slice(&[0, 0]);
        end
    }

    /// The header of an entry, or its line in the directory.
    fn record(self, nth: u64, in_directory: bool) -> Vec<u8> {
        let length = if in_directory {
            self.line()
        } else {
            self.local()
        };
        let mut record = vec![0; usize::try_from(length).expect("short")];
        let (magic, name_at): (&[u8], usize) = if in_directory {
            (b"PK\x01\x02", 28)
        } else {
            (b"PK\x03\x04", 26)
        };
        record[..4].copy_from_slice(magic);
        record[name_at] = u8::try_from(self.name).expect("short");
        if in_directory {
            let offset = u32::try_from(nth * self.local()).expect("below 4 GiB");
            record[42..46].copy_from_slice(&offset.to_le_bytes());
        }
        let mut digits = nth;
        for digit in record.iter_mut().rev().take(self.name) {
            *digit = b'0' + u8::try_from(digits % 10).expect("a digit");
            digits /= 10;
        }
        record
    }
}

impl ReadAt for Entries {
    fn size(&self) -> u64 {
        let (start, size) = self.directory();
        start + size + self.end().len() as u64
    }

    fn read_at(&mut self, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
        let (start, size) = self.directory();
        let mut filled = 0;
        while filled < buf.len() {
            let at = offset + filled as u64;
            let (bytes, skip) = if at < start {
                let nth = at / self.local();
                (self.record(nth, false), at % self.local())
            } else if at < start + size {
                let at = at - start;
                (self.record(at / self.line(), true), at % self.line())
            } else {
                (self.end(), at - start - size)
            };
            let skip = usize::try_from(skip).expect("short").min(bytes.len());
            let bytes = &bytes[skip..];
            if bytes.is_empty() {
                break;
            }
            let count = bytes.len().min(buf.len() - filled);
            buf[filled..filled + count].copy_from_slice(&bytes[..count]);
            filled += count;
        }
        Ok(filled)
    }
}

/// What it is, and how long that took after the last byte.
fn identified(mut entries: Entries) -> (Identification, Duration) {
    let mut stream = Signatures::builtin().stream("many.zip");
    let mut piece = vec![0; 1 << 20];
    let mut offset = 0;
    loop {
        let count = entries.read_at(offset, &mut piece).expect("readable");
        if count == 0 {
            break;
        }
        stream.feed(&piece[..count]);
        offset += count as u64;
    }
    let begin = Instant::now();
    (stream.finish(&mut entries), begin.elapsed())
}

#[test]
fn millions_of_entries_get_an_answer_in_bounded_time_and_memory() {
    let of = |count, name, honest| Entries {
        count,
        name,
        honest,
    };
    // As many lines without a name as the largest directory holds.
    let most = (64 << 20) / 46;
    for (entries, error) in [
        (of(10_000_000, 8, true), TOO_MANY),
        (of(10_000_000, 8, false), TOO_MANY),
        (of(most, 0, false), TOO_MANY),
        (of(1_000_001, 8, false), TOO_MANY),
        (of(1_000_000, 8, false), None),
        (of(1_000_000, 8, true), None),
    ] {
        let (found, taken) = identified(entries);
        let puids: Vec<&str> = found.matches.iter().map(|one| one.puid.as_str()).collect();
        assert_eq!(puids, ["x-fmt/263"], "{entries:?}");
        assert_eq!(found.container_error.as_deref(), error, "{entries:?}");
        assert!(taken < LIMIT, "{entries:?} took {taken:?}");
        let peak = memory::peak();
        assert!(
            peak.is_none_or(|peak| peak < MOST_MEMORY),
            "{entries:?} took {peak:?}"
        );
    }
}
