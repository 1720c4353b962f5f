//! A neighbor that stops halfway: its sessions stay in one state of the BGP state machine.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::thread;

use anyhow::Result;

use super::Fleet;

/// How far the neighbor goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Silence {
    /// Takes the connection and says nothing: the router stays in OPENSENT.
    AtOnce,
    /// Sends its OPEN and no KEEPALIVE: the router stays in OPENCONFIRM.
    AfterOpen {
        /// The AS that it says it is; up to 65535.
        asn: u16,
    },
}

/// Listens on a node's BGP port, as long as the world lasts.
#[derive(Debug)]
pub struct HalfSpeaker;

impl HalfSpeaker {
    /// Starts to listen.
    ///
    /// # Errors
    /// When the port is taken.
    pub fn start(fleet: &Fleet, node: &str, silence: Silence) -> Result<Self> {
        let address = fleet.wan(node)?;
        let listen = || Ok(TcpListener::bind((address, 179))?);
        let listener = fleet.machine(node)?.netns().enter(listen)?;
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                thread::spawn(move || speak(stream, silence, address));
            }
        });
        Ok(Self)
    }
}

/// Says its part, then reads until the router gives up.
fn speak(mut stream: std::net::TcpStream, silence: Silence, address: Ipv4Addr) {
    if let Silence::AfterOpen { asn } = silence
        && stream.write_all(&open(asn, address)).is_err()
    {
        return;
    }
    let mut buffer = [0; 4096];
    while stream.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

/// An OPEN (RFC 4271, 4.2): version 4, hold time 90 s, no optional parameters.
fn open(asn: u16, identifier: Ipv4Addr) -> Vec<u8> {
    let mut message = vec![0xff; 16];
    message.extend(29_u16.to_be_bytes());
    message.extend([1, 4]);
    message.extend(asn.to_be_bytes());
    message.extend(90_u16.to_be_bytes());
    message.extend(identifier.octets());
    message.push(0);
    message
}
