//! Identifying a file on disk, or bytes that are at hand as a whole.
//!
//! Owns reading no more than is needed: the head and the tail first, what lies between only while a signature
//! still looks for something.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use crate::{
    decide::{self, Evidence},
    explain::Trace,
    identification::Identification,
    matcher::{scan::Scan, window::Window},
    signatures::Signatures,
    source::{FileSource, ReadAt, Source},
    stream,
};

/// What is read of a file at first: a file that is no larger is at hand as a whole.
const WHOLE: usize = 256 << 10;

/// Identifies the file at `path`, and notes in `trace` what the answer does not show.
pub(crate) fn identify(
    signatures: &Signatures,
    path: &Path,
    trace: Option<&mut Trace>,
) -> io::Result<Identification> {
    let mut file = File::open(path)?;
    let size = file.metadata()?.len();
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let first = signatures.matcher.head.max(WHOLE) as u64;
    let mut head = Vec::with_capacity(usize::try_from(size.min(first)).unwrap_or(0) + 1);
    (&mut file).take(first + 1).read_to_end(&mut head)?;
    if head.len() as u64 <= first {
        return Ok(identify_bytes(signatures, &name, &head, trace));
    }
    let mut random = FileSource::new(file, size.max(head.len() as u64));
    identify_parts(signatures, &name, &head, &mut random, trace)
}

/// Identifies bytes that are at hand, and notes in `trace` what the answer does not show.
pub(crate) fn identify_bytes(
    signatures: &Signatures,
    name: &str,
    bytes: &[u8],
    mut trace: Option<&mut Trace>,
) -> Identification {
    let window = Window::whole(bytes);
    let mut scan = begin(signatures, &window, trace.is_some());
    scan.tail(&window);
    scan.admit_late();
    if scan.is_looking() {
        scan.advance(&window);
    }
    let mut random = bytes;
    let parts = [(0, bytes), (0, bytes)];
    let mut source = Source::new(parts, &mut random, bytes.len() as u64);
    if let Some(trace) = &mut trace {
        trace.refused = scan.take_refused();
    }
    let evidence = Evidence {
        hits: scan.hits(),
        tail: window,
        read_error: None,
        trace,
    };
    let mut identification = decide::decide(signatures, name, evidence, &mut source);
    identification.bytes_read = bytes.len() as u64;
    identification
}

fn begin<'s>(signatures: &'s Signatures, window: &Window<'_>, explain: bool) -> Scan<'s> {
    if explain {
        Scan::explaining(&signatures.matcher, window)
    } else {
        Scan::new(&signatures.matcher, window)
    }
}

/// A file of which `head` has been read.
fn identify_parts(
    signatures: &Signatures,
    name: &str,
    head: &[u8],
    random: &mut dyn ReadAt,
    mut trace: Option<&mut Trace>,
) -> io::Result<Identification> {
    let size = random.size();
    let first = Window {
        bytes: head,
        base: 0,
        size: None,
    };
    let mut scan = begin(signatures, &first, trace.is_some());
    let base = size.saturating_sub(signatures.matcher.tail as u64);
    let mut tail = vec![0; usize::try_from(size - base).unwrap_or(0)];
    let got = random.read_at(base, &mut tail)?;
    tail.truncate(got);
    let window = Window {
        bytes: &tail,
        base,
        size: Some(base + got as u64),
    };
    scan.tail(&window);
    scan.admit_late();
    let parts = [(0, head), (base, tail.as_slice())];
    let mut source = Source::new(parts, random, size);
    stream::sweep(&mut scan, &mut source, 0)?;
    if let Some(trace) = &mut trace {
        trace.refused = scan.take_refused();
    }
    let evidence = Evidence {
        hits: scan.hits(),
        tail: window,
        read_error: None,
        trace,
    };
    let mut identification = decide::decide(signatures, name, evidence, &mut source);
    identification.bytes_read = (head.len() + got) as u64 + source.fetched;
    identification.bytes_read = identification.bytes_read.min(size.max(source.fetched));
    Ok(identification)
}
