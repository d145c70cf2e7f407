//! The tag files against the tag manifests (RFC 8493 §2.2.1).

use std::collections::BTreeSet;

use super::{
    claims::{Claims, manifest_name},
    inventory::{Inventory, is_system_file},
    listing::{Kind, Listing},
    payload::compare,
    problems::{At, Problems},
};
use crate::{Code, decode_path};

/// Judges the tag files, and answers with the number of digests verified.
pub(super) fn judge(inventory: &Inventory, claims: &Claims, problems: &mut Problems) -> u64 {
    let mut verified = 0;
    let mut protected = BTreeSet::new();
    for listing in &claims.tags {
        for (written, claim) in &listing.entries {
            let at = At::Line(&listing.name, claim.line);
            if matches!(manifest_name(written), Some((Kind::Tag, _))) {
                let message = format!("{written:?}: a tag manifest lists no tag manifest");
                problems.add(claims.declaration.severity(), Code::PathNotTag, at, message);
            }
            let decoded = decode_path(written);
            let known = inventory
                .files
                .get_key_value(written)
                .or_else(|| inventory.files.get_key_value(&decoded));
            let Some((path, found)) = known else {
                let message = format!("is listed in {} but not there", listing.name);
                problems.error(Code::FileMissing, At::File(&decoded), message);
                continue;
            };
            protected.insert(path.as_str());
            if compare(path, found, listing, claim, problems) {
                verified += 1;
            }
        }
        report_lacking(inventory, claims, listing, problems);
    }
    if !claims.tags.is_empty() {
        for (path, _) in inventory.tags() {
            let exempt = matches!(manifest_name(path), Some((Kind::Tag, _)));
            if !exempt && !protected.contains(path) {
                let message = "is a tag file that no tag manifest protects";
                problems.warn(Code::TagFileNotListed, At::File(path), message);
            }
        }
    }
    for (path, _) in inventory.tags().filter(|(path, _)| is_system_file(path)) {
        let message = "is a file that an operating system leaves in folders";
        problems.warn(Code::SystemFile, At::File(path), message);
    }
    verified
}

fn report_lacking(
    inventory: &Inventory,
    claims: &Claims,
    listing: &Listing,
    problems: &mut Problems,
) {
    let manifests = inventory
        .tags()
        .map(|(path, _)| path)
        .filter(|path| matches!(manifest_name(path), Some((Kind::Payload, _))));
    for manifest in manifests.filter(|&name| !listing.entries.contains_key(name)) {
        let message = format!("does not list {manifest}");
        let at = At::File(&listing.name);
        problems.add(
            claims.declaration.severity(),
            Code::TagManifestIncomplete,
            at,
            message,
        );
    }
}
