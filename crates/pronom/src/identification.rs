//! The answer: what a file is, why, and what else an archive should know of it.

/// What was found out about one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identification {
    /// The formats that the file may be of; several if the signatures cannot decide, none if nothing is known.
    pub matches: Vec<Match>,
    /// Whether the file name's extension is not one that the formats go by.
    pub extension_mismatch: bool,
    /// What else is known of the file.
    pub flags: Flags,
    /// How many bytes were looked at.
    pub bytes_read: u64,
    /// Why the file could not be opened as the container that it begins like. The matches then come from its
    /// binary signatures.
    pub container_error: Option<String>,
}

/// A format that a file may be of.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Match {
    /// The PRONOM unique identifier, for example `fmt/18`.
    pub puid: String,
    /// The format's name.
    pub name: String,
    /// The format's version; empty if it has none.
    pub version: String,
    /// The format's MIME types, separated by a comma and a space; empty if it has none.
    pub mime: String,
    /// What the match rests on.
    pub basis: Basis,
    /// Where in the file the signature matched: begins and ends of its subsequences, in the order of the file.
    /// Empty unless the basis is [`Basis::Signature`].
    pub ranges: Vec<(u64, u64)>,
}

/// What a match rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Basis {
    /// The entries of a ZIP or OLE2 container.
    Container,
    /// Bytes of the file.
    Signature,
    /// Only the extension of the file's name.
    Extension,
}

impl Basis {
    /// The word for it: `container`, `signature` or `extension`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Container => "container",
            Self::Signature => "signature",
            Self::Extension => "extension",
        }
    }
}

/// What an archive should know of a file beside its format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "they are independent of one another"
)]
pub struct Flags {
    /// The content is encrypted, as far as ZIP, Open Document, OOXML, OLE2 and PDF say so.
    pub encrypted: bool,
    /// The format holds other files.
    pub archive: bool,
    /// There are no bytes.
    pub empty: bool,
    /// There is nothing but a byte order mark.
    pub bom_only: bool,
    /// The start of the file reads as text.
    pub text: bool,
}
