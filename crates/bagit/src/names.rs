//! From a depositor's names to payload paths.
//!
//! Owns which characters a payload path may have and what becomes of two records with the same name. Does not keep
//! the original name: the caller records it beside the path.
//!
//! Always: the path is below `data/` and stays there on every system (RFC 8493 §5.1); no two paths of a bag differ
//! only in case or normalisation (§6.1.1.3), and none is both a file and a folder; the same names in the same order
//! give the same paths.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// Bytes of one step of a path; most file systems allow 255, the rest is for telling twins apart.
const STEP_BYTES: usize = 200;
/// Bytes of a whole path, safely below what file systems and other tools take.
const PATH_BYTES: usize = 1_000;
/// Steps of a path.
const STEPS: usize = 60;
/// An extension longer than this is part of the name.
const EXTENSION_BYTES: usize = 20;

/// Which names are kept as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Names that every file system can hold and every known tool reads: control characters, `%`, what Windows
    /// refuses (RFC 8493 §6.1.2) and invisible direction marks become `_`. `bagit-python` 1.9.0, for one, does not
    /// decode `%25`, so a percent sign that is written as the RFC has it makes the bag invalid there.
    Portable,
    /// Names as they came, as far as RFC 8493 can express them: only what would leave the folder, is empty or too
    /// long is changed. `%`, CR and LF are then percent-encoded in the manifests.
    Faithful,
}

/// Hands out the payload paths of one bag.
#[derive(Debug)]
pub struct PayloadPaths {
    names: Names,
    taken: HashMap<String, Taken>,
}

#[derive(Debug)]
enum Taken {
    /// The number for the next file of the same name.
    File { next: u64 },
    /// A folder, as it was first spelt; twins of its name are put into it.
    Folder { path: String },
}

impl PayloadPaths {
    /// No paths taken yet.
    pub fn new(names: Names) -> Self {
        Self {
            names,
            taken: HashMap::new(),
        }
    }

    /// The payload path for a record's path (`Minutes/2024/May.pdf`) or file name. Ask in a fixed order, because the
    /// second of two twins is the one that gets a number (`May~2.pdf`).
    pub fn assign(&mut self, original: &str) -> String {
        let steps = self.steps(original);
        let (file, folders) = steps
            .split_last()
            .map_or(("_", &[][..]), |(file, folders)| (file.as_str(), folders));
        let mut folder = String::from("data");
        for step in folders {
            folder = self.folder(&format!("{folder}/{step}"));
        }
        self.file(&folder, file)
    }

    fn steps(&self, original: &str) -> Vec<String> {
        let steps: Vec<String> = original
            .split('/')
            .filter(|step| !step.is_empty() && *step != ".")
            .map(|step| safe_step(step, self.names))
            .collect();
        let bytes: usize = steps.iter().map(|step| step.len() + 1).sum();
        if bytes <= PATH_BYTES && steps.len() <= STEPS {
            return steps;
        }
        let folder = format!("long-{}", short_digest(original));
        std::iter::once(folder)
            .chain(steps.into_iter().next_back())
            .collect()
    }

    fn folder(&mut self, wanted: &str) -> String {
        let mut path = wanted.to_owned();
        for number in 2_u64.. {
            match self.taken.get(&twin_key(&path)) {
                Some(Taken::Folder { path }) => return path.clone(),
                Some(Taken::File { .. }) => path = format!("{wanted}~{number}"),
                None => break,
            }
        }
        self.taken
            .insert(twin_key(&path), Taken::Folder { path: path.clone() });
        path
    }

    fn file(&mut self, folder: &str, name: &str) -> String {
        let wanted = format!("{folder}/{name}");
        let key = twin_key(&wanted);
        let first = match self.taken.get(&key) {
            None => {
                self.taken.insert(key, Taken::File { next: 2 });
                return wanted;
            }
            Some(Taken::File { next }) => *next,
            Some(Taken::Folder { .. }) => 2,
        };
        let (stem, extension) = split_extension(name);
        let mut number = first;
        let path = loop {
            let path = format!("{folder}/{stem}~{number}{extension}");
            number += 1;
            if !self.taken.contains_key(&twin_key(&path)) {
                break path;
            }
        };
        if let Some(Taken::File { next }) = self.taken.get_mut(&key) {
            *next = number;
        }
        self.taken.insert(twin_key(&path), Taken::File { next: 2 });
        path
    }
}

