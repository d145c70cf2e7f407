//! Which transfer a folder belongs to.
//!
//! Owns the label by which a second run finds the transfer of the first, and the keys that make
//! repeated requests harmless. Does not own what is in the transfer.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::Arguments;
use crate::client::{Client, ClientError, Collection, FoundTransfer, TransferStatus};

/// The longest label; a longer path keeps its end and a digest of the whole.
const LONGEST: usize = 500;

/// The label of a folder, from its canonical path: the same on every run.
pub(crate) fn label(root: &Path) -> String {
    let text = root.to_string_lossy();
    // What Windows puts before canonical paths.
    let text = text.strip_prefix(r"\\?\").unwrap_or(&text);
    let text = text.replace('\\', "/");
    if text.len() <= LONGEST {
        return text;
    }
    let mut start = text.len() - LONGEST / 2;
    while !text.is_char_boundary(start) {
        start += 1;
    }
    format!("{}…{}", &key(&[&text])[..16], &text[start..])
}

/// A key for a request that must not be carried out twice: the same for the same parts.
pub(crate) fn key(parts: &[&str]) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hex::encode(&hasher.finalize()[..20])
}

/// The transfer to go on with, or a new one. Says whether it is an old one.
pub(crate) async fn find_or_open(
    client: &Client,
    collection: &Collection,
    root: &Path,
    arguments: &Arguments,
) -> Result<(FoundTransfer, bool), ClientError> {
    let source = label(root);
    let earlier = client.transfers_of(&collection.id, &source).await?;
    let newest = earlier.iter().max_by_key(|found| found.created_at);
    let open = earlier
        .iter()
        .filter(|found| takes_files(found.status))
        .max_by_key(|found| found.created_at);
    if let Some(found) = open {
        return Ok((found.clone(), true));
    }
    let title = arguments.title.clone().unwrap_or_else(|| name(root));
    // A transfer that was handed in is not opened again: the next one has another key.
    let after = newest.map_or("", |found| found.id.as_str());
    let key = key(&["open", &collection.id, &source, &title, after]);
    let opened = client
        .open_transfer(&collection.id, &title, &source, key)
        .await?;
    Ok((opened, false))
}

fn takes_files(status: TransferStatus) -> bool {
    matches!(status, TransferStatus::Open | TransferStatus::Returned)
}

fn name(root: &Path) -> String {
    match root.file_name() {
        Some(name) => name.to_string_lossy().into_owned(),
        None => label(root),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_label_is_the_path_however_the_system_writes_it() {
        assert_eq!(label(Path::new("/home/a/Letters")), "/home/a/Letters");
        assert_eq!(label(Path::new(r"\\?\C:\a\Letters")), "C:/a/Letters");
    }

    #[test]
    fn long_paths_have_bounded_labels_that_differ() {
        let long = |start: &str| label(Path::new(&format!("/{start}/{}", "é".repeat(600))));
        assert!(long("a").len() <= LONGEST);
        assert_ne!(long("a"), long("b"));
        assert_eq!(long("a"), long("a"));
    }

    #[test]
    fn keys_differ_where_the_parts_are_cut_differently() {
        assert_ne!(key(&["ab", "c"]), key(&["a", "bc"]));
        assert_eq!(key(&["ab", "c"]), key(&["ab", "c"]));
    }
}
