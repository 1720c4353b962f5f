//! Whether packets get through, by which way, and how many are lost while the way changes: `ping`
//! and `traceroute` on a node, and what they say.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result, ensure};

use crate::network::Machine;
use crate::wait::{self, Seen};

/// How long the first answer may take to come.
const LIMIT: Duration = Duration::from_secs(60);

/// Packets a second of a [`Stream`].
const RATE: u32 = 100;

/// Between two of them.
const PAUSE: Duration = Duration::from_millis(1000 / RATE as u64);

/// The port of the echo service.
const ECHO: u16 = 7;

/// Waits until `target` answers, then pings it properly; gives what `ping` printed.
///
/// # Errors
/// When it never answers, or one of the `count` packets is lost.
pub fn ping(machine: &Machine, target: Ipv4Addr, count: u32) -> Result<String> {
    let (target, count) = (target.to_string(), count.to_string());
    let what = format!("{target} to answer {}", machine.name());
    wait::until(&what, LIMIT, || {
        // No answer is a failure of ping's.
        let once = machine.run("ping", &["-c", "1", "-W", "1", &target], None);
        Ok(match once {
            Ok(_) => Seen::Yes(()),
            Err(error) => Seen::NotYet(last_line(&format!("{error:#}"))),
        })
    })?;
    let printed = machine.run("ping", &["-i", "0.2", "-c", &count, &target], None)?;
    ensure!(printed.contains(" 0% packet loss"), "{printed}");
    Ok(printed)
}

/// The routers on the way to `target`, the target last; and what `traceroute` printed.
///
/// # Errors
/// When the way does not end at the target.
pub fn way(machine: &Machine, target: Ipv4Addr) -> Result<(Vec<Ipv4Addr>, String)> {
    let words = ["-n", "-q", "1", "-w", "2", "-m", "12", &target.to_string()];
    let printed = machine.run("traceroute", &words, None)?;
    let hops = hops(&printed);
    ensure!(hops.last() == Some(&target), "{printed}");
    Ok((hops, printed))
}

fn hops(printed: &str) -> Vec<Ipv4Addr> {
    let hop = |line: &str| line.split_whitespace().nth(1)?.parse().ok();
    printed.lines().skip(1).filter_map(hop).collect()
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().to_owned()
}

/// Packets on their way from one node to another, 100 a second and each with its number, and
/// their echoes (RFC 862), until it is dropped. Not `ping`: it slows down where nothing answers.
#[derive(Debug)]
pub struct Stream {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Shared {
    over: AtomicBool,
    answers: Mutex<Vec<Answer>>,
}

impl Stream {
    /// Starts to send, and waits until echoes come.
    ///
    /// # Errors
    /// When none comes.
    pub fn start(from: &Machine, to: &Machine, target: Ipv4Addr) -> Result<Self> {
        let far = to.netns().enter(|| Ok(UdpSocket::bind((target, ECHO))?))?;
        let near = from.netns().enter(|| {
            let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
            socket.connect((target, ECHO))?;
            Ok(socket)
        })?;
        far.set_read_timeout(Some(PAUSE))?;
        near.set_nonblocking(true)?;
        let shared = Arc::new(Shared::default());
        let (echoing, sending) = (Arc::clone(&shared), Arc::clone(&shared));
        let stream = Self {
            shared,
            threads: vec![
                std::thread::spawn(move || echo(&far, &echoing)),
                std::thread::spawn(move || send(&near, &sending)),
            ],
        };
        stream.until_answered_since(SystemTime::now())?;
        Ok(stream)
    }

    fn answers(&self) -> Vec<Answer> {
        let answers = self.shared.answers.lock();
        let mut answers = answers.unwrap_or_else(PoisonError::into_inner).clone();
        answers.sort_by_key(|answer| answer.number);
        answers
    }

    fn until_answered_since(&self, moment: SystemTime) -> Result<()> {
        wait::until("packets to get through", LIMIT, || {
            Ok(match self.answers().pop() {
                Some(answer) if answer.at > moment => Seen::Yes(()),
                Some(answer) => Seen::NotYet(format!("none since number {}", answer.number)),
                None => Seen::NotYet("none yet".to_owned()),
            })
        })
    }

    /// What was lost from `halt` on, until answers came again.
    ///
    /// # Errors
    /// When none did, or nothing was lost.
    pub fn detour(&self, halt: SystemTime) -> Result<Detour> {
        self.until_answered_since(halt)?;
        Detour::of(&self.answers(), halt)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        for thread in self.threads.drain(..) {
            // One that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn echo(socket: &UdpSocket, shared: &Shared) {
    let mut packet = [0; 64];
    while !shared.over.load(SeqCst) {
        if let Ok((length, from)) = socket.recv_from(&mut packet) {
            // Where there is no way back, the packet is lost, as it should be.
            let _ = socket.send_to(&packet[..length], from);
        }
    }
}

fn send(socket: &UdpSocket, shared: &Shared) {
    let start = Instant::now();
    let mut packet = [0; 4];
    for number in 0_u32.. {
        if shared.over.load(SeqCst) {
            return;
        }
        // A router that tells that there is no way makes this fail: that packet is lost too.
        let _ = socket.send(&number.to_be_bytes());
        std::thread::sleep(
            (start + PAUSE * (number + 1)).saturating_duration_since(Instant::now()),
        );
        // What a router tells comes as an error between the echoes.
        for _ in 0..RATE {
            match socket.recv(&mut packet) {
                Ok(_) => shared
                    .answers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(Answer {
                        at: SystemTime::now(),
                        number: u32::from_be_bytes(packet),
                    }),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {}
            }
        }
    }
}

/// How a break in a stream of packets went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Detour {
    /// Packets that were never answered.
    pub lost: u32,
    /// From the halt to the first answer on the new way.
    pub dark: Duration,
}

impl Detour {
    /// `answers` are in the order of their packets.
    fn of(answers: &[Answer], halt: SystemTime) -> Result<Self> {
        let breaks = answers.windows(2).filter_map(|pair| {
            let lost = pair[1].number.checked_sub(pair[0].number)?.checked_sub(1)?;
            (pair[1].at > halt && lost > 0).then_some((lost, pair[1].at))
        });
        let breaks: Vec<_> = breaks.collect();
        let (_, back) = breaks.last().context("no packet was lost")?;
        Ok(Self {
            lost: breaks.iter().map(|(lost, _)| lost).sum(),
            dark: back.duration_since(halt).unwrap_or_default(),
        })
    }
}

#[derive(Clone, Copy, Debug)]
struct Answer {
    at: SystemTime,
    number: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_packets_are_counted_and_the_dark_is_timed() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let answer = |(millis, number)| Answer {
            at: at(millis),
            number,
        };
        let answers = [(0, 1), (10, 2), (1250, 12), (1300, 13), (1260, 14)].map(answer);
        let expected = Detour {
            lost: 9,
            dark: Duration::from_millis(1200),
        };
        assert_eq!(Detour::of(&answers, at(50)).unwrap(), expected);
        assert!(Detour::of(&answers, at(1255)).is_err(), "nothing was lost");
    }

    #[test]
    fn hops_are_read_and_silent_ones_passed_over() {
        let printed = "traceroute to 192.168.100.1 (192.168.100.1), 12 hops max, 60 byte packets\n \
            1  192.168.101.1  0.040 ms\n 2  *\n 3  192.168.100.1  0.1 ms\n";
        let ends = [[192, 168, 101, 1], [192, 168, 100, 1]].map(Ipv4Addr::from);
        assert_eq!(hops(printed), ends);
    }
}
