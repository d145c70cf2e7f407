#![no_main]

#[path = "../../tests/common/build.rs"]
mod build;
#[path = "../../tests/common/targets.rs"]
#[expect(dead_code, reason = "each target is a part of it")]
mod targets;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| targets::binary_xml(bytes));
