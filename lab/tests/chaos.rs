//! A cluster under faults: each class of them once, and everything is true after each.

use sdwan_lab::chaos::{self, Arguments};
use sdwan_lab::harness;
use sdwan_lab::tools::EtcdRelease;

#[test]
fn nothing_is_lost_or_done_twice_whatever_fails() {
    harness::inside(env!("CARGO_BIN_EXE_lab"), || {
        chaos::run(&Arguments {
            seed: Some(4),
            minutes: 60,
            once: true,
            etcd: EtcdRelease::V3_4,
        })
    });
}
