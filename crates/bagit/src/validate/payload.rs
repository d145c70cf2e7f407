//! The payload against its manifests: complete, and every digest right (RFC 8493 §3).
//!
//! Always: each payload file and each entry of each payload manifest is accounted for, by a verified digest or by a
//! problem.

use std::collections::BTreeMap;

use super::{
    claims::Claims,
    inventory::{Found, Inventory, is_system_file},
    listing::{Claim, Listing},
    problems::{At, Problems},
    twins::{Twins, difference},
};
use crate::{Code, PayloadOxum, decode_path, encode_path};

/// Judges the payload, and answers with the number of digests verified.
pub(super) fn judge(inventory: &Inventory, claims: &Claims, problems: &mut Problems) -> u64 {
    let (names, founds): (Vec<&str>, Vec<&Found>) = inventory.payload().unzip();
    let mut judge = Judge {
        strict: claims.declaration.is_strict(),
        twins: Twins::new(&names),
        listed_in: vec![0; names.len()],
        names,
        founds,
        missing: BTreeMap::new(),
        not_listed: BTreeMap::new(),
        verified: 0,
    };
    if !inventory.has_payload_folder && judge.names.is_empty() {
        problems.error(
            Code::PayloadFolderMissing,
            At::Bag,
            "there is no folder data/",
        );
    }
    for listing in &claims.payload {
        judge.listing(listing, problems);
    }
    judge.report_missing(claims, problems);
    judge.report_not_listed(claims.payload.len(), problems);
    judge.report_remotes(claims, problems);
    judge.report_names(problems);
    judge.report_oxum(claims, problems);
    judge.verified
}

struct Judge<'a> {
    strict: bool,
    /// The payload files, sorted, and what is known of each.
    names: Vec<&'a str>,
    founds: Vec<&'a Found>,
    twins: Twins,
    /// How many manifests list the file.
    listed_in: Vec<usize>,
    /// Entries for which there is no file, by plain path, and the manifests that have them.
    missing: BTreeMap<String, Vec<&'a str>>,
    /// Files that a manifest lacks, and those manifests.
    not_listed: BTreeMap<usize, Vec<&'a str>>,
    verified: u64,
}

impl<'a> Judge<'a> {
    fn listing(&mut self, listing: &'a Listing, problems: &mut Problems) {
        let mut listed = vec![false; self.names.len()];
        for (written, claim) in &listing.entries {
            let at = At::Line(&listing.name, claim.line);
            if let Some(file) = self.find(written, at, problems) {
                listed[file] = true;
                self.verify(file, listing, claim, problems);
            } else if let Some(file) = self.find_twin(written, listing, claim) {
                listed[file] = true;
                self.verified += 1;
                let (code, how) = difference(written, self.names[file]);
                let message = format!(
                    "{written:?} is not there; {:?}, which differs only in {how}, has its digest",
                    self.names[file]
                );
                problems.warn(code, at, message);
            } else {
                let manifests = self.missing.entry(decode_path(written)).or_default();
                manifests.push(&listing.name);
            }
        }
        for (file, listed) in listed.into_iter().enumerate() {
            if listed {
                self.listed_in[file] += 1;
            } else if self.strict {
                self.not_listed.entry(file).or_default().push(&listing.name);
            }
        }
    }

    /// The file that an entry means. From 1.0 on percent signs are decoded; before, tools differed, so the path is
    /// tried as it is written first.
    fn find(&self, written: &str, at: At<'_>, problems: &mut Problems) -> Option<usize> {
        let decoded = decode_path(written);
        let position = |path: &str| self.names.binary_search(&path).ok();
        let file = if self.strict {
            position(&decoded).or_else(|| position(written))
        } else {
            position(written).or_else(|| position(&decoded))
        };
        if let Some(file) = file {
            let expected = encode_path(self.names[file]);
            if self.strict && !written.eq_ignore_ascii_case(&expected) {
                let message = format!("{written:?} should be written {expected:?}");
                problems.warn(Code::PathEncoding, at, message);
            }
            return Some(file);
        }
        let trimmed = decoded.trim_end();
        let file = position(trimmed)?;
        let message = format!("{written:?} ends in white space that the file's name has not");
        problems.warn(Code::LineMalformed, at, message);
        Some(file)
    }

    /// A file under a name that some file system takes for the same, with the claimed digest (RFC 8493 §6.1.1.3).
    fn find_twin(&self, written: &str, listing: &Listing, claim: &Claim) -> Option<usize> {
        self.twins
            .of(&decode_path(written), &self.names)
            .find(|&file| self.founds[file].digests.get(listing.algorithm) == Some(&*claim.digest))
    }

    fn verify(&mut self, file: usize, listing: &Listing, claim: &Claim, problems: &mut Problems) {
        if compare(
            self.names[file],
            self.founds[file],
            listing,
            claim,
            problems,
        ) {
            self.verified += 1;
        }
    }