/// What two paths have in common that some file system takes for the same: composed and in lower case.
pub(crate) fn twin_key(path: &str) -> String {
    if path.is_ascii() {
        return path.to_ascii_lowercase();
    }
    // Once more after lowering, because the lower case of a composed letter may be decomposed.
    path.nfc()
        .flat_map(char::to_lowercase)
        .collect::<String>()
        .nfc()
        .collect()
}

fn safe_step(step: &str, names: Names) -> String {
    let mut safe: String = match names {
        Names::Portable => step
            .nfc()
            .map(|c| if is_portable(c) { c } else { '_' })
            .collect::<String>()
            .trim_matches(char::is_whitespace)
            .trim_end_matches(|c: char| c == '.' || c.is_whitespace())
            .to_owned(),
        // A backslash is a slash on Windows, and NUL ends a name everywhere.
        Names::Faithful => step.replace(['\0', '\\'], "_"),
    };
    if safe.is_empty() || safe == ".." || safe == "." {
        "_".clone_into(&mut safe);
    }
    if names == Names::Portable && is_device(&safe) {
        safe.insert(0, '_');
    }
    if safe.len() > STEP_BYTES {
        safe = shortened(&safe);
    }
    safe
}

fn is_portable(c: char) -> bool {
    let refused = c.is_control() || "<>:\"|?*\\%".contains(c);
    let invisible = matches!(c,
        '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
    !refused && !invisible
}

/// Whether Windows takes the name for a device, with or without an extension.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end();
    let upper = stem.to_uppercase();
    let port = |prefix| {
        upper.strip_prefix(prefix).is_some_and(|n: &str| {
            n.chars().count() == 1 && n.contains(|c: char| "123456789¹²³".contains(c))
        })
    };
    matches!(
        upper.as_str(),
        "CON" | "PRN" | "AUX" | "NUL" | "CONIN$" | "CONOUT$"
    ) || port("COM")
        || port("LPT")
}

fn shortened(name: &str) -> String {
    let (stem, extension) = split_extension(name);
    let mark = format!("~{}", short_digest(name));
    let mut end = STEP_BYTES - mark.len() - extension.len();
    while !stem.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{mark}{extension}", stem[..end].trim_end())
}

fn split_extension(name: &str) -> (&str, &str) {
    match name.rfind('.') {
        Some(at) if at > 0 && name.len() - at <= EXTENSION_BYTES => name.split_at(at),
        _ => (name, ""),
    }
}

