//! The same cases on real daemons: a gobgpd of each release, and a real
//! neighbor at each address that a case names. What holds is proved by the
//! routes that the neighbors and the router hold, not by what a daemon lists
//! of its policies.
//!
//! A case is staged ([`draw`] tells which), the sessions come up, and everybody holds exactly what
//! the policies of the beginning let through. Then the plan goes to the
//! daemon, by the server's own speaker, call by call. After every call each
//! speaker announces fresh routes, so that they meet what is evaluated right
//! then. Whatever a neighbor is told has to be by the state of the beginning
//! or by the declared one, next hop and MED included; a neighbor that is new
//! is told nothing that is not declared; no session falls but those of which
//! the plan says so. At a place that the case draws, the process "dies" and
//! plans again from what is there. In the end everybody holds exactly what is
//! declared, hand-made policies in between included.
//!
//! How tight that is: a neighbor's monitor prints every route and withdrawal
//! that it was sent, so a route that was there for a moment is seen. What is
//! evaluated *between* two calls is seen on fresh routes; what gobgpd may
//! evaluate for a moment *within* a call is seen only if it sends something
//! then. Nobody waits for a route not to come: it is judged when it comes, as
//! long as the case lasts, and what was sent before the last routes comes
//! before those. Only to a neighbor that is sent nothing at all, something
//! sent within the case's last milliseconds would be missed.
//!
//! `SDWAN_CASES` makes it longer than it is, `SDWAN_SEED` makes it other.

mod act;
mod declared;
mod draw;
mod far;
mod ground;
mod hand;
mod look;
mod routes;

use act::{Death, play};
use anyhow::{Context as _, ensure};
use draw::Draw;
use ground::Ground;
use sdwan_lab::harness;
use sdwan_lab::tools::Release;

/// The router's own AS in every case.
const AS: u32 = 65001;

const LAB: &str = env!("CARGO_BIN_EXE_lab");

#[test]
fn policies_hold_at_every_call_on_real_daemons() {
    let body = |release: Release| {
        let mut draw = Draw::new(release.into(), harness::number("SDWAN_SEED", 0)?);
        let mut ground = Ground::lay(release)?;
        let mut calls = 0;
        for number in 1..=harness::number("SDWAN_CASES", 16)? {
            let drawn = draw.next()?;
            let death = |steps| Death {
                after: drawn.after.index(steps + 1),
                unheard: drawn.unheard,
            };
            // Prefixes tell a case from those around it.
            let tag = u8::try_from(number % 250 + 1)?;
            calls += play(&mut ground, tag, &drawn.case, death)
                .with_context(|| format!("case {number}, {}: {:#?}", drawn.way, drawn.case))?;
        }
        ensure!(calls > 0, "no plan had a step: that proves nothing");
        Ok(())
    };
    harness::on_each(LAB, harness::test_of(&body), &Release::ALL, body);
}
