//! Any bytes as a signature file, as XML and compiled: read or refused, and then usable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pronom::Signatures;

fuzz_target!(|bytes: &[u8]| {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("signatures.xml");
    std::fs::write(&path, bytes).expect("writable");
    for signatures in [Signatures::load(&path, None), Signatures::load(&path, Some(&path)), Signatures::from_compiled(bytes)]
        .into_iter()
        .flatten()
    {
        let _ = signatures.identify_bytes("a", b"%PDF-1.4 and so on %%EOF");
    }
});
