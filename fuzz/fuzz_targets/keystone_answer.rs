//! Keystone's description of a token, or its list of versions.
#![no_main]

#[path = "../keystone.rs"]
mod keystone;

libfuzzer_sys::fuzz_target!(|data: &[u8]| keystone::keystone_answer(data));
