//! Where bytes stand in the object store.
//!
//! Always: a key is made of our own ids only, never of a client's text.

use crate::{ExportId, VersionId};

/// The four places. Only `records` and `exports` are ever downloadable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// Uploaded, not yet decided.
    Incoming,
    /// Accepted.
    Records,
    /// Malware.
    Quarantine,
    /// Finished packages.
    Exports,
}

impl Place {
    /// All places.
    pub const ALL: [Self; 4] = [
        Self::Incoming,
        Self::Records,
        Self::Quarantine,
        Self::Exports,
    ];

    /// The default name of its bucket, before the prefix of the installation.
    pub fn name(self) -> &'static str {
        match self {
            Self::Incoming => "incoming",
            Self::Records => "records",
            Self::Quarantine => "quarantine",
            Self::Exports => "exports",
        }
    }
}

/// The key of a version's bytes, the same in each of its places.
pub fn version_key(version: VersionId) -> String {
    version.to_string()
}

/// The key of a package.
pub fn export_key(export: ExportId) -> String {
    format!("{export}.tar")
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn keys_are_made_of_ids() {
        let version = VersionId(Uuid::from_u128(1));
        assert_eq!(version_key(version), "version_00000000000000000000000001");
        let export = ExportId(Uuid::from_u128(2));
        assert_eq!(export_key(export), "export_00000000000000000000000002.tar");
    }
}
