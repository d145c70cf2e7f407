//! What stands in an archive, and which of its folders is the bag.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    claims::manifest_name,
    declaration,
    digests::Digests,
    inventory::{Found, Inventory, is_system_file},
    problems::{At, Problems},
};
use crate::{Code, Source};

/// What stands in an archive, by full path.
#[derive(Default)]
pub(super) struct Scan {
    pub(super) files: BTreeMap<String, Found>,
    pub(super) texts: BTreeMap<String, Vec<u8>>,
    pub(super) folders: BTreeSet<String>,
}

impl Scan {
    /// The bag in the archive; what stands beside it is a problem.
    pub(super) fn into_inventory(self, source: Source, problems: &mut Problems) -> Inventory {
        let folder = self.bag_folder(problems);
        let mut inventory = Inventory::new(source);
        let inside = |path: &str| match folder.as_str() {
            "" => Some(path.to_owned()),
            folder => Some(path.strip_prefix(folder)?.strip_prefix('/')?.to_owned()),
        };
        for (path, found) in self.files {
            if let Some(path) = inside(&path) {
                inventory.has_payload_folder |= path.starts_with("data/");
                inventory.files.insert(path, found);
            } else if is_system_file(&path)
                || path.rsplit('/').next().is_some_and(|n| n.starts_with("._"))
            {
                let message = "stands beside the bag, and is left there by an operating system";
                problems.warn(Code::SystemFile, At::File(&path), message);
            } else {
                let message = format!("stands outside the bag's folder {folder:?}");
                problems.error(Code::ArchiveStray, At::File(&path), message);
            }
        }
        inventory.has_payload_folder |= self
            .folders
            .iter()
            .any(|f| inside(f).as_deref() == Some("data"));
        inventory.texts = self
            .texts
            .into_iter()
            .filter_map(|(path, text)| Some((inside(&path)?, text)))
            .collect();
        inventory.folder = folder;
        inventory
    }

    /// The folder of the `bagit.txt` that is nearest to the root; without one, of the nearest manifest; without one,
    /// the folder that everything is in.
    fn bag_folder(&self, problems: &mut Problems) -> String {
        let nearest = |wanted: &dyn Fn(&str) -> bool| {
            let mut folders: Vec<&str> = self
                .texts
                .keys()
                .map(|path| path.rsplit_once('/').unwrap_or(("", path)))
                .filter(|(_, name)| wanted(name))
                .map(|(folder, _)| folder)
                .collect();
            folders.sort_by_key(|folder| (depth(folder), *folder));
            folders
        };
        let declared = nearest(&|name| name == declaration::NAME);
        if let [first, second, ..] = declared[..]
            && depth(first) == depth(second)
        {
            let message = format!("holds more than one bag; only {first:?} is looked at");
            problems.error(Code::ArchiveStray, At::Bag, message);
        }
        let listed = nearest(&|name| manifest_name(name).is_some());
        if let Some(folder) = declared.first().or(listed.first()) {
            return (*folder).to_owned();
        }
        let mut tops = self
            .files
            .keys()
            .map(|path| path.split_once('/').map(|(top, _)| top));
        let first = tops.next().flatten().filter(|top| *top != "data");
        match first {
            Some(top) if tops.all(|other| other == Some(top)) => top.to_owned(),
            _ => String::new(),
        }
    }

    /// The digests of this second reading, by path in the bag.
    pub(super) fn digests_in<'a>(
        &'a self,
        folder: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Digests)> {
        self.files.iter().filter_map(move |(path, found)| {
            let path = match folder {
                "" => path.as_str(),
                folder => path.strip_prefix(folder)?.strip_prefix('/')?,
            };
            Some((path, &found.digests))
        })
    }
}

fn depth(folder: &str) -> usize {
    folder.split('/').filter(|step| !step.is_empty()).count()
}
