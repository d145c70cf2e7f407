//! Signatures in a compact form of our own.
//!
//! Owns the form: a marker, then the model as numbers and strings, deflated. Does not own what is in it: facts
//! of the files that The National Archives publishes under the Open Government Licence v3.0 (`data/README.md`).

mod reader;
mod writer;

use std::path::Path;

use crate::{error::LoadError, load, model::Model};

/// The compiled default.
pub(crate) const BUILTIN: &[u8] = include_bytes!("../../data/builtin.bin");

/// How every version of the form begins.
pub(crate) const COMPILED: &[u8] = b"PRONOM\0";
const MARKER: &[u8] = b"PRONOM\0\x02";
/// More than this is not unpacked.
const MAX_UNPACKED: usize = 64 << 20;
const LEVEL: u8 = 10;

/// Writes official signature files in the compact form that
/// [`Signatures::from_compiled`](crate::Signatures::from_compiled) reads.
pub fn compile(binary: &Path, container: Option<&Path>) -> Result<Vec<u8>, LoadError> {
    load::load(binary, container).map(|model| encode(&model))
}

pub(crate) fn encode(model: &Model) -> Vec<u8> {
    let mut bytes = MARKER.to_vec();
    bytes.extend(miniz_oxide::deflate::compress_to_vec(
        &writer::write(model),
        LEVEL,
    ));
    bytes
}

pub(crate) fn decode(bytes: &[u8]) -> Result<Model, LoadError> {
    let packed = bytes.strip_prefix(MARKER).ok_or(LoadError::Compiled(
        "not compiled by this version of the library",
    ))?;
    let unpacked = miniz_oxide::inflate::decompress_to_vec_with_limit(packed, MAX_UNPACKED)
        .map_err(|_| LoadError::Compiled("damaged"))?;
    reader::read(&unpacked).ok_or(LoadError::Compiled("damaged"))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_compiled_default_loads() {
        let model = decode(BUILTIN).unwrap();
        assert!(model.formats.len() > 2000);
        assert!(!model.containers.is_empty());
    }

    #[test]
    fn what_is_written_is_read_again() {
        let model = decode(BUILTIN).unwrap();
        assert_eq!(decode(&encode(&model)).unwrap(), model);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn damage_is_an_error_or_another_model_but_never_a_panic(at in 0..BUILTIN.len(), byte: u8) {
            let mut bytes = BUILTIN.to_vec();
            bytes[at] = byte;
            let _ = decode(&bytes);
        }

        #[test]
        fn any_bytes_can_be_read(bytes: Vec<u8>) {
            let _ = reader::read(&bytes);
        }
    }
}
