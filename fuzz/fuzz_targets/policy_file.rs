//! An operator's policies.
#![no_main]

#[path = "../bodies.rs"]
#[expect(dead_code, reason = "the other targets use the other bodies")]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::policy_file(data));
