//! gobgpd's answer to `WatchEvent`.
#![no_main]

#[path = "../routes.rs"]
mod routes;

libfuzzer_sys::fuzz_target!(|data: &[u8]| routes::route_answer(data));
