//! Entries and heads as messages of syslog's: to the machine's own daemon
//! (rsyslog, syslog-ng, journald) as a datagram in the form that all of them
//! read there, or to another machine's over UDP (RFC 5424, RFC 5426).
//!
//! Syslog never holds anything up: a message that it does not take is counted
//! and gone. The file has it.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, ToSocketAddrs, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Bytes of a message's text that every daemon takes with its usual settings.
pub(super) const MESSAGE: usize = 7 * 1024;

/// Private authorization messages.
const AUTHPRIV: u8 = 10;
/// What a message calls its sender.
const TAG: &str = "sdwan-audit";

/// Where messages go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// The socket of the machine's own daemon.
    Local(PathBuf),
    /// `HOST:PORT`, by UDP.
    Remote(String),
}

impl Default for Address {
    fn default() -> Self {
        Self::Local("/dev/log".into())
    }
}

impl std::str::FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with('/') {
            return Ok(Self::Local(text.into()));
        }
        let remote = text.strip_prefix("udp://");
        let (host, port) = remote.and_then(|r| r.rsplit_once(':')).unwrap_or_default();
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(format!(
                "{text:?} is no address of a syslog: write true, a socket's path, or \
                 udp://HOST:514"
            ));
        }
        Ok(Self::Remote(format!("{host}:{port}")))
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Local(path) => write!(f, "{}", path.display()),
            Self::Remote(address) => write!(f, "udp://{address}"),
        }
    }
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Severity {
    Warning = 4,
    Notice = 5,
    Info = 6,
}

/// Messages that may wait for a daemon; more are lost.
const WAITING: usize = 4096;

/// A thread that sends: also the look-up of a name holds nothing up.
pub(super) struct Sender {
    queue: Option<SyncSender<Message>>,
    lost: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

struct Message {
    severity: Severity,
    time: Timestamp,
    text: Vec<u8>,
}

impl Sender {
    /// `lost` counts what was not sent.
    pub(super) fn start(address: Address, host: &str, lost: Arc<AtomicU64>) -> io::Result<Self> {
        let (queue, messages) = sync_channel::<Message>(WAITING);
        let mut syslog = Syslog::new(address, host);
        let counter = Arc::clone(&lost);
        let work = move || {
            let mut well = true;
            for Message {
                severity,
                time,
                text,
            } in messages
            {
                let sent = syslog.send(severity, time, &text);
                if let Err(error) = &sent {
                    counter.fetch_add(1, Ordering::Relaxed);
                    if well {
                        let to = &syslog.address;
                        tracing::warn!(%to, %error, "the audit's messages are lost: the file has them");
                    }
                }
                well = sent.is_ok();
            }
        };
        let thread = thread::Builder::new().name("audit-syslog".into());
        Ok(Self {
            queue: Some(queue),
            lost,
            thread: Some(thread.spawn(work)?),
        })
    }

