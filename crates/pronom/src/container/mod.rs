//! What the entries of a ZIP or OLE2 container say of its format.
//!
//! Owns matching entries against container signatures. Does not own finding and reading entries (`zip`, `ole2`).
//!
//! Always: how many entries are looked at and how many bytes of one are unpacked has a bound, and reaching it is
//! told as an error.

mod ole2;
mod zip;

use std::collections::{HashMap, HashSet};

use crate::{
    matcher::{self, Prepared, candidate::Candidate, memo::Memo, window::Window},
    model::{ContainerKind, ContainerSignature, Reference},
    signatures::Signatures,
    source::Source,
};

/// The container signatures, arranged by the entries that they need.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    ole2: Kind,
    zip: Kind,
}

/// The signatures for one kind of container.
#[derive(Debug, Default)]
pub(crate) struct Kind {
    signatures: Vec<Wanted>,
    entries: HashMap<String, Entry>,
}

#[derive(Debug)]
struct Wanted {
    id: u32,
    puids: Vec<String>,
    files: usize,
}

/// An entry that signatures ask for.
#[derive(Debug, Default)]
struct Entry {
    /// So many bytes decide; none if being there is enough.
    need: usize,
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    signature: usize,
    /// One of these must match; being there is enough if there are none.
    content: Vec<Prepared>,
}

/// A container signature of which some files fit, but not all.
#[derive(Debug)]
pub(crate) struct NearContainer {
    pub(crate) id: u32,
    pub(crate) puids: Vec<String>,
    pub(crate) missing: Vec<String>,
}

/// What was found in a container.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) puids: Vec<String>,
    pub(crate) encrypted: bool,
}

impl Containers {
    pub(crate) fn new(signatures: &[ContainerSignature]) -> Self {
        let mut containers = Self::default();
        for signature in signatures {
            match signature.kind {
                ContainerKind::Ole2 => containers.ole2.add(signature),
                ContainerKind::Zip => containers.zip.add(signature),
            }
        }
        containers.ole2.number();
        containers.zip.number();
        containers
    }
}

impl Kind {
    /// Gives equal subsequences the same number, so that they are looked for once.
    fn number(&mut self) {
        for entry in self.entries.values_mut() {
            let files = entry.files.iter_mut();
            matcher::number_chains(files.flat_map(|file| &mut file.content));
        }
    }

    fn add(&mut self, signature: &ContainerSignature) {
        if signature.files.is_empty() {
            return;
        }
        let at = self.signatures.len();
        for file in &signature.files {
            let content = file.signatures.iter();
            let content: Vec<_> = content
                .map(|inner| Prepared::new(inner, Vec::new()))
                .collect();
            let entry = self.entries.entry(file.path.clone()).or_default();
            let needs = content.iter().map(need);
            entry.need = needs.fold(entry.need, usize::max);
            entry.files.push(File {
                signature: at,
                content,
            });
        }
        self.signatures.push(Wanted {
            id: signature.id,
            puids: signature.puids.clone(),
            files: signature.files.len(),
        });
    }
}

/// So many bytes of an entry decide a signature; `usize::MAX` if all of them do.
fn need(signature: &Prepared) -> usize {
    let needs = signature.sequences.iter().map(|sequence| {
        match (sequence.reference, sequence.chains.as_slice()) {
            (Reference::Start, [_]) => usize::try_from(sequence.reach()).unwrap_or(usize::MAX),
            _ => usize::MAX,
        }
    });
    needs.max().unwrap_or(0)
}

/// Which signatures are satisfied so far.
struct Progress<'a> {
    kind: &'a Kind,
    missing: Vec<usize>,
    /// The entries, and which of the files that they stand for, that were counted.
    matched: HashSet<(String, usize)>,
}

impl<'a> Progress<'a> {
    fn new(kind: &'a Kind) -> Self {
        Self {
            kind,
            missing: kind.signatures.iter().map(|wanted| wanted.files).collect(),
            matched: HashSet::new(),
        }
    }

    /// How many bytes of an entry of this path are wanted; `None` if it does not matter.
    fn need(&self, path: &str) -> Option<usize> {
        self.kind.entries.get(path).map(|entry| entry.need)
    }

    /// Notes that there is an entry, which begins with `content`; `whole` if that is all of it.
    fn entry(&mut self, path: &str, content: Option<&[u8]>, whole: bool) {
        let Some(entry) = self.kind.entries.get(path) else {
            return;
        };
        let bytes = content.unwrap_or_default();
        let window = Window {
            bytes,
            base: 0,
            size: whole.then_some(bytes.len() as u64),
        };
        let mut memo = Memo::new(&window);
        for (at, file) in entry.files.iter().enumerate() {
            let mut inside = file.content.iter();
            let fits = file.content.is_empty()
                || content.is_some() && inside.any(|inner| matches(inner, &mut memo, whole));
            let first = fits && self.matched.insert((path.to_owned(), at));
            if first {
                self.missing[file.signature] -= 1;
            }
        }
    }

    /// The signatures of which some files fit, but not all.
    fn near(&self) -> Vec<NearContainer> {
        let some = |(wanted, missing): &(&Wanted, &usize)| (1..wanted.files).contains(*missing);
        let signatures = self.kind.signatures.iter().zip(&self.missing).enumerate();
        signatures
            .filter(|(_, signature)| some(signature))
            .map(|(at, (wanted, _))| NearContainer {
                id: wanted.id,
                puids: wanted.puids.clone(),
                missing: self.missing_paths(at),
            })
            .collect()
    }

    fn missing_paths(&self, signature: usize) -> Vec<String> {
        let mut paths = Vec::new();
        for (path, entry) in &self.kind.entries {
            for (at, file) in entry.files.iter().enumerate() {
                if file.signature == signature && !self.matched.contains(&(path.clone(), at)) {
                    paths.push(path.clone());
                }
            }
        }
        paths.sort();
        paths
    }

    fn puids(&self) -> Vec<String> {
        let mut puids: Vec<String> = Vec::new();
        for (wanted, missing) in self.kind.signatures.iter().zip(&self.missing) {
            if *missing == 0 {
                for puid in &wanted.puids {
                    if !puids.contains(puid) {
                        puids.push(puid.clone());
                    }
                }
            }
        }
        puids
    }
}

fn matches(signature: &Prepared, memo: &mut Memo<'_>, whole: bool) -> bool {
    let mut candidate = Candidate::of(signature);
    candidate.start(signature, memo)
        && (whole && candidate.end(signature, memo) || !candidate.waits_for_end())
        && candidate.advance(signature, memo)
        && candidate.is_complete()
}

/// What is in the container that `source` is, and why no more could be found out.
pub(crate) fn identify(
    signatures: &Signatures,
    kind: ContainerKind,
    source: &mut Source<'_>,
    near: Option<&mut Vec<NearContainer>>,
) -> (Found, Option<String>) {
    let mut found = Found::default();
    let containers = &signatures.containers;
    let (progress, error) = match kind {
        ContainerKind::Zip => {
            let mut progress = Progress::new(&containers.zip);
            let error = zip::walk(source, &mut progress, &mut found).err();
            if error.as_ref().is_some_and(zip::Error::is_fatal) {
                progress = Progress::new(&containers.zip);
            }
            (progress, error.map(|error| error.to_string()))
        }
        ContainerKind::Ole2 => {
            let mut progress = Progress::new(&containers.ole2);
            let error = ole2::walk(source, &mut progress, &mut found).err();
            (progress, error.map(|error| error.to_string()))
        }
    };
    found.puids = progress.puids();
    if let Some(near) = near {
        near.extend(progress.near());
    }
    (found, error)
}
