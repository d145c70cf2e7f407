//! Asking `pronom` what an object is.

use pronom::{Basis, Identification, Signatures};
use tokio::runtime::Handle;

use super::random_access::RandomAccess;
use super::window::Window;
use crate::client::{EngineInfo, FormatBasis, FormatEvidence, FormatMatch, ObjectLocation};
use crate::lane::Lane;
use crate::objects::{ObjectError, Objects};

/// What an object is, as far as could be seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) evidence: FormatEvidence,
    /// Why it could not be opened as the container that it begins like.
    pub(super) container_error: Option<String>,
}

/// Identifies an object that is at hand as a whole.
pub(super) fn of_bytes(signatures: &Signatures, name: &str, bytes: &[u8]) -> Format {
    signatures.identify_bytes(name, bytes).into()
}

/// Identifies an object as it goes by. What it asks for afterwards is read again from the store.
pub(super) fn lane(
    signatures: &'static Signatures,
    name: &str,
    objects: Objects,
    at: ObjectLocation,
) -> Lane<Result<Format, ObjectError>> {
    let runtime = Handle::current();
    let name = name.to_owned();
    Lane::start(move |blocks| {
        let mut stream = signatures.stream(&name);
        let mut window = Window::default();
        for block in blocks {
            stream.feed(&block);
            window.push(&block);
        }
        let mut random = RandomAccess::new(runtime, objects, at, window);
        let found = stream.finish(&mut random);
        match random.failure {
            Some(failure) => Err(failure),
            None => Ok(found.into()),
        }
    })
}

/// Who identifies. Binary and container signatures are versioned apart.
pub(super) fn engine(signatures: &Signatures) -> EngineInfo {
    EngineInfo {
        name: "Muniment pronom".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        signatures: Some(versions(
            signatures.version(),
            signatures.container_version(),
        )),
    }
}

fn versions(binary: &str, container: &str) -> String {
    match container {
        "" => binary.to_owned(),
        container => format!("{binary}/{container}"),
    }
}

impl From<Identification> for Format {
    fn from(found: Identification) -> Self {
        let matches = found.matches.into_iter().map(|one| FormatMatch {
            puid: one.puid,
            name: one.name,
            version: one.version,
            media_type: one.mime,
            basis: match one.basis {
                Basis::Container => FormatBasis::Container,
                Basis::Signature => FormatBasis::Signature,
                Basis::Extension => FormatBasis::Extension,
            },
        });
        Self {
            evidence: FormatEvidence {
                matches: matches.collect(),
                extension_mismatch: found.extension_mismatch,
                encrypted: found.flags.encrypted,
                archive: found.flags.archive,
                empty: found.flags.empty,
                bom_only: found.flags.bom_only,
                text: found.flags.text,
            },
            container_error: found.container_error,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions_of_the_signatures_are_told() {
        let told = engine(Signatures::builtin()).signatures;
        assert_eq!(told.as_deref(), Some("V109/20200121"));
        assert_eq!(versions("V7", ""), "V7");
    }
}
