//! What a pair of signature files says, as read and before it is arranged for speed.
//!
//! Owns the nouns of PRONOM: format, signature, byte sequence, subsequence, fragment. Does not own reading
//! them (`load`, `compiled`) or matching them (`matcher`).

use crate::pattern::Pattern;

/// A file format as PRONOM knows it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Format {
    /// The PRONOM unique identifier, for example `fmt/18`.
    pub puid: String,
    /// The name, for example `Acrobat PDF 1.4 - Portable Document Format`.
    pub name: String,
    /// The version of the format; empty if PRONOM gives none.
    pub version: String,
    /// The MIME types, separated by a comma and a space; empty if PRONOM gives none.
    pub mime: String,
    /// The file name extensions, without a dot.
    pub extensions: Vec<String>,
    pub(crate) id: u32,
    pub(crate) priority_over: Vec<u32>,
    pub(crate) signatures: Vec<u32>,
}

impl Format {
    /// Whether a file with this extension looks wrong for the format. A format without extensions never does.
    pub(crate) fn mismatches(&self, extension: &str) -> bool {
        !self.extensions.is_empty()
            && !self
                .extensions
                .iter()
                .any(|known| known.eq_ignore_ascii_case(extension))
    }
}

/// Where the offsets of a byte sequence are counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    Start,
    End,
    Anywhere,
}

/// A pattern beside an anchor, and how many bytes may lie between it and what is next to it towards the anchor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Fragment {
    pub(crate) min: u32,
    pub(crate) max: u32,
    pub(crate) pattern: Pattern,
}

/// The fragments of which one must be at a position.
pub(crate) type Alternatives = Vec<Fragment>;

/// An anchor with the fragments around it, both sides in order outwards from the anchor.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SubSequence {
    pub(crate) min: u32,
    /// Only the first subsequence of an anchored sequence keeps to it.
    pub(crate) max: u32,
    pub(crate) anchor: Pattern,
    pub(crate) left: Vec<Alternatives>,
    pub(crate) right: Vec<Alternatives>,
}

/// No subsequence takes more bytes, so that a window that holds one has a bound.
pub(crate) const MAX_SPAN: u64 = 4 << 20;

impl SubSequence {
    /// The most bytes that it can take, with all its gaps.
    pub(crate) fn span(&self) -> u64 {
        self.anchor.len() as u64 + lengths(&self.left).1 + lengths(&self.right).1
    }
}

/// The least and most bytes that fragments and the gaps between them take.
pub(crate) fn lengths(levels: &[Alternatives]) -> (u64, u64) {
    let mut total = (0, 0);
    for level in levels {
        let sizes = level.iter().map(|fragment| {
            let length = fragment.pattern.len() as u64;
            (
                u64::from(fragment.min) + length,
                u64::from(fragment.max) + length,
            )
        });
        let (min, max) = sizes.fold((u64::MAX, 0), |(min, max), (low, high)| {
            (min.min(low), max.max(high))
        });
        if min <= max {
            total = (total.0 + min, total.1 + max);
        }
    }
    total
}

/// Subsequences that follow one another in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ByteSequence {
    pub(crate) reference: Reference,
    pub(crate) subsequences: Vec<SubSequence>,
}

/// Byte sequences that must all be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    pub(crate) id: u32,
    pub(crate) sequences: Vec<ByteSequence>,
}

/// The kind of container that a container signature is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ContainerKind {
    Ole2,
    Zip,
}

/// An entry that a container must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerFile {
    pub(crate) path: String,
    /// One of these must match what the entry holds; with none, being there is enough.
    pub(crate) signatures: Vec<Signature>,
}

/// Entries that a container must have for it to be of a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ContainerSignature {
    pub(crate) id: u32,
    pub(crate) kind: ContainerKind,
    pub(crate) puids: Vec<String>,
    pub(crate) files: Vec<ContainerFile>,
}

/// Everything that the signature files say.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Model {
    pub(crate) version: String,
    /// When the binary signature file was made, as it says itself.
    pub(crate) created: String,
    pub(crate) container_version: String,
    pub(crate) formats: Vec<Format>,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) containers: Vec<ContainerSignature>,
}
