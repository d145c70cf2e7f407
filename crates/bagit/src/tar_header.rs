//! The tar framing of a bag: headers, padding and end, as bytes.
//!
//! POSIX ustar, with a pax extended header only where ustar cannot say it: paths that are long or not ASCII, files
//! from 8 GiB. Owner 0, mode 0644 (folders 0755) and the caller's time, so the same entry gives the same bytes.

use tar::{EntryType, Header};

/// What ends an archive: two empty blocks.
pub const ARCHIVE_END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

pub(crate) const BLOCK: usize = 512;
const NAME_BYTES: usize = 100;
const PREFIX_BYTES: usize = 155;
/// The largest size that eleven octal digits can say; above it the size stands in a pax record as well.
const OCTAL_MAX: u64 = 0o777_7777_7777;

/// The header blocks of a regular file. `path` includes the bag's folder.
pub fn file_header(path: &str, size: u64, mtime: u64) -> Vec<u8> {
    headers(EntryType::Regular, path, size, mtime)
}

/// The header blocks of a folder; a trailing slash is added where it lacks.
pub fn directory_header(path: &str, mtime: u64) -> Vec<u8> {
    let path = format!("{}/", path.trim_end_matches('/'));
    headers(EntryType::Directory, &path, 0, mtime)
}

/// How many zero bytes follow `size` bytes of content: fewer than a block.
pub fn padding(size: u64) -> usize {
    let over = usize::try_from(size % 512).unwrap_or_default();
    (BLOCK - over) % BLOCK
}

fn headers(kind: EntryType, path: &str, size: u64, mtime: u64) -> Vec<u8> {
    let split = split_ustar(path);
    let mut records = Vec::new();
    if split.is_none() {
        records.extend(pax_record("path", path));
    }
    if size > OCTAL_MAX {
        records.extend(pax_record("size", &size.to_string()));
    }
    let stand_in = ascii_stand_in(path);
    let mut bytes = Vec::with_capacity(BLOCK);
    if !records.is_empty() {
        let name = ascii_stand_in(&format!("PaxHeaders/{path}"));
        let length = records.len() as u64;
        bytes.extend(block(EntryType::XHeader, "", &name, length, mtime));
        records.resize(records.len() + padding(length), 0);
        bytes.extend(records);
    }
    let (prefix, name) = split.unwrap_or(("", &stand_in));
    bytes.extend(block(kind, prefix, name, size, mtime));
    bytes
}

fn block(kind: EntryType, prefix: &str, name: &str, size: u64, mtime: u64) -> [u8; BLOCK] {
    let mut header = Header::new_ustar();
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.name[..name.len()].copy_from_slice(name.as_bytes());
        ustar.prefix[..prefix.len()].copy_from_slice(prefix.as_bytes());
    }
    header.set_entry_type(kind);
    header.set_mode(if kind.is_dir() { 0o755 } else { 0o644 });
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(mtime);
    header.set_size(size);
    header.set_cksum();
    *header.as_bytes()
}

/// The path as ustar's prefix and name, if both fit.
fn split_ustar(path: &str) -> Option<(&str, &str)> {
    if !path.is_ascii() || path.contains('\0') {
        return None;
    }
    if path.len() <= NAME_BYTES {
        return Some(("", path));
    }
    path.match_indices('/')
        .map(|(at, _)| (&path[..at], &path[at + 1..]))
        .find(|(prefix, name)| {
            !prefix.is_empty()
                && prefix.len() <= PREFIX_BYTES
                && !name.is_empty()
                && name.len() <= NAME_BYTES
        })
}

/// What a reader without pax sees: the path in ASCII, cut to fit.
fn ascii_stand_in(path: &str) -> String {
    path.chars()
        .map(|c| if c.is_ascii() && c != '\0' { c } else { '_' })
        .take(NAME_BYTES)
        .collect()
}

/// `length key=value\n`, where the length counts its own digits.
fn pax_record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let mut length = rest.len();
    while length != rest.len() + length.to_string().len() {
        length = rest.len() + length.to_string().len();
    }
    format!("{length}{rest}").into_bytes()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a test may")]

    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn archive(path: &str, content: &[u8]) -> Vec<u8> {
        let mut bytes = file_header(path, content.len() as u64, 1);
        bytes.extend(content);
        bytes.resize(bytes.len() + padding(content.len() as u64), 0);
        bytes.extend(ARCHIVE_END);
        bytes
    }

    fn read_back(path: &str) {
        let bytes = archive(path, b"content");
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        assert_eq!(entry.path_bytes().as_ref(), path.as_bytes());
        let mut content = String::new();
        entry.read_to_string(&mut content).unwrap();
        assert_eq!(content, "content");
    }

    #[test]
    fn paths_of_every_length_are_read_back() {
        for length in [1, 99, 100, 101, 155, 156, 255, 256, 257, 1_000, 9_990] {
            read_back(&format!("b/{}", "x".repeat(length)));
            read_back(&format!(
                "b/{}{}",
                "folder/".repeat(length / 7),
                "y".repeat(length % 7 + 1)
            ));
        }
        read_back("bag/data/naïve.txt");
        read_back("bag/data/line\r\nend.txt");
    }

    #[test]
    fn short_ascii_paths_take_one_block() {
        assert_eq!(file_header("bag/data/a", 0, 0).len(), BLOCK);
        assert_eq!(
            file_header(&format!("{}/{}", "a".repeat(155), "b".repeat(100)), 0, 0).len(),
            BLOCK
        );
        assert_eq!(file_header("bag/data/é", 0, 0).len(), 3 * BLOCK);
        assert_eq!(directory_header("bag/data", 0).len(), BLOCK);
    }

    #[test]
    fn sizes_from_8_gib_stand_in_a_pax_record_too() {
        for (size, blocks) in [(OCTAL_MAX, 1), (OCTAL_MAX + 1, 3), (u64::MAX / 2, 3)] {
            let bytes = file_header("a", size, 0);
            assert_eq!(bytes.len(), blocks * BLOCK, "{size}");
            let last = Header::from_byte_slice(&bytes[bytes.len() - BLOCK..]);
            assert_eq!(last.size().unwrap(), size);
        }
        let bytes = file_header("a", OCTAL_MAX + 1, 0);
        assert!(bytes[BLOCK..].starts_with(b"19 size=8589934592\n"));
    }

    #[test]
    fn owner_mode_and_time_are_fixed() {
        let bytes = file_header("a", 5, 1_700_000_000);
        let header = Header::from_byte_slice(&bytes);
        assert_eq!(header.uid().unwrap(), 0);
        assert_eq!(header.gid().unwrap(), 0);
        assert_eq!(header.mode().unwrap(), 0o644);
        assert_eq!(header.mtime().unwrap(), 1_700_000_000);
        assert_eq!(bytes, file_header("a", 5, 1_700_000_000));
    }

    #[test]
    fn padding_fills_a_block() {
        for (size, expected) in [
            (0, 0),
            (1, 511),
            (511, 1),
            (512, 0),
            (513, 511),
            (u64::MAX, 1),
        ] {
            assert_eq!(padding(size), expected);
        }
    }

    proptest! {
        #[test]
        fn any_path_is_read_back(path in "b/[a-z\u{e9}%/]{0,300}[a-z]") {
            read_back(&path);
        }
    }
}
