//! The neighbors of the daemon under test: each does one thing at a time, when
//! it is told to, and tells what the daemon made of it. A real one can't be
//! stopped half way, nor be made to connect at a given moment; how the daemon
//! gets along with a real one is another test's matter.

use anyhow::{Context as _, Result, bail};
use sdwan_lab::fleet::open;
use sdwan_model::observed::SessionState;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

/// Where the daemon under test takes connections.
pub(crate) const ROUTER: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Far longer than an answer takes, on a slow machine too.
const LIMIT: Duration = Duration::from_secs(60);

/// What a neighbor may do, as far as its session lets it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Move {
    /// The next step to a session; where it is up, connects a second time.
    Advance,
    /// All steps to a session.
    ComeUp,
    /// Says that it is another AS than it is taken for.
    OpenAsAnother,
    /// Closes the connection.
    Leave,
    /// Sends a NOTIFICATION and closes the connection.
    Notify,
}

/// A step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Act {
    Connect { port: u16 },
    Open { asn: u16 },
    Confirm,
    Leave { with_a_word: bool },
}

impl Move {
    /// The next step of it, if there is one.
    pub(crate) fn act(self, session: SessionState, port: u16, asn: u16) -> Option<Act> {
        let up = session == SessionState::Established;
        match self {
            Self::ComeUp if up => None,
            Self::Advance | Self::ComeUp => Some(match session {
                SessionState::OpenSent => Act::Open { asn },
                SessionState::OpenConfirm => Act::Confirm,
                _ => Act::Connect { port },
            }),
            Self::OpenAsAnother => {
                let asn = asn + 1;
                (session == SessionState::OpenSent).then_some(Act::Open { asn })
            }
            Self::Leave => Some(Act::Leave { with_a_word: false }),
            Self::Notify => Some(Act::Leave { with_a_word: true }),
        }
    }

    /// Whether it goes on after a step that the daemon took.
    pub(crate) fn goes_on(self) -> bool {
        matches!(self, Self::ComeUp)
    }
}

/// A neighbor, with its connection if it has one.
#[derive(Default)]
pub(crate) struct Neighbor {
    stream: Option<TcpStream>,
    confirmed: bool,
}

impl Neighbor {
    /// Does it; whether the daemon took it.
    pub(crate) async fn act(&mut self, own: Ipv4Addr, act: Act) -> Result<bool> {
        match act {
            Act::Connect { port } => self.connect(own, port).await,
            Act::Open { asn } => {
                let heard = self.say(&open(asn, own)).await?;
                Ok(heard == Some(KEEPALIVE))
            }
            Act::Confirm => {
                let stream = self.stream.as_mut().context("it is not connected")?;
                stream.write_all(&message(KEEPALIVE, &[])).await?;
                self.confirmed = true;
                Ok(true)
            }
            Act::Leave { with_a_word } => {
                if let Some(mut stream) = self.stream.take()
                    && with_a_word
                {
                    // The daemon may have closed it before.
                    let _closed = stream.write_all(&message(NOTIFICATION, &RESET)).await;
                }
                Ok(true)
            }
        }
    }

    /// A connection that is taken replaces the one before.
    async fn connect(&mut self, own: Ipv4Addr, port: u16) -> Result<bool> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::from((own, 0)))?;
        let address = SocketAddr::from((ROUTER, port));
        let mut stream = timeout(LIMIT, socket.connect(address)).await??;
        let taken = hear(&mut stream).await? == Some(OPEN);
        if taken {
            self.stream = Some(stream);
            self.confirmed = false;
        }
        Ok(taken)
    }

    async fn say(&mut self, message: &[u8]) -> Result<Option<u8>> {
        let stream = self.stream.as_mut().context("it is not connected")?;
        stream.write_all(message).await?;
        hear(stream).await
    }

    /// Keeps a session that is up from being held for dead.
    pub(crate) fn keep_alive(&self) {
        if let Some(stream) = self.stream.as_ref().filter(|_| self.confirmed) {
            // Where the session has ended, that is no news.
            let _ended = stream.try_write(&message(KEEPALIVE, &[]));
        }
    }
}

/// Types of BGP messages (RFC 4271, 4.1).
const OPEN: u8 = 1;
const NOTIFICATION: u8 = 3;
const KEEPALIVE: u8 = 4;

/// Cease, administrative reset (RFC 4486).
const RESET: [u8; 2] = [6, 4];

/// A marker, a length and a type.
const HEADER: usize = 19;

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(HEADER + body.len()).unwrap_or(u16::MAX);
    let mut message = vec![0xff; 16];
    message.extend(length.to_be_bytes());
    message.push(kind);
    message.extend(body);
    message
}

/// The type of the next message; `None` where the connection ends instead.
async fn hear(stream: &mut TcpStream) -> Result<Option<u8>> {
    let mut header = [0; HEADER];
    let read = timeout(LIMIT, stream.read_exact(&mut header)).await;
    match read.context("gobgpd neither answers nor closes the connection")? {
        Ok(_) => {}
        Err(error) => match error.kind() {
            ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
                return Ok(None);
            }
            _ => return Err(error.into()),
        },
    }
    let [.., high, low, kind] = header;
    let length = usize::from(u16::from_be_bytes([high, low]));
    let Some(rest) = length.checked_sub(HEADER) else {
        bail!("a message of {length} bytes");
    };
    stream.read_exact(&mut vec![0; rest]).await?;
    Ok(Some(kind))
}