    pub(super) fn send(&self, severity: Severity, time: Timestamp, text: Vec<u8>) {
        let message = Message {
            severity,
            time,
            text,
        };
        let sent = self.queue.as_ref().map(|queue| queue.try_send(message));
        if !matches!(sent, Some(Ok(()))) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What waits is sent first.
impl Drop for Sender {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The way there; opened when it is needed, again after a failure.
struct Syslog {
    address: Address,
    /// Who sends.
    host: String,
    socket: Option<Socket>,
}

enum Socket {
    Local(UnixDatagram),
    Remote(UdpSocket),
}

impl Syslog {
    fn new(address: Address, host: &str) -> Self {
        Self {
            address,
            host: host.to_owned(),
            socket: None,
        }
    }

    /// Sends, at once or not at all.
    ///
    /// # Errors
    /// Why not.
    fn send(&mut self, severity: Severity, now: Timestamp, text: &[u8]) -> io::Result<()> {
        let mut message = self.header(severity, now).into_bytes();
        message.extend_from_slice(text);
        // A daemon that was restarted has another socket: tried once more.
        let fresh = self.socket.is_none();
        match self.try_send(&message) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => {
                self.socket = None;
                if fresh {
                    return Err(error);
                }
                self.try_send(&message)
            }
            sent => sent,
        }
    }

    fn try_send(&mut self, message: &[u8]) -> io::Result<()> {
        let socket = match &mut self.socket {
            Some(socket) => socket,
            none => none.insert(connect(&self.address)?),
        };
        match socket {
            Socket::Local(socket) => socket.send(message)?,
            Socket::Remote(socket) => socket.send(message)?,
        };
        Ok(())
    }

    fn header(&self, severity: Severity, now: Timestamp) -> String {
        let priority = AUTHPRIV * 8 + severity as u8;
        let process = std::process::id();
        match self.address {
            Address::Local(_) => {
                let now = now.to_zoned(TimeZone::system());
                let now = now.strftime("%b %e %H:%M:%S");
                format!("<{priority}>{now} {TAG}[{process}]: ")
            }
            Address::Remote(_) => {
                // No byte order mark: JSON forbids it, and its text is ASCII
                // or UTF-8 either way.
                let host = &self.host;
                format!("<{priority}>1 {now:.3} {host} {TAG} {process} - - ")
            }
        }
    }
}

fn connect(address: &Address) -> io::Result<Socket> {
    match address {
        Address::Local(path) => {
            let socket = UnixDatagram::unbound()?;
            socket.set_nonblocking(true)?;
            socket.connect(path)?;
            Ok(Socket::Local(socket))
        }
        Address::Remote(remote) => {
            let mut found = remote.to_socket_addrs()?;
            let none = || io::Error::new(ErrorKind::NotFound, "the name has no address");
            let remote = found.next().ok_or_else(none)?;
            let socket = match remote.is_ipv4() {
                true => UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?,
                false => UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?,
            };
            socket.set_nonblocking(true)?;
            socket.connect(remote)?;
            Ok(Socket::Remote(socket))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_daemon_on_this_machine_reads_its_usual_form_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut syslog = Syslog::new(Address::Local(path.clone()), "gw1");
        assert!(syslog.send(Severity::Info, NOW, b"nobody").is_err());
        for _ in 0..2 {
            let daemon = UnixDatagram::bind(&path).unwrap();
            syslog.send(Severity::Notice, NOW, b"{\"seq\":1}").unwrap();
            let mut text = [0; 200];
            let length = daemon.recv(&mut text).unwrap();
            let text = std::str::from_utf8(&text[..length]).unwrap();
            let (header, body) = text.split_once(": ").unwrap();
            assert_eq!(body, "{\"seq\":1}");
            assert!(
                header.starts_with("<85>") && header.contains(" sdwan-audit["),
                "{header}"
            );
            std::fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_daemon_that_does_not_read_holds_nothing_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let _daemon = UnixDatagram::bind(&path).unwrap();
        let mut syslog = Syslog::new(Address::Local(path), "gw1");
        let mut sent = (0..100_000).map(|_| syslog.send(Severity::Info, NOW, &[b'x'; 1000]));
        let refused = sent.find_map(Result::err).unwrap();
        assert_eq!(refused.kind(), ErrorKind::WouldBlock);
    }

    #[test]
    fn another_machine_gets_rfc_5424() {
        let daemon = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        daemon
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let address = format!("udp://{}", daemon.local_addr().unwrap());
        let mut syslog = Syslog::new(address.parse().unwrap(), "gw1");
        syslog.send(Severity::Warning, NOW, b"text").unwrap();
        let mut text = [0; 200];
        let length = daemon.recv(&mut text).unwrap();
        let text = std::str::from_utf8(&text[..length]).unwrap();
        let process = std::process::id();
        let wanted = format!("<84>1 1970-01-01T00:00:00.000Z gw1 sdwan-audit {process} - - text");
        assert_eq!(text, wanted);
    }

    #[test]
    fn addresses_are_paths_or_say_udp() {
        for wrong in [
            "",
            "log.example.net",
            "tcp://a:1",
            "udp://:514",
            "udp://a",
            "udp://a:x",
        ] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
        for right in ["/dev/log", "udp://log.example.net:514", "udp://[::1]:514"] {
            assert_eq!(right.parse::<Address>().unwrap().to_string(), right);
        }
    }
}
