//! Why signatures could not be loaded.

use std::path::PathBuf;

/// Why signatures could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file could not be read.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What reading it said.
        source: std::io::Error,
    },
    /// The file says something that is not understood.
    #[error("{file}:{line}: {problem}")]
    Syntax {
        /// The file, as it was given.
        file: String,
        /// The line, counted from one.
        line: usize,
        /// What is not understood.
        problem: String,
    },
    /// The compiled form is damaged or of another version of this library.
    #[error("compiled signatures: {0}")]
    Compiled(&'static str),
}
