//! Everything as it is now.

use super::{BUFFER, Error, decode, failed, kind, open};
use crate::fib::{Look, Mark, Own};
use crate::kernel::{Event, Link, MAIN, View};
use netlink_packet_core::{Emitable, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NetlinkHeader};
use netlink_packet_route::AddressFamily;
use netlink_sys::{Socket, SocketAddr};
use nix::libc;
use std::io;

/// NLMSG_ERROR and NLMSG_DONE.
const ANSWER: u16 = 2;
const DONE: u16 = 3;
/// A table that others change all the time is read again so often.
const ATTEMPTS: usize = 5;

/// A full look.
#[derive(Debug, Default)]
pub struct Seen {
    /// Interfaces.
    pub links: Vec<Link>,
    /// This host's addresses, as events that tell of them.
    pub addresses: Vec<Event>,
    /// Routes.
    pub routes: Look,
}

/// The tables that next hops are looked up in, ours among them.
#[must_use]
pub fn tables(mark: Mark) -> Vec<u32> {
    let mut tables = vec![MAIN];
    if mark.table != MAIN {
        tables.push(mark.table);
    }
    tables
}

/// Looks at everything. It is as it was at some moment while this ran; events
/// that were heard since before tell what is newer.
///
/// # Errors
/// The system's, or when a table never holds still.
pub fn look(mark: Mark) -> Result<Seen, Error> {
    let mut reader = Reader::open()?;
    let mut seen = Seen::default();
    let all = reader.events(kind::GET_LINK)?;
    seen.links = all
        .into_iter()
        .filter_map(|event| match event {
            Event::Link(link) => Some(link),
            _ => None,
        })
        .collect();
    seen.addresses = reader.events(kind::GET_ADDRESS)?;
    seen.routes = reader.routes(mark)?;
    Ok(seen)
}

/// Looks at the routes only.
///
/// # Errors
/// As [`look`].
pub fn look_at_routes(mark: Mark) -> Result<Look, Error> {
    Reader::open()?.routes(mark)
}

struct Reader {
    socket: Socket,
    buffer: Vec<u8>,
    number: u32,
}

impl Reader {
    fn open() -> Result<Self, Error> {
        let mut socket = open(BUFFER)?;
        socket.bind_auto().map_err(failed("bind a socket"))?;
        Ok(Self {
            socket,
            buffer: Vec::with_capacity(BUFFER),
            number: 0,
        })
    }

    fn routes(&mut self, mark: Mark) -> Result<Look, Error> {
        let tables = tables(mark);
        for _ in 0..ATTEMPTS {
            let mut look = Look::default();
            let mut take = |event| {
                if let Event::Route(route, _) = event {
                    look.take(mark, route);
                }
            };
            let mut steady = true;
            for family in [AddressFamily::Inet, AddressFamily::Inet6] {
                steady &= self.dump(kind::GET_ROUTE, family, &tables, &mut take)?;
            }
            if steady {
                return Ok(look);
            }
        }
        Err(Error::Unsteady(ATTEMPTS))
    }

    /// All links or addresses, as if they had just come.
    fn events(&mut self, kind: u16) -> Result<Vec<Event>, Error> {
        for _ in 0..ATTEMPTS {
            let mut events = Vec::new();
            if self.dump(kind, AddressFamily::Unspec, &[], &mut |event| {
                events.push(event)
            })? {
                return Ok(events);
            }
        }
        Err(Error::Unsteady(ATTEMPTS))
    }

    /// Says whether the table held still.
    fn dump(
        &mut self,
        kind: u16,
        family: AddressFamily,
        tables: &[u32],
        take: &mut dyn FnMut(Event),
    ) -> Result<bool, Error> {
        self.ask(kind, family)?;
        let mut steady = true;
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, 0) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(failed("read a table")(error)),
            }
            for message in decode::messages(&self.buffer) {
                if message.sequence_number() != self.number {
                    continue;
                }
                steady &= message.flags() & NLM_F_DUMP_INTR == 0;
                match message.message_type() {
                    DONE => return Ok(steady),
                    ANSWER => return self.answer(message.payload()).map(|()| true),
                    _ => {
                        if let Some(event) = decode::event(&message, tables) {
                            take(event);
                        }
                    }
                }
            }
        }
    }

    /// A header and the kind's own, of which only the family says something:
    /// of a link it is 16 bytes, of an address 8, of a route 12.
    fn ask(&mut self, kind: u16, family: AddressFamily) -> Result<(), Error> {
        let own = match kind {
            kind::GET_LINK => 16,
            kind::GET_ADDRESS => 8,
            _ => 12,
        };
        self.number += 1;
        let mut request = vec![0; 16 + own];
        let mut header = NetlinkHeader::default();
        header.length = u32::try_from(request.len()).unwrap_or(0);
        header.message_type = kind;
        header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        header.sequence_number = self.number;
        header.emit(&mut request[..16]);
        request[16] = family.into();
        let kernel = SocketAddr::new(0, 0);
        let sent = self.socket.send_to(&request, &kernel, 0);
        sent.map(drop).map_err(failed("ask for a table"))
    }

    /// A kernel without IPv6 has no such table.
    fn answer(&self, payload: &[u8]) -> Result<(), Error> {
        let code = payload.get(..4).and_then(|code| code.try_into().ok());
        match code.map_or(0, i32::from_ne_bytes) {
            0 => Ok(()),
            code if [libc::EOPNOTSUPP, libc::EAFNOSUPPORT, libc::ENOENT].contains(&-code) => Ok(()),
            code => Err(failed("read a table")(io::Error::from_raw_os_error(-code))),
        }
    }
}

impl Seen {
    /// What links and addresses have changed since `view` was true.
    #[must_use]
    pub fn differences(&self, view: &View) -> Vec<Event> {
        let mut events = Vec::new();
        let stays = |link: &&Link| self.links.iter().any(|now| now.index == link.index);
        events.extend(
            view.links()
                .filter(|link| !stays(link))
                .map(|link| Event::LinkGone(link.index)),
        );
        events.extend(self.links.iter().cloned().map(Event::Link));
        let gone = view
            .addresses()
            .map(|(address, on)| (Event::Address(address, on), address, on));
        let gone = gone.filter(|(event, ..)| !self.addresses.contains(event));
        events.extend(gone.map(|(_, address, on)| Event::AddressGone(address.addr(), on)));
        events.extend(self.addresses.iter().cloned());
        events
    }

    /// A view of all that, and the routes of ours.
    #[must_use]
    pub fn into_view(self) -> (View, Vec<Own>) {
        let mut view = View::default();
        for link in self.links {
            view.apply(Event::Link(link));
        }
        for address in self.addresses {
            view.apply(address);
        }
        let (others, own) = self.routes.into_parts();
        view.take_routes(others);
        (view, own)
    }
}
