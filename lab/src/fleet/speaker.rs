//! A neighbor that stops halfway: its session stays in one state of the BGP state machine.
//!
//! It connects to the router rather than wait for it: version 4 tells OPENSENT of an incoming
//! connection only.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::thread;
use std::time::Duration;

use anyhow::Result;

use super::Fleet;

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(200);

/// How far the neighbor goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Connects and says nothing: the router stays in OPENSENT.
    AtOnce,
    /// Sends its OPEN and no KEEPALIVE: the router stays in OPENCONFIRM.
    AfterOpen {
        /// The AS that it says it is.
        asn: u16,
    },
}

/// Has such a neighbor on a node connect to a router, again and again, as long as the world lasts.
///
/// # Errors
/// When there is no such node.
pub fn half_speaker(fleet: &Fleet, node: &str, router: &str, silence: Silence) -> Result<()> {
    let (own, router) = (fleet.wan(node)?, fleet.wan(router)?);
    let fleet = fleet.clone();
    let node = node.to_owned();
    fleet.machine(&node)?;
    thread::spawn(move || {
        let connect = || Ok(TcpStream::connect((router, 179)).ok());
        loop {
            let machine = fleet.machine(&node);
            let stream = machine.and_then(|machine| machine.netns().enter(connect));
            if let Ok(Some(stream)) = stream {
                speak(stream, silence, own);
            }
            thread::sleep(PAUSE);
        }
    });
    Ok(())
}

/// Says its part, then reads until the router gives up.
fn speak(mut stream: TcpStream, silence: Silence, identifier: Ipv4Addr) {
    if let Silence::AfterOpen { asn } = silence
        && stream.write_all(&open(asn, identifier)).is_err()
    {
        return;
    }
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

/// An OPEN (RFC 4271, 4.2): version 4, hold time 90 s, no optional parameters.
#[must_use]
pub fn open(asn: u16, identifier: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![0xff; 16];
    message.extend(29_u16.to_be_bytes());
    message.extend([1, 4]);
    message.extend(asn.to_be_bytes());
    message.extend(90_u16.to_be_bytes());
    message.extend(identifier.octets());
    message.push(0);
    message
}
