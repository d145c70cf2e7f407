//! The stable names of what can be wrong with a bag.

use std::fmt;

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)+) => {
        /// What is wrong, as a stable name. The names are an interface: they are added to, never changed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Code {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The stable name.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

codes! {
    /// No `bagit.txt` (RFC 8493 §2.1.1).
    BagitTxtMissing = "BAGIT_TXT_MISSING",
    /// `bagit.txt` is not its two lines, to the letter.
    BagitTxtMalformed = "BAGIT_TXT_MALFORMED",
    /// A version that is not 0.93–0.97 or 1.0.
    VersionUnsupported = "VERSION_UNSUPPORTED",
    /// A tag file encoding other than UTF-8, ISO-8859-1 or UTF-16.
    EncodingUnsupported = "ENCODING_UNSUPPORTED",
    /// A tag file's bytes are not of the declared encoding.
    EncodingInvalid = "ENCODING_INVALID",
    /// A byte-order mark where there must be none (§2.1.1, §2.3).
    ByteOrderMark = "BYTE_ORDER_MARK",
    /// No payload manifest (§2.1.3).
    ManifestMissing = "MANIFEST_MISSING",
    /// No `data/` (§2.1.2).
    PayloadFolderMissing = "PAYLOAD_FOLDER_MISSING",
    /// A manifest by an algorithm that cannot be computed here, so its claims are unverified.
    AlgorithmUnsupported = "ALGORITHM_UNSUPPORTED",
    /// A line that is not of its file's form (§2.1.3, §2.2.2, §2.2.3).
    LineMalformed = "LINE_MALFORMED",
    /// A line longer than is read.
    LineTooLong = "LINE_TOO_LONG",
    /// A manifest lists a file twice with the same digest (§2.1.3: exactly once).
    EntryDuplicate = "ENTRY_DUPLICATE",
    /// A manifest lists a file twice with different digests.
    EntryConflicting = "ENTRY_CONFLICTING",
    /// A path that leaves the bag (§5.1).
    PathOutside = "PATH_OUTSIDE",
    /// A path that leaves the bag on Windows, and elsewhere names nothing (§5.1).
    PathOutsideOnWindows = "PATH_OUTSIDE_ON_WINDOWS",
    /// A payload manifest or `fetch.txt` lists a file outside `data/` (§2.1.3).
    PathNotPayload = "PATH_NOT_PAYLOAD",
    /// A tag manifest lists a payload file or a tag manifest (§2.2.1).
    PathNotTag = "PATH_NOT_TAG",
    /// A path with `./` or `//` in it.
    PathNotNormal = "PATH_NOT_NORMAL",
    /// A path whose percent signs are not encoded as its version has it (§2.1.3).
    PathEncoding = "PATH_ENCODING",
    /// A line as `md5sum` writes it, which fails strict validation (§6.1.3).
    LegacyChecksumTool = "LEGACY_CHECKSUM_TOOL",
    /// A listed file is not there (§3).
    FileMissing = "FILE_MISSING",
    /// A payload file is not in every payload manifest (before 1.0: in none) (§3).
    FileNotListed = "FILE_NOT_LISTED",
    /// A file's bytes are not what a manifest claims (§3).
    DigestMismatch = "DIGEST_MISMATCH",
    /// A file's digest could not be computed.
    DigestUnverified = "DIGEST_UNVERIFIED",
    /// A listed file is not there but in `fetch.txt`; nothing is fetched (§2.2.3).
    FetchPending = "FETCH_PENDING",
    /// `fetch.txt` names a file that is not in every payload manifest (§2.2.3).
    FetchNotListed = "FETCH_NOT_LISTED",
    /// `fetch.txt` gives another length than the file has (§5.3).
    FetchSize = "FETCH_SIZE",
    /// `Payload-Oxum` is not two numbers, or is there twice (§2.2.2).
    OxumMalformed = "OXUM_MALFORMED",
    /// `Payload-Oxum` is not what the payload amounts to (§2.2.2).
    OxumMismatch = "OXUM_MISMATCH",
    /// A tag manifest that does not list every payload manifest (§2.2.1).
    TagManifestIncomplete = "TAG_MANIFEST_INCOMPLETE",
    /// A tag file that no tag manifest protects (§2.2.1).
    TagFileNotListed = "TAG_FILE_NOT_LISTED",
    /// Two names that differ only in case (§6.1.1.1).
    TwinCase = "TWIN_CASE",
    /// Two names that differ only in Unicode normalisation (§6.1.1.2).
    TwinNormalization = "TWIN_NORMALIZATION",
    /// A file that an operating system leaves in folders: `.DS_Store`, `Thumbs.db`, `desktop.ini`.
    SystemFile = "SYSTEM_FILE",
    /// A link, device or other thing that is no file; it is never followed.
    NotRegular = "NOT_REGULAR",
    /// A name that is not Unicode.
    NameNotUnicode = "NAME_NOT_UNICODE",
    /// A file that cannot be read.
    FileUnreadable = "FILE_UNREADABLE",
    /// An archive holds a path twice.
    ArchiveDuplicate = "ARCHIVE_DUPLICATE",
    /// An archive that is cut off or corrupt.
    ArchiveDamaged = "ARCHIVE_DAMAGED",
    /// Something in an archive beside the bag's folder.
    ArchiveStray = "ARCHIVE_STRAY",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_distinct() {
        let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
