//! What all these tests stand on.

use anyhow::{Result, ensure};
use sdwan_gobgp::types::PeerSettings;
use sdwan_lab::fleet::{Fleet, Gobgpd};
use sdwan_lab::tools::Release;
use sdwan_lab::{harness, world};

/// The oldest and the newest.
pub const BOTH: &[Release] = &[Release::V3_10, Release::V4_8];

/// With the last of version 3 that does something else.
pub const ALL: &[Release] = &[Release::V3_10, Release::V3_36, Release::V4_8];

/// The AS of the routers under test.
pub const AS: u32 = 65001;

/// The AS of neighbors of another one.
pub const FAR: u32 = 65002;

/// What no log may ever hold.
pub const PASSWORD: &str = "correct-horse-battery";

/// Runs a test's body on these releases; whatever it did, no password is in a log of the server's.
pub fn on<B: FnOnce(Release) -> Result<()>>(releases: &[Release], body: B) {
    let test = harness::test_of(&body);
    harness::on_each(env!("CARGO_BIN_EXE_lab"), test, releases, |release| {
        body(release)?;
        no_secret_is_logged()
    });
}

fn no_secret_is_logged() -> Result<()> {
    for entry in std::fs::read_dir(world::FOLDER)? {
        let log = entry?.path().join("sdwan-server.log");
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        ensure!(!text.contains(PASSWORD), "{} holds a password", log.display());
    }
    Ok(())
}

/// A far side, of [`FAR`], that expects a session with R.
pub fn far_of_r(fleet: &Fleet, node: &'static str) -> Result<Gobgpd> {
    let far = fleet.far(node, FAR)?;
    far.add_peer(fleet.wan("R")?, &PeerSettings::new(AS))?;
    Ok(far)
}
