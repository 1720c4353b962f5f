//! An operator's schema file.
#![no_main]

#[path = "../bodies.rs"]
#[expect(dead_code, reason = "the other targets use the other bodies")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::schema_file(data));
