//! How much of a bag is looked at.

/// Bounds on what a hostile bag can cost. Beyond `problems` the rest is counted; a longer line is a problem of its
/// own; beyond any other limit validation ends with [`crate::Error::Limit`].
#[derive(Clone, Debug)]
pub struct Limits {
    /// Files in a bag, and lines in each of its manifests.
    pub entries: usize,
    /// Bytes of one line of a tag file.
    pub line_bytes: usize,
    /// Bytes of the tag files that are read as text, together: they are held in memory.
    pub tag_bytes: u64,
    /// Bytes of an archive after decompression.
    pub unpacked_bytes: u64,
    /// Problems kept in a report.
    pub problems: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            entries: 1_000_000,
            line_bytes: 64 << 10,
            tag_bytes: 256 << 20,
            unpacked_bytes: 16 << 40,
            problems: 10_000,
        }
    }
}
