//! The kernel's side: routes are written in batches, events are followed, and
//! everything can be looked at.
//!
//! - [`Writer`]: changes into the kernel. Never with NLM_F_REPLACE: that takes
//!   whatever route stands at a prefix and metric, whoever put it there. A new
//!   route is made with NLM_F_EXCL, which refuses to stand beside a stranger's;
//!   one that changes gets its new legs first and loses its old ones then, and
//!   what is deleted is named by protocol, metric and legs.
//! - [`Events`]: links, addresses and routes as they change, without the echo
//!   of what the writer did: the kernel filters that by the writer's port.
//! - [`look`]: everything as it is now.

mod decode;
mod encode;
mod events;
mod look;
mod writer;

pub use events::{Events, Heard};
pub use look::{Seen, look, look_at_routes, tables};
pub use writer::{Report, Writer};

use netlink_sys::Socket;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::sys::socket::{setsockopt, sockopt};
use std::io;

/// For messages to and from the kernel; a datagram of a dump is at most 32 KiB.
const BUFFER: usize = 128 << 10;

/// The kernel could not be talked to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The right to change routes is missing.
    #[error(
        "this process may not change routes: run it as root or give it CAP_NET_ADMIN \
         (systemd: `AmbientCapabilities=CAP_NET_ADMIN`)"
    )]
    Permission,
    /// A call failed.
    #[error("netlink: {what}")]
    Io {
        /// Which.
        what: &'static str,
        /// How.
        #[source]
        source: io::Error,
    },
    /// A table that can't be read while it keeps changing.
    #[error("netlink: the kernel's table changed at each of {0} attempts to read it")]
    Unsteady(usize),
}

fn failed(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| match source.raw_os_error() {
        Some(nix::libc::EPERM | nix::libc::EACCES) => Error::Permission,
        _ => Error::Io { what, source },
    }
}

/// A socket whose answers tell what was wrong, in few bytes, with room for `room` of them.
fn open(room: usize) -> Result<Socket, Error> {
    let socket = Socket::new(NETLINK_ROUTE).map_err(failed("open a socket"))?;
    // Old kernels lack these; answers are longer or less clear then.
    let _ = socket.set_cap_ack(true);
    let _ = socket.set_ext_ack(true);
    let _ = socket.set_netlink_get_strict_chk(true);
    make_room(&socket, room);
    Ok(socket)
}

/// Only root may go beyond the system's limit.
fn make_room(socket: &Socket, room: usize) {
    if setsockopt(socket, sockopt::RcvBufForce, &room).is_err() {
        let _ = setsockopt(socket, sockopt::RcvBuf, &room);
    }
}

/// Kinds of messages.
mod kind {
    pub(super) const NEW_ROUTE: u16 = 24;
    pub(super) const DELETE_ROUTE: u16 = 25;
    pub(super) const GET_LINK: u16 = 18;
    pub(super) const GET_ADDRESS: u16 = 22;
    pub(super) const GET_ROUTE: u16 = 26;
    pub(super) const DELETE_NEXT_HOP: u16 = 105;
}