fn short_digest(text: &str) -> String {
    hex::encode(&Sha256::digest(text.as_bytes())[..8])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check_payload_path;

    fn assign(names: Names, originals: &[&str]) -> Vec<String> {
        let mut paths = PayloadPaths::new(names);
        originals.iter().map(|o| paths.assign(o)).collect()
    }

    #[test]
    fn hostile_names_become_portable_ones() {
        for (original, path) in [
            ("Minutes/2024/May.pdf", "data/Minutes/2024/May.pdf"),
            ("Büro/naïve file.txt", "data/Büro/naïve file.txt"),
            ("../../etc/passwd", "data/_/_/etc/passwd"),
            ("/etc//./passwd", "data/etc/passwd"),
            ("..\\..\\boot.ini", "data/.._.._boot.ini"),
            ("C:\\Windows\\a.exe", "data/C__Windows_a.exe"),
            ("", "data/_"),
            ("/", "data/_"),
            (".", "data/_"),
            ("...", "data/_"),
            ("a\0b", "data/a_b"),
            ("a\r\nb", "data/a__b"),
            ("50%0a.txt", "data/50_0a.txt"),
            ("=cmd().csv", "data/=cmd().csv"),
            ("~root", "data/~root"),
            ("cod\u{202e}fdp.exe", "data/cod_fdp.exe"),
            ("trailing. . ", "data/trailing"),
            ("nul", "data/_nul"),
            ("Com1.tar.gz", "data/_Com1.tar.gz"),
            ("com10.txt", "data/com10.txt"),
            (".keep", "data/.keep"),
        ] {
            assert_eq!(assign(Names::Portable, &[original]), [path], "{original:?}");
        }
    }

    #[test]
    fn faithful_names_change_only_where_they_must() {
        for (original, path) in [
            ("50%0a.txt", "data/50%0a.txt"),
            ("a\r\nb?", "data/a\r\nb?"),
            ("a/../b", "data/a/_/b"),
            ("..\\x\0", "data/.._x_"),
            ("nul. ", "data/nul. "),
        ] {
            assert_eq!(assign(Names::Faithful, &[original]), [path], "{original:?}");
        }
    }

    #[test]
    fn twins_get_a_number_in_the_order_asked() {
        assert_eq!(
            assign(
                Names::Portable,
                &[
                    "a.txt", "A.TXT", "a~2.txt", "a.txt", "\u{e9}", "e\u{301}", "E\u{301}"
                ]
            ),
            [
                "data/a.txt",
                "data/A~2.TXT",
                "data/a~2~2.txt",
                "data/a~3.txt",
                "data/\u{e9}",
                "data/\u{e9}~2",
                "data/\u{c9}~3",
            ]
        );
    }

    #[test]
    fn folders_that_differ_in_case_are_one_folder() {
        assert_eq!(
            assign(Names::Portable, &["Minutes/a", "minutes/b", "MINUTES/A"]),
            ["data/Minutes/a", "data/Minutes/b", "data/Minutes/A~2"]
        );
    }

    #[test]
    fn a_name_is_never_both_file_and_folder() {
        assert_eq!(
            assign(Names::Portable, &["a", "A/b", "c/d", "C", "a~2"]),
            ["data/a", "data/A~2/b", "data/c/d", "data/C~2", "data/a~2~2"]
        );
    }

    #[test]
    fn long_names_are_cut_but_keep_extension_and_difference() {
        let one = format!("{}1.pdf", "é".repeat(600));
        let two = format!("{}2.pdf", "é".repeat(600));
        let paths = assign(Names::Portable, &[&one, &two]);
        assert_ne!(paths[0], paths[1]);
        for path in &paths {
            assert!(
                path.strip_suffix(".pdf").is_some() && path.len() <= STEP_BYTES + 5,
                "{path}"
            );
        }
        let deep = format!("{}leaf.txt", "folder/".repeat(500));
        let path = &assign(Names::Portable, &[&deep])[0];
        assert!(
            path.starts_with("data/long-") && path.strip_suffix("/leaf.txt").is_some(),
            "{path}"
        );
    }

    #[test]
    fn many_files_of_one_name_are_numbered_quickly() {
        let mut paths = PayloadPaths::new(Names::Portable);
        for _ in 0..20_000 {
            paths.assign("scan.tif");
        }
        assert_eq!(paths.assign("scan.tif"), "data/scan~20001.tif");
    }

    fn names() -> impl Strategy<Value = Names> {
        prop_oneof![Just(Names::Portable), Just(Names::Faithful)]
    }

    proptest! {
        #[test]
        fn every_path_is_safe_and_unlike_the_others(
            names in names(),
            originals in proptest::collection::vec("(?s)([aAb.~2 %/\\\\\u{e9}\u{301}e]{0,8}|.{0,8})", 0..40),
        ) {
            let originals: Vec<&str> = originals.iter().map(String::as_str).collect();
            let paths = assign(names, &originals);
            prop_assert_eq!(&paths, &assign(names, &originals));
            let mut keys = std::collections::HashSet::new();
            for path in &paths {
                prop_assert_eq!(check_payload_path(path), Ok(()));
                prop_assert!(keys.insert(twin_key(path)), "{} twice in {:?}", path, paths);
            }
            for path in &paths {
                let as_folder = format!("{}/", twin_key(path));
                prop_assert!(!keys.iter().any(|key| key.starts_with(&as_folder)));
            }
        }
    }
}
