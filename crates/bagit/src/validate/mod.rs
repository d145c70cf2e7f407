//! Validation of bags that exist, made by any tool (RFC 8493 §3, and its drafts from 0.93).
//!
//! Owns the verdict and its grounds, file by file. Does not repair, unpack or fetch.
//!
//! What is judged more mildly than by the letter, each as a warning with a code of its own, follows the Library of
//! Congress's conformance suite:
//! - names that differ in case or normalisation from the one listed, where the file there has the listed digest;
//! - a listed `.DS_Store`, `Thumbs.db` or `desktop.ini` that is gone, and a `Payload-Oxum` that counts it;
//! - an entry that leaves the bag only on Windows (`C:\…`, `\\…`, `%Name%\…`): it names no file here;
//! - lines as `md5sum` writes them, `./` before a path, and before 1.0 a file listed twice with one digest.
//!
//! Always: no panic and no unbounded memory, whatever the bytes; a report without errors means that every digest of
//! every manifest was computed from the bytes there and found equal.

mod archive;
mod claims;
mod code;
mod declaration;
mod digests;
mod error;
mod fetch;
mod folder;
mod info;
mod inventory;
mod limits;
mod listing;
mod payload;
mod problems;
mod report;
mod scan;
mod tag_files;
mod tar_reader;
mod text;
mod twins;

use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};

use claims::Claims;
use digests::Algorithms;
use inventory::Inventory;
use problems::Problems;

pub use code::Code;
pub use error::Error;
pub use limits::Limits;
pub use report::{Problem, Progress, Report, Severity, Source, Version};

use crate::PayloadOxum;

/// Judges the bag at `path`: a folder, a tar or a gzipped tar, told apart by their first bytes.
///
/// An archive is read once, without unpacking; only where a manifest that comes after the payload asks for an unusual
/// digest is it read again. `progress` is called after every piece that was read.
pub fn validate(path: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Report, Error> {
    validate_within(path, &Limits::default(), progress)
}

/// [`validate`], with other limits on what is looked at.
pub fn validate_within(
    path: &Path,
    limits: &Limits,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, Error> {
    let metadata = std::fs::metadata(path).map_err(|source| Error::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    let mut problems = Problems::new(limits.problems);
    let (inventory, claims) = if metadata.is_dir() {
        read_folder(path, limits, &mut problems, progress)?
    } else if metadata.is_file() {
        read_archive(path, limits, &mut problems, progress)?
    } else {
        return Err(Error::NotABag(path.to_owned()));
    };
    Ok(judge(&inventory, &claims, problems))
}

/// A tag file of a bag that was validated, read again from its beginning. `None`: it has none of this path.
pub fn open_tag_file(
    path: &Path,
    report: &Report,
    name: &str,
) -> Result<Option<Box<dyn Read>>, Error> {
    if !report.tag_names.contains(name) {
        return Ok(None);
    }
    let unreadable = |source| Error::Unreadable {
        path: path.to_owned(),
        source,
    };
    if report.source == Source::Folder {
        let file = File::open(path.join(name)).map_err(unreadable)?;
        return Ok(Some(Box::new(BufReader::new(file))));
    }
    let wanted = match report.folder.as_str() {
        "" => name.to_owned(),
        folder => format!("{folder}/{name}"),
    };
    let found = archive::open(path, report.source, &wanted).map_err(unreadable)?;
    Ok(found.map(|file| -> Box<dyn Read> { Box::new(file) }))
}

fn read_folder(
    path: &Path,
    limits: &Limits,
    problems: &mut Problems,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Inventory, Claims), Error> {
    let mut inventory = folder::survey(path, limits, problems)?;
    let texts = std::mem::take(&mut inventory.texts);
    let claims = Claims::read(texts, limits, problems)?;
    folder::hash(path, &claims, &mut inventory, problems, progress);
    Ok((inventory, claims))
}

fn read_archive(
    path: &Path,
    limits: &Limits,
    problems: &mut Problems,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Inventory, Claims), Error> {
    let source = archive::recognise(path)?;
    let scan = archive::scan(path, source, None, limits, problems, progress)?;
    let mut inventory = scan.into_inventory(source, problems);
    let texts = std::mem::take(&mut inventory.texts);
    let claims = Claims::read(texts, limits, problems)?;
    let lacking = inventory
        .files
        .iter()
        .map(|(path, found)| claims.needed_for(path).without(found.digests.algorithms()))
        .fold(Algorithms::default(), Algorithms::union);
    if !lacking.is_empty() {
        // What there is to say about the archive itself was said at the first reading.
        let mut said = Problems::new(0);
        let again = archive::scan(path, source, Some(lacking), limits, &mut said, progress)?;
        for (path, digests) in again.digests_in(&inventory.folder) {
            if let Some(found) = inventory.files.get_mut(path) {
                found.digests = found.digests.merged(digests);
            }
        }
    }
    Ok((inventory, claims))
}

fn judge(inventory: &Inventory, claims: &Claims, mut problems: Problems) -> Report {
    let payload = payload::judge(inventory, claims, &mut problems);
    let tags = tag_files::judge(inventory, claims, &mut problems);
    let octets = inventory
        .payload()
        .map(|(_, found)| found.size)
        .fold(0, u64::saturating_add);
    let (problems, errors, warnings) = problems.finish();
    Report {
        source: inventory.source,
        folder: inventory.folder.clone(),
        version: claims.declaration.version,
        algorithms: claims
            .payload
            .iter()
            .map(|listing| listing.algorithm)
            .collect(),
        payload: PayloadOxum {
            octets,
            streams: inventory.payload().count() as u64,
        },
        tag_files: inventory.tags().count() as u64,
        tag_names: inventory.tags().map(|(path, _)| path.to_owned()).collect(),
        digests_verified: payload + tags,
        errors,
        warnings,
        problems,
    }
}
