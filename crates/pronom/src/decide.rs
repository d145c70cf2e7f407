//! From what matched to the answer, in DROID's order.
//!
//! 1. Formats whose binary signatures matched. Those that have container signatures were left out before.
//! 2. If ZIP, OLE2 or GZIP is the first of the hits that are containers, that container decides. What is found
//!    in it replaces the hits; if nothing is, the hits stay, all of them, and no extension is a mismatch.
//! 3. A hit goes if another hit has priority over it (direct relations only).
//! 4. Without a hit, formats that have the extension and no binary signature, again without those that another
//!    has priority over.

use std::io;

use crate::{
    container,
    explain::Trace,
    flags,
    identification::{Basis, Identification, Match},
    matcher::{candidate::Candidate, window::Window},
    model::{ContainerKind, Format},
    signatures::Signatures,
    source::Source,
};

/// The formats that are opened as containers, and as which.
const CONTAINERS: [(&str, Option<ContainerKind>); 3] = [
    ("x-fmt/263", Some(ContainerKind::Zip)),
    ("fmt/111", Some(ContainerKind::Ole2)),
    ("x-fmt/266", None),
];

/// The PUIDs of the formats that are opened as containers.
pub(crate) fn container_puids() -> impl Iterator<Item = &'static str> {
    CONTAINERS.iter().map(|(puid, _)| *puid)
}

/// What the matcher found.
pub(crate) struct Evidence<'a> {
    pub(crate) hits: Vec<Candidate>,
    pub(crate) tail: Window<'a>,
    pub(crate) read_error: Option<io::Error>,
    /// Where to note what the answer does not show, if it is to be explained.
    pub(crate) trace: Option<&'a mut Trace>,
}

/// A format that a file may be of, by its place in the list of formats.
struct Hit {
    format: u32,
    basis: Basis,
    ranges: Vec<(u64, u64)>,
}

/// The answer for a file of this name.
pub(crate) fn decide(
    signatures: &Signatures,
    name: &str,
    evidence: Evidence<'_>,
    source: &mut Source<'_>,
) -> Identification {
    let extension = extension(name);
    let mut hits: Vec<Hit> = Vec::new();
    for candidate in evidence.hits {
        let mut ranges = candidate.ranges;
        ranges.sort_unstable();
        for format in &signatures.matcher.signatures[candidate.signature as usize].formats {
            if hits.iter().all(|hit| hit.format != *format) {
                let ranges = ranges.clone();
                let (format, basis) = (*format, Basis::Signature);
                hits.push(Hit {
                    format,
                    basis,
                    ranges,
                });
            }
        }
    }
    let mut trace = evidence.trace;
    if let Some(trace) = &mut trace {
        trace.hits = hits.iter().map(|hit| hit.format).collect();
    }
    let mut identification = Identification {
        container_error: evidence.read_error.map(|error| error.to_string()),
        ..Identification::default()
    };
    let container = hits.iter().find_map(|hit| {
        let puid = &signatures.formats[hit.format as usize].puid;
        CONTAINERS.iter().find(|(known, _)| known == puid)
    });
    let mut opened = None;
    if let Some((_, kind)) = container.filter(|_| signatures.has_containers()) {
        if let Some(kind) = kind {
            let near = trace.map(|trace| &mut trace.near_containers);
            let (found, error) = container::identify(signatures, *kind, source, near);
            identification.container_error = error.or(identification.container_error);
            let inside = found
                .puids
                .iter()
                .filter_map(|puid| signatures.index_of(puid));
            let mut inside: Vec<Hit> = inside
                .map(|format| Hit {
                    format,
                    basis: Basis::Container,
                    ranges: Vec::new(),
                })
                .collect();
            if !inside.is_empty() {
                drop_lower(signatures, &mut inside);
                identification.extension_mismatch = mismatch(signatures, &inside, extension);
                hits = inside;
            }
            opened = Some(found);
        }
    } else {
        drop_lower(signatures, &mut hits);
        identification.extension_mismatch = mismatch(signatures, &hits, extension);
        if hits.is_empty() {
            hits = by_extension(signatures, extension);
        }
    }
    identification.matches = hits
        .into_iter()
        .map(|hit| to_match(signatures, hit))
        .collect();
    flags::set(&mut identification, &evidence.tail, opened.as_ref(), source);
    identification
}

fn to_match(signatures: &Signatures, hit: Hit) -> Match {
    let format = &signatures.formats[hit.format as usize];
    Match {
        puid: format.puid.clone(),
        name: format.name.clone(),
        version: format.version.clone(),
        mime: format.mime.clone(),
        basis: hit.basis,
        ranges: hit.ranges,
    }
}

fn drop_lower(signatures: &Signatures, hits: &mut Vec<Hit>) {
    if hits.len() < 2 {
        return;
    }
    let format = |hit: &Hit| -> &Format { &signatures.formats[hit.format as usize] };
    let lower: Vec<u32> = hits
        .iter()
        .flat_map(|hit| format(hit).priority_over.iter().copied())
        .collect();
    hits.retain(|hit| !lower.contains(&format(hit).id));
}

fn mismatch(signatures: &Signatures, hits: &[Hit], extension: &str) -> bool {
    hits.iter().any(|hit| {
        let format = &signatures.formats[hit.format as usize];
        if extension.is_empty() {
            !format.extensions.is_empty()
        } else {
            format.mismatches(extension)
        }
    })
}

fn by_extension(signatures: &Signatures, extension: &str) -> Vec<Hit> {
    let formats = signatures.tentative(extension).iter();
    let mut hits: Vec<Hit> = formats
        .map(|format| Hit {
            format: *format,
            basis: Basis::Extension,
            ranges: Vec::new(),
        })
        .collect();
    drop_lower(signatures, &mut hits);
    hits
}

/// What follows the last dot of the last part of a path; empty if there is none.
fn extension(name: &str) -> &str {
    let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
    file.rsplit_once('.').map_or("", |(_, extension)| extension)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_extension_is_what_follows_the_last_dot_of_the_last_part() {
        for (name, extension) in [
            ("a.PDF", "PDF"),
            ("folder.d/name", ""),
            ("x/y.tar.gz", "gz"),
            (".profile", "profile"),
            ("dot.", ""),
            ("", ""),
        ] {
            assert_eq!(super::extension(name), extension, "{name}");
        }
    }
}
