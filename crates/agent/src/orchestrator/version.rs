//! Which gobgpd runs here. No call of its API tells more than 3 or 4, but it
//! runs on this host: the process that listens on the API's socket has an
//! executable, and that tells its exact version.
//!
//! This may run as root, so an executable that somebody else could have put
//! there, or could change, is left alone.

use std::fs::{self, File};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;
use tokio::time::timeout;

/// The API's port, where none is named.
const PORT: u16 = 50051;
/// How long an executable may take to tell its version.
const PATIENCE: Duration = Duration::from_secs(5);

/// The version of the gobgpd at this address of its API, e.g. `4.8.0`; `None`
/// where that can't be known.
pub(super) async fn of(address: &str) -> Option<String> {
    let address = address.to_owned();
    let found = tokio::task::spawn_blocking(move || executable(&address));
    let executable = found.await.ok()??;
    // By its handle: what was looked at is what runs.
    let mut command = Command::new(format!("/proc/self/fd/{}", executable.as_raw_fd()));
    command
        .arg("--version")
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = timeout(PATIENCE, command.output()).await.ok()?.ok()?;
    version(std::str::from_utf8(&output.stdout).ok()?)
}

/// The version in what gobgpd prints, e.g. `gobgpd version 4.8.0`.
fn version(printed: &str) -> Option<String> {
    let version = printed.trim().strip_prefix("gobgpd version ")?;
    let known = |c: char| c.is_ascii_alphanumeric() || ".-+~".contains(c);
    let plain = version.len() <= 64 && version.chars().all(known);
    let mut numbers = version.split('.').map(|part| part.parse::<u16>().is_ok());
    let whole = numbers.next() == Some(true) && numbers.next() == Some(true);
    (plain && whole).then(|| version.to_owned())
}

/// The executable of who listens there, if it is fit to be run.
fn executable(address: &str) -> Option<File> {
    let inode = match address.strip_prefix("unix:") {
        Some(path) => unix(&fs::read_to_string("/proc/net/unix").ok()?, path)?,
        None => {
            let (host, port) = split(address)?;
            let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
            let tables = tables.map(|table| fs::read_to_string(table).unwrap_or_default());
            tables.iter().find_map(|table| tcp(table, host, port))?
        }
    };
    let name = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let mut numbered = processes.filter(|entry| {
        let name = entry.file_name();
        name.to_str()
            .is_some_and(|name| name.parse::<u32>().is_ok())
    });
    let process = numbered.find(|process| {
        let handles = fs::read_dir(process.path().join("fd"));
        let mut handles = handles.into_iter().flatten().flatten();
        handles.any(|handle| {
            fs::read_link(handle.path()).is_ok_and(|target| target.as_os_str() == name.as_str())
        })
    })?;
    let file = File::open(process.path().join("exe")).ok()?;
    let about = file.metadata().ok()?;
    let me = fs::metadata("/proc/self").ok()?.uid();
    let trusted = [0, me].contains(&about.uid()) && about.mode() & 0o022 == 0;
    trusted.then_some(file)
}

/// `HOST[:PORT]`; only of this host.
fn split(address: &str) -> Option<(IpAddr, u16)> {
    let whole = |host: &str| match host {
        "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        host => host.trim_matches(['[', ']']).parse().ok(),
    };
    let (host, port) = match whole(address) {
        Some(host) => (host, PORT),
        None => {
            let (host, port) = address.rsplit_once(':')?;
            (whole(host)?, port.parse().ok()?)
        }
    };
    // Only an address of this host's can be taken.
    UdpSocket::bind((host, 0)).ok()?;
    Some((host, port))
}

/// The inode of who listens at this address, or at any.
fn tcp(table: &str, host: IpAddr, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    table.lines().skip(1).find_map(|line| {
        let mut fields = line.split_whitespace();
        let (at, listens_at) = fields.nth(1)?.split_once(':')?;
        let at = ip(at)?;
        let here = at == host || at.is_unspecified();
        let listens = fields.nth(1)? == LISTEN;
        let same = u16::from_str_radix(listens_at, 16).ok()? == port;
        let inode = fields.nth(5)?.parse().ok()?;
        (here && listens && same).then_some(inode)
    })
}

/// The kernel prints words as they lie in memory.
fn ip(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| {
        let word = u32::from_str_radix(hex.get(at..at + 8)?, 16).ok()?;
        Some(word.to_ne_bytes())
    };
    match hex.len() {
        8 => Some(Ipv4Addr::from(word(0)?).into()),
        32 => {
            let mut bytes = [0; 16];
            for (nth, quarter) in bytes.chunks_mut(4).enumerate() {
                quarter.copy_from_slice(&word(nth * 8)?);
            }
            Some(Ipv6Addr::from(bytes).to_canonical())
        }
        _ => None,
    }
}

/// The inode of who listens at this path.
fn unix(table: &str, path: &str) -> Option<u64> {
    const LISTENS: &str = "00010000";
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.splitn(8, ' ').collect();
        let [_, _, _, flags, _, _, rest @ ..] = fields.as_slice() else {
            return None;
        };
        let rest = rest.join(" ");
        let (inode, at) = rest.trim_start().split_once(' ')?;
        (*flags == LISTENS && at == path).then(|| inode.parse().ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gobgpd_prints_is_a_version_and_nothing_else_is() {
        assert_eq!(version("gobgpd version 4.8.0\n").as_deref(), Some("4.8.0"));
        for other in [
            "",
            "Python 3.11.2",
            "gobgpd version ",
            "gobgpd version 4",
            "gobgpd version 4.8.0 x",
        ] {
            assert_eq!(version(other), None, "{other}");
        }
    }

    #[test]
    fn who_listens_is_found_by_its_address() {
        let tcp4 = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            0: 0100007F:C383 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4711 1 0 100 0 0 10 0\n\
            1: 0100007F:C384 0100007F:1111 01 00000000:00000000 00:00000000 00000000     0        0 4712 1 0 100 0 0 10 0\n";
        let localhost = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(tcp(tcp4, localhost, 50051), Some(4711));
        assert_eq!(tcp(tcp4, localhost, 50052), None, "it does not listen");
        assert_eq!(tcp(tcp4, "192.0.2.1".parse().unwrap(), 50051), None);
        let tcp6 = "  sl  local_address\n\
            0: 00000000000000000000000000000000:C383 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4713 1\n";
        assert_eq!(tcp(tcp6, localhost, 50051), Some(4713));
        let by_path = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 4714 /run/gobgp.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 4715 /run/gobgp.sock\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 4716\n";
        assert_eq!(unix(by_path, "/run/gobgp.sock"), Some(4714));
        assert_eq!(unix(by_path, "/run/other.sock"), None);
    }

    /// Another process's socket is found, and its executable is no gobgpd.
    #[tokio::test]
    async fn a_listener_that_is_no_gobgpd_has_no_version() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let found = executable(&address);
        assert!(found.is_some(), "this test's own executable");
        assert_eq!(of("127.0.0.1:1").await, None);
        assert_eq!(of("192.0.2.1:50051").await, None);
    }
}
