//! Identifying a file whose bytes come by once, in order.
//!
//! Owns the head window, the rolling window and the tail window. Does not own what is looked for in them
//! (`matcher`) or what follows from it (`decide`).
//!
//! Always: memory has a bound that depends on the signatures only; the answer does not depend on how the bytes
//! are divided (`tests/stream.rs`).

use std::io;

use crate::{
    decide::{self, Evidence},
    identification::Identification,
    matcher::{scan::Scan, window::Window},
    signatures::Signatures,
    source::{ReadAt, Source},
};

/// A file that is being fed.
///
/// ```
/// let mut stream = pronom::Signatures::builtin().stream("scan.gif");
/// let (first, rest) = b"GIF89a\x01\0\x01\0\0\0\0;".split_at(4);
/// stream.feed(first);
/// stream.feed(rest);
/// let mut object: &[u8] = b"GIF89a\x01\0\x01\0\0\0\0;";
/// assert_eq!(stream.finish(&mut object).matches[0].puid, "fmt/4");
/// ```
#[derive(Debug)]
pub struct Stream<'s> {
    signatures: &'s Signatures,
    name: String,
    /// The bytes from `base` on, as far as they were fed.
    buffer: Vec<u8>,
    base: u64,
    /// So much of a full buffer is needed again.
    kept: usize,
    /// So many bytes are looked through at once.
    full: usize,
    /// The start of the file, once the buffer has rolled past it.
    head: Vec<u8>,
    scan: Option<Scan<'s>>,
}

/// So much of the start stays at hand, for flags and containers.
const KEPT_HEAD: usize = 4096;

impl<'s> Stream<'s> {
    pub(crate) fn new(signatures: &'s Signatures, name: &str) -> Self {
        Self {
            signatures,
            name: name.to_owned(),
            buffer: Vec::new(),
            base: 0,
            kept: 0,
            full: signatures.matcher.head + 1,
            head: Vec::new(),
            scan: None,
        }
    }

    /// Takes the bytes that come next.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let idle = self.scan.as_ref().is_some_and(|scan| !scan.is_looking());
            if idle && bytes.len() > self.kept {
                // Nothing but the tail can matter any more.
                let (passed, tail) = bytes.split_at(bytes.len() - self.kept);
                self.base += (self.buffer.len() + passed.len()) as u64;
                self.buffer.clear();
                self.buffer.extend_from_slice(tail);
                return;
            }
            let room = self.full.saturating_sub(self.buffer.len());
            let (now, later) = bytes.split_at(bytes.len().min(room));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() >= self.full {
                self.turn();
            }
        }
    }

    /// Looks through a full buffer and forgets what is no longer needed of it.
    fn turn(&mut self) {
        let window = Window {
            bytes: &self.buffer,
            base: self.base,
            size: None,
        };
        let matcher = &self.signatures.matcher;
        if self.scan.is_none() {
            self.head = self.buffer[..self.buffer.len().min(KEPT_HEAD)].to_vec();
        }
        let scan = self.scan.get_or_insert_with(|| Scan::new(matcher, &window));
        if scan.is_looking() {
            scan.advance(&window);
        }
        self.kept = scan.context().max(matcher.tail);
        self.full = self.kept + step(self.kept);
        let passed = self.buffer.len().saturating_sub(self.kept);
        self.buffer.drain(..passed);
        self.base += passed as u64;
    }

    /// Ends the file and says what it is. Containers and a few other formats need ranges that have passed:
    /// these are asked for from `random`, which must be the same object.
    pub fn finish(self, random: &mut dyn ReadAt) -> Identification {
        let size = self.base + self.buffer.len() as u64;
        let signatures = self.signatures;
        let window = Window {
            bytes: &self.buffer,
            base: self.base,
            size: Some(size),
        };
        let parts = [
            (self.base, self.buffer.as_slice()),
            (0, self.head.as_slice()),
        ];
        let mut source = Source::new(parts, random, size);
        let mut scan = match self.scan {
            Some(scan) => scan,
            None => Scan::new(&signatures.matcher, &window),
        };
        scan.tail(&window);
        if self.base == 0 {
            scan.admit_late();
        }
        if scan.is_looking() {
            scan.advance(&window);
        }
        scan.admit_late();
        let error = sweep(&mut scan, &mut source, 0).err();
        let evidence = Evidence {
            hits: scan.hits(),
            tail: window,
            read_error: error,
            trace: None,
        };
        let mut identification = decide::decide(signatures, &self.name, evidence, &mut source);
        identification.bytes_read = size + source.fetched;
        identification
    }
}

/// So many bytes come new to a window of which `kept` have been seen before.
fn step(kept: usize) -> usize {
    (kept * 2).max(STEP)
}

const STEP: usize = 512 << 10;

/// Shows `scan` the object from `from` to its end, as long as it looks for something.
pub(crate) fn sweep(scan: &mut Scan<'_>, source: &mut Source<'_>, from: u64) -> io::Result<()> {
    let mut buffer = Vec::new();
    let mut filled = 0;
    let mut base = from;
    while scan.is_looking() {
        let full = filled + step(scan.context());
        if buffer.len() < full {
            buffer.resize(full, 0);
        }
        let got = source.fill(base + filled as u64, &mut buffer[filled..])?;
        filled += got;
        let end = base + filled as u64;
        let window = Window {
            bytes: &buffer[..filled],
            base,
            size: (got == 0 || end >= source.size()).then_some(end),
        };
        scan.advance(&window);
        if window.is_last() {
            break;
        }
        let passed = filled.saturating_sub(scan.context());
        buffer.copy_within(passed..filled, 0);
        filled -= passed;
        base += passed as u64;
    }
    Ok(())
}
