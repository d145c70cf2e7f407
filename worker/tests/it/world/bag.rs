//! A package, read back by somebody else's tar reader and checked line by line.

use std::collections::BTreeMap;
use std::io::Read;

use super::{sha256, sha512};

/// What stands in a package.
pub(crate) struct Bag {
    /// Paths below the bag's folder, in the archive's order; folders end in `/`.
    pub(crate) order: Vec<String>,
    pub(crate) files: BTreeMap<String, Vec<u8>>,
}

impl Bag {
    pub(crate) fn read(folder: &str, archive: &[u8]) -> Self {
        let mut bag = Self {
            order: Vec::new(),
            files: BTreeMap::new(),
        };
        let mut archive = tar::Archive::new(archive);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = String::from_utf8(entry.path_bytes().to_vec()).unwrap();
            let path = path.strip_prefix(&format!("{folder}/")).unwrap().to_owned();
            bag.order.push(path.clone());
            if entry.header().entry_type().is_file() {
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                bag.files.insert(path, bytes);
            }
        }
        bag
    }

    pub(crate) fn text(&self, path: &str) -> &str {
        std::str::from_utf8(&self.files[path]).unwrap()
    }

    /// Whether each manifest lists exactly what it should, with the right digests.
    pub(crate) fn assert_complete(&self) {
        for (algorithm, digest) in [
            ("sha256", sha256 as fn(&[u8]) -> String),
            ("sha512", sha512),
        ] {
            let payload = self.expected(digest, |path| path.starts_with("data/"));
            assert_eq!(self.listed(&format!("manifest-{algorithm}.txt")), payload);
            let tags = self.expected(digest, |path| {
                !path.starts_with("data/") && !path.starts_with("tagmanifest-")
            });
            assert_eq!(self.listed(&format!("tagmanifest-{algorithm}.txt")), tags);
        }
        let payload = self
            .files
            .iter()
            .filter(|(path, _)| path.starts_with("data/"));
        let (count, size) = payload.fold((0, 0), |(n, size), (_, b)| (n + 1, size + b.len()));
        let oxum = format!("Payload-Oxum: {size}.{count}\n");
        assert!(self.text("bag-info.txt").contains(&oxum), "{oxum}");
        assert!(self.order.contains(&"data/".to_owned()));
    }

    fn listed(&self, manifest: &str) -> BTreeMap<String, String> {
        let lines = self.text(manifest).lines();
        let entries = lines.map(|line| {
            let (digest, path) = line.split_once("  ").unwrap();
            let path = path
                .replace("%0D", "\r")
                .replace("%0A", "\n")
                .replace("%25", "%");
            (path, digest.to_owned())
        });
        entries.collect()
    }

    fn expected(
        &self,
        digest: fn(&[u8]) -> String,
        listed: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, String> {
        let files = self.files.iter().filter(|(path, _)| listed(path));
        files
            .map(|(path, bytes)| (path.clone(), digest(bytes)))
            .collect()
    }
}
