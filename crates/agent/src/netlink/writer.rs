//! Routes into the kernel.
//!
//! The kernel works a datagram's messages off while it is sent, about a
//! thousand at once here: one call for all of them, and an answer only for
//! what failed and for the last.

use super::encode::{Batch, Step};
use super::{BUFFER, Error, decode, failed, open};
use crate::fib::{Change, Mark, Trouble};
use ipnet::IpNet;
use netlink_packet_core::{NLM_F_ACK_TLVS, NetlinkBuffer, NlasIterator};
use netlink_sys::{Socket, SocketAddr};
use nix::libc;
use std::io;

/// Fits any system's default send buffer.
const FULL: usize = 64 << 10;
/// Room for an answer to each message of a batch.
const ANSWERS: usize = 4 << 20;
/// NLMSG_ERROR.
const ANSWER: u16 = 2;
/// NLMSGERR_ATTR_MSG: why, in words.
const WORDS: u16 = 1;

/// What became of changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Routes that could not be made: nothing of ours is there now.
    pub failed: Vec<(IpNet, Trouble)>,
    /// The kernel's table may be other than it is thought to be.
    pub doubt: bool,
}

/// Writes routes of one mark.
#[derive(Debug)]
pub struct Writer {
    socket: Socket,
    port: u32,
    batch: Batch,
    buffer: Vec<u8>,
}

impl Writer {
    /// Opens a socket.
    ///
    /// # Errors
    /// The system's.
    pub fn open(mark: Mark) -> Result<Self, Error> {
        let mut socket = open(ANSWERS)?;
        let address = socket.bind_auto().map_err(failed("bind a socket"))?;
        Ok(Self {
            socket,
            port: address.port_number(),
            batch: Batch::new(mark),
            buffer: Vec::with_capacity(BUFFER),
        })
    }

    /// The port that events caused by this writer come from.
    #[must_use]
    pub fn port(&self) -> u32 {
        self.port
    }

    /// Whether this process may change routes: asks for a route to be deleted
    /// that can't exist.
    ///
    /// # Errors
    /// [`Error::Permission`] if it may not.
    pub fn check_permission(&mut self) -> Result<(), Error> {
        let nothing = crate::kernel::Leg {
            gateway: None,
            device: u32::MAX >> 1,
            onlink: false,
        };
        let change = Change {
            prefix: IpNet::from(ipnet::Ipv4Net::default()),
            old: Some([nothing].into()),
            new: None,
        };
        self.write(&[change]).map(drop)
    }

    /// Makes changes, in their order.
    ///
    /// # Errors
    /// [`Error::Permission`], or when the socket fails; what the kernel
    /// refuses is reported.
    pub fn write(&mut self, changes: &[Change]) -> Result<Report, Error> {
        let mut report = Report::default();
        for change in changes {
            self.batch.push(change);
            if self.batch.len() >= FULL {
                self.send(&mut report)?;
            }
        }
        self.send(&mut report)?;
        Ok(report)
    }

    fn send(&mut self, report: &mut Report) -> Result<(), Error> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let kernel = SocketAddr::new(0, 0);
        self.socket
            .send_to(self.batch.finish(), &kernel, 0)
            .map_err(failed("send routes"))?;
        let outcome = self.answers(report);
        self.batch.clear();
        outcome
    }

    /// They are all there: the kernel has given them while it was sent to.
    fn answers(&mut self, report: &mut Report) -> Result<(), Error> {
        loop {
            self.buffer.clear();
            match self.socket.recv(&mut self.buffer, libc::MSG_DONTWAIT) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // No room for an answer, or none to the last: whatever it was.
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    report.doubt = true;
                    continue;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    report.doubt = true;
                    return Ok(());
                }
                Err(error) => return Err(failed("read an answer")(error)),
            }
            let mut last = false;
            for message in decode::messages(&self.buffer) {
                if message.message_type() != ANSWER {
                    continue;
                }
                last |= self.batch.is_last(message.sequence_number());
                judge(&self.batch, &message, report)?;
            }
            if last {
                return Ok(());
            }
        }
    }
}

fn judge(batch: &Batch, message: &NetlinkBuffer<&[u8]>, report: &mut Report) -> Result<(), Error> {
    let Some((step, prefix)) = batch.step(message.sequence_number()) else {
        return Ok(());
    };
    let code = message
        .payload()
        .get(..4)
        .and_then(|code| code.try_into().ok());
    let code = code
        .map_or(0, i32::from_ne_bytes)
        .unsigned_abs()
        .cast_signed();
    match (step, code) {
        (_, 0) => {}
        (_, libc::EPERM | libc::EACCES) => return Err(Error::Permission),
        // It is gone already: the kernel was faster.
        (Step::Delete, libc::ESRCH | libc::ENOENT) => {}
        (Step::Make, libc::EEXIST) => report.failed.push((prefix, Trouble::Taken)),
        // What was to come is there, and what was to go goes next.
        (Step::Append, libc::EEXIST) | (Step::Delete, _) => report.doubt = true,
        (Step::Make | Step::Append, code) => {
            let error = io::Error::from_raw_os_error(code);
            let why = words(message)
                .map_or_else(|| error.to_string(), |words| format!("{words} ({error})"));
            report.failed.push((prefix, Trouble::Refused(why)));
        }
    }
    Ok(())
}

/// Why, in the kernel's words, where it says so.
fn words(message: &NetlinkBuffer<&[u8]>) -> Option<String> {
    if message.flags() & NLM_F_ACK_TLVS == 0 {
        return None;
    }
    // The error number and the header of what was asked; with CAP_ACK no more of it.
    let rest = message.payload().get(20..)?;
    let mut attributes = NlasIterator::new(rest).filter_map(Result::ok);
    let text = attributes.find(|nla| nla.kind() == WORDS)?;
    let text = String::from_utf8_lossy(text.value()).into_owned();
    Some(text.trim_end_matches(['\0', '.']).to_owned())
}
