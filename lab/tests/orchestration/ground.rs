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

/// The AS of A, B and C, where they are not of the router's own: routes of one are news to another.
pub const A: u32 = 65002;
/// See [`A`].
pub const B: u32 = 65003;
/// See [`A`].
pub const C: u32 = 65004;

/// A prefix that a far side or the router announces.
pub const PREFIX: &str = "203.0.113.0/24";

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
        ensure!(
            !text.contains(PASSWORD),
            "{} holds a password",
            log.display()
        );
    }
    Ok(())
}

/// A far side that expects a session with R.
pub fn far(fleet: &Fleet, node: &'static str, asn: u32) -> Result<Gobgpd> {
    far_with(fleet, node, asn, &PeerSettings::new(AS))
}

/// The same with settings of its own for R.
pub fn far_with(
    fleet: &Fleet,
    node: &'static str,
    asn: u32,
    settings: &PeerSettings,
) -> Result<Gobgpd> {
    let far = fleet.far(node, asn)?;
    far.add_peer(fleet.wan("R")?, settings)?;
    Ok(far)
}
