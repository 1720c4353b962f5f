//! What changes in the kernel, as it tells.

use super::{BUFFER, Error, decode, failed, kind, make_room};
use crate::kernel::Event;
use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{AsyncSocket, SocketAddr, TokioSocket};
use nix::libc;
use socket2::{SockFilter, SockRef};
use std::io;
use std::task::{Context, Poll};

/// Room for what comes while the agent is busy.
const ROOM: usize = 16 << 20;

/// So many events are given together.
const AT_ONCE: usize = 512;

/// Links, addresses, routes of both families, next hop objects.
const GROUPS: [u32; 6] = [1, 5, 7, 9, 11, 32];

/// What was heard at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heard {
    /// In the kernel's order.
    pub events: Vec<Event>,
    /// Something was not heard: only a look tells.
    pub lost: bool,
}

/// Follows the kernel.
pub struct Events {
    socket: TokioSocket,
    tables: Vec<u32>,
    buffer: Vec<u8>,
}

impl Events {
    /// Begins to listen, to routes of these tables that don't come from the
    /// writer at `port`.
    ///
    /// # Errors
    /// The system's.
    pub fn open(tables: Vec<u32>, port: u32) -> Result<Self, Error> {
        let listen = || failed("listen to events");
        let mut socket = TokioSocket::new(NETLINK_ROUTE).map_err(listen())?;
        let plain = socket.socket_mut();
        SockRef::from(&*plain)
            .attach_filter(&without_echo(port))
            .map_err(failed("filter events"))?;
        make_room(plain, ROOM);
        plain.bind(&SocketAddr::new(0, 0)).map_err(listen())?;
        for group in GROUPS {
            match plain.add_membership(group) {
                // Kernels before 5.3 know no next hop objects.
                Err(error) if group < 32 => return Err(listen()(error)),
                _ => {}
            }
        }
        Ok(Self {
            socket,
            tables,
            buffer: Vec::with_capacity(BUFFER),
        })
    }

    /// Waits for events, and gives all that are there up to a few hundred.
    /// Nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// The system's.
    pub async fn next(&mut self) -> Result<Heard, Error> {
        std::future::poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<Heard, Error>> {
        let mut heard = Heard::default();
        while heard.events.len() < AT_ONCE {
            self.buffer.clear();
            match self.socket.poll_recv(context, &mut self.buffer) {
                Poll::Ready(Ok(())) => {
                    let messages = decode::messages(&self.buffer);
                    let events = messages.filter_map(|m| decode::event(&m, &self.tables));
                    heard.events.extend(events);
                }
                Poll::Ready(Err(error)) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    heard.lost = true;
                }
                Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Err(failed("hear events")(error))),
                Poll::Pending if heard == Heard::default() => return Poll::Pending,
                Poll::Pending => break,
            }
        }
        Poll::Ready(Ok(heard))
    }
}

/// A program for the kernel: half a million routes of ours shall not be told
/// back to us. A message is dropped if it tells of a route and comes from `port`.
fn without_echo(port: u32) -> [SockFilter; 7] {
    const LOAD_HALF: u16 = 0x28;
    const LOAD_WORD: u16 = 0x20;
    const JUMP_IF_EQUAL: u16 = 0x15;
    const RETURN: u16 = 0x06;
    const TYPE: u32 = 4;
    const PORT: u32 = 12;
    // It loads in network order what netlink has in the machine's.
    let half = |number: u16| u32::from(number.to_be());
    [
        SockFilter::new(LOAD_HALF, 0, 0, TYPE),
        SockFilter::new(JUMP_IF_EQUAL, 1, 0, half(kind::NEW_ROUTE)),
        SockFilter::new(JUMP_IF_EQUAL, 0, 3, half(kind::DELETE_ROUTE)),
        SockFilter::new(LOAD_WORD, 0, 0, PORT),
        SockFilter::new(JUMP_IF_EQUAL, 0, 1, port.to_be()),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}