    fn report_missing(&self, claims: &Claims, problems: &mut Problems) {
        for (path, manifests) in &self.missing {
            let at = At::File(path);
            let manifests = manifests.join(", ");
            if let Some(remote) = claims.remotes.get(path) {
                let message = format!("is incomplete: to be fetched from {}", remote.url);
                problems.error(Code::FetchPending, at, message);
            } else if is_system_file(path) {
                let message = format!(
                    "is listed in {manifests} but not there; an operating system makes and removes such files"
                );
                problems.warn(Code::SystemFile, at, message);
            } else {
                let message = format!("is listed in {manifests} but not there");
                problems.error(Code::FileMissing, at, message);
            }
        }
    }

    fn report_not_listed(&self, manifests: usize, problems: &mut Problems) {
        if manifests == 0 {
            return;
        }
        for (file, count) in self.listed_in.iter().enumerate() {
            let message = match self.not_listed.get(&file) {
                Some(lacking) => format!("is not listed in {}", lacking.join(", ")),
                // Before 1.0 one manifest is enough (RFC 8493 §3).
                None if *count == 0 => "is not listed in any payload manifest".to_owned(),
                None => continue,
            };
            problems.error(Code::FileNotListed, At::File(self.names[file]), message);
        }
    }

    fn report_remotes(&self, claims: &Claims, problems: &mut Problems) {
        for (path, remote) in &claims.remotes {
            let at = At::Line(super::fetch::NAME, remote.line);
            let file = self.names.binary_search(&path.as_str()).ok();
            let lacking = match file {
                Some(file) => self.listed_in[file] < claims.payload.len(),
                None => self
                    .missing
                    .get(path)
                    .is_none_or(|m| m.len() < claims.payload.len()),
            };
            if lacking && (self.strict || file.is_none()) {
                let message = format!("{path:?} is not listed in every payload manifest");
                problems.add(
                    claims.declaration.severity(),
                    Code::FetchNotListed,
                    at,
                    message,
                );
            }
            let found = file.map(|file| self.founds[file].size);
            if let (Some(found), Some(claimed)) = (found, remote.size)
                && found != claimed
            {
                let message = format!("{path:?} has {found} bytes, not {claimed}");
                problems.warn(Code::FetchSize, at, message);
            }
        }
    }

    fn report_names(&self, problems: &mut Problems) {
        for (first, second) in self.twins.pairs(&self.names) {
            let (code, how) = difference(first, second);
            let message = format!("differs from {first:?} only in {how}");
            problems.warn(code, At::File(second), message);
        }
        for name in self.names.iter().filter(|name| is_system_file(name)) {
            let message = "is a file that an operating system leaves in folders";
            problems.warn(Code::SystemFile, At::File(name), message);
        }
    }

    fn report_oxum(&self, claims: &Claims, problems: &mut Problems) {
        let Some(claimed) = &claims.oxum else {
            return;
        };
        let found = self.oxum();
        if claimed.oxum == found {
            return;
        }
        let at = At::Line(&claimed.file, claimed.line);
        let message = format!(
            "Payload-Oxum is {}, but the payload is {found}",
            claimed.oxum
        );
        // System files that are gone explain their own number, and no bytes fewer than are there.
        let gone = self.missing.keys().filter(|path| is_system_file(path));
        let explained = claimed.oxum.streams.checked_sub(found.streams)
            == Some(gone.count() as u64)
            && claimed.oxum.streams > found.streams
            && claimed.oxum.octets >= found.octets;
        if explained {
            let message = format!("{message}: system files are gone");
            problems.warn(Code::OxumMismatch, at, message);
        } else {
            problems.error(Code::OxumMismatch, at, message);
        }
    }

    fn oxum(&self) -> PayloadOxum {
        PayloadOxum {
            octets: self
                .founds
                .iter()
                .map(|found| found.size)
                .fold(0, u64::saturating_add),
            streams: self.names.len() as u64,
        }
    }
}

/// Whether the file's digest is the claimed one; a problem otherwise.
pub(super) fn compare(
    path: &str,
    found: &Found,
    listing: &Listing,
    claim: &Claim,
    problems: &mut Problems,
) -> bool {
    if found.unreadable {
        return false;
    }
    match found.digests.get(listing.algorithm) {
        Some(digest) if *digest == *claim.digest => true,
        Some(digest) => {
            let message = format!(
                "its {} is {}, but {} line {} claims {}",
                listing.algorithm,
                hex::encode(digest),
                listing.name,
                claim.line,
                hex::encode(&claim.digest),
            );
            problems.error(Code::DigestMismatch, At::File(path), message);
            false
        }
        None => {
            let message = format!("its {} was not computed", listing.algorithm);
            problems.error(Code::DigestUnverified, At::File(path), message);
            false
        }
    }
}
