//! The verdict on a bag, and what it rests on.

use std::{collections::BTreeSet, fmt};

use crate::{Algorithm, Code, PayloadOxum};

/// A `BagIt` version, as `bagit.txt` declares it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    /// The M of M.N.
    pub major: u32,
    /// The N of M.N, as a number: 97 in 0.97.
    pub minor: u32,
}

impl Version {
    /// RFC 8493.
    pub const V1_0: Self = Self { major: 1, minor: 0 };

    /// Whether its rules are known here: 0.93 to 0.97 and 1.0.
    pub fn is_supported(self) -> bool {
        self == Self::V1_0 || (self.major == 0 && (93..=97).contains(&self.minor))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// What the bag came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder on disk.
    Folder,
    /// A tar archive.
    Tar,
    /// A tar archive compressed with gzip.
    TarGz,
}

/// How grave a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The bag is not valid.
    Error,
    /// The bag is valid, and somebody should look.
    Warning,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
        })
    }
}

/// One thing wrong with one file, or with the bag as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// How grave it is.
    pub severity: Severity,
    /// What it is; stable, for programs.
    pub code: Code,
    /// The file it is about, by its path in the bag; `None` for the bag as a whole. A very long path is cut.
    pub file: Option<String>,
    /// The line of that file, counted from 1.
    pub line: Option<u64>,
    /// What it is, for people.
    pub message: String,
}

/// Control characters of a name are escaped, so that a hostile one cannot steer a terminal.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.severity, self.code)?;
        if let Some(file) = &self.file {
            f.write_str(" ")?;
            write_escaped(f, file)?;
            if let Some(line) = self.line {
                write!(f, ":{line}")?;
            }
        }
        f.write_str(": ")?;
        write_escaped(f, &self.message)
    }
}

fn write_escaped(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    use fmt::Write;
    text.chars().try_for_each(|c| {
        if c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
            write!(f, "{}", c.escape_unicode())
        } else {
            f.write_char(c)
        }
    })
}

/// The verdict on a bag.
#[derive(Clone, Debug)]
pub struct Report {
    /// What the bag came in.
    pub source: Source,
    /// The bag's folder inside the archive; empty where the bag is the archive's root, and for a folder.
    pub folder: String,
    /// What `bagit.txt` declares, if that can be read.
    pub version: Option<Version>,
    /// The algorithms of the payload manifests.
    pub algorithms: Vec<Algorithm>,
    /// The payload files that are there, and their bytes.
    pub payload: PayloadOxum,
    /// The other files that are there.
    pub tag_files: u64,
    /// Their paths.
    pub(super) tag_names: BTreeSet<String>,
    /// How many digests were computed and found to be the ones that a manifest claims.
    pub digests_verified: u64,
    /// How many errors there are, kept or not.
    pub errors: u64,
    /// How many warnings there are, kept or not.
    pub warnings: u64,
    /// The problems, errors first, each group by file; at most [`crate::Limits::problems`].
    pub problems: Vec<Problem>,
}

impl Report {
    /// Whether the bag is valid (RFC 8493 §3): complete, and every digest verified. Warnings do not count.
    pub fn is_valid(&self) -> bool {
        self.errors == 0
    }

    /// How many problems were counted but not kept.
    pub fn omitted(&self) -> u64 {
        (self.errors + self.warnings).saturating_sub(self.problems.len() as u64)
    }
}

/// How far validation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Files read to their end.
    pub files: u64,
    /// Bytes read of the folder's files or of the (compressed) archive.
    pub bytes: u64,
    /// Bytes that there are to read in this pass.
    pub total_bytes: u64,
}
