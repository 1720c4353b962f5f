//! That a mark is ours alone, and what else keeps an agent from running.

use crate::fib::{Mark, Own};
use crate::netlink;
use ipnet::IpNet;

/// Why the agent can't run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel can't be talked to.
    #[error(transparent)]
    Netlink(#[from] netlink::Error),
    /// Somebody else has our protocol number.
    #[error(
        "routes of protocol {protocol} with metric {metric} are in table {table} ({count}, {first} \
         the first): another daemon uses that number, or an agent ran with --metric {metric}; \
         choose another --protocol, or take them away: \
         ip route flush table {table} proto {protocol} metric {metric} (and ip -6 route flush ...)"
    )]
    ProtocolInUse {
        /// The number.
        protocol: u8,
        /// Their metric.
        metric: u32,
        /// Where they are.
        table: u32,
        /// How many.
        count: usize,
        /// One of them.
        first: IpNet,
    },
    /// Another agent does the same.
    #[error(
        "another sdwan agent runs in this network namespace for table {table} and protocol \
         {protocol}: stop it, or choose another --table or --protocol"
    )]
    AlreadyRunning {
        /// The table.
        table: u32,
        /// The protocol number.
        protocol: u8,
    },
    /// A part of the agent ended that never should.
    #[error("{0} ended")]
    Ended(&'static str),
}

/// Sees to it that no route bears our protocol number and is not of our making.
///
/// # Errors
/// [`Error::ProtocolInUse`] if there are any.
pub fn check_protocol(mark: Mark, own: &[Own]) -> Result<(), Error> {
    let others: Vec<&Own> = own
        .iter()
        .filter(|route| route.metric != mark.metric)
        .collect();
    match others.first() {
        None => Ok(()),
        Some(first) => Err(Error::ProtocolInUse {
            protocol: mark.protocol,
            metric: first.metric,
            table: mark.table,
            count: others.len(),
            first: first.prefix,
        }),
    }
}

/// Names of this kind belong to the network namespace, as routes do, and are
/// free again when their holder ends, however it ends.
pub(crate) fn lock(mark: Mark) -> Result<std::os::unix::net::UnixListener, Error> {
    use std::os::linux::net::SocketAddrExt;
    let Mark {
        table, protocol, ..
    } = mark;
    let name = format!("sdwan-agent/{table}/{protocol}");
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name);
    let listener =
        address.and_then(|address| std::os::unix::net::UnixListener::bind_addr(&address));
    listener.map_err(|_| Error::AlreadyRunning { table, protocol })
}
