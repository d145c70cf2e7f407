//! Any bytes as a file, at hand as a whole and as a stream: no panic, and the same answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use pronom::Signatures;

fuzz_target!(|bytes: &[u8]| {
    let signatures = Signatures::builtin();
    let mut whole = signatures.identify_bytes("a.doc", bytes);
    let mut stream = signatures.stream("a.doc");
    for piece in bytes.chunks(4099) {
        stream.feed(piece);
    }
    let mut random = bytes;
    let mut streamed = stream.finish(&mut random);
    (whole.bytes_read, streamed.bytes_read) = (0, 0);
    assert_eq!(whole, streamed);
});
