//! What all these tests stand on.

use std::net::IpAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use ipnet::IpNet;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sdwan_gobgp::bgp::{AsPath, Attributes, Origin};
use sdwan_gobgp::types::{
    AfiSafiSettings, Family, Global, GracefulRestartSettings, Path, PeerSettings,
};
use sdwan_lab::fleet::{Fleet, Gobgpd};
use sdwan_lab::harness;
use sdwan_lab::network::Machine;
use sdwan_lab::tools::Release;
use sdwan_lab::wait::{self, Seen};

/// Every release that the product supports.
pub const ALL: &[Release] = &Release::ALL;

/// The oldest and the newest.
pub const BOTH: &[Release] = &[Release::V3_10, Release::V4_8];

/// The AS of the router with the agent, of A and of B.
pub const AS: u32 = 65001;
/// See [`AS`].
pub const A: u32 = 65002;
/// See [`AS`].
pub const B: u32 = 65003;

const LIMIT: Duration = Duration::from_secs(90);

/// Runs a test's body on these releases, side by side.
pub fn on<F: FnOnce(Release) -> Result<()>>(releases: &[Release], body: F) {
    let test = harness::test_of(&body);
    harness::on_each(env!("CARGO_BIN_EXE_lab"), test, releases, body);
}

/// A router with two more interfaces, `up0` and `up1` with 10.1.0.0/24, 10.1.1.0/24,
/// 2001:db8:10::/64 and 2001:db8:11::/64, and an IPv6 address on `wan`; its BGP runs.
pub fn router(fleet: &Fleet, release: Release) -> Result<Gobgpd> {
    let netns = fleet.machine("R")?.netns();
    netns.ip("address add 2001:db8::1/64 dev wan nodad\n")?;
    for n in [0, 1] {
        netns.ip(&format!(
            "link add up{n} type veth peer name far{n}\n\
             link set far{n} up\n\
             link set up{n} up\n\
             address add 10.1.{n}.1/24 dev up{n}\n\
             address add 2001:db8:1{n}::1/64 dev up{n} nodad\n"
        ))?;
    }
    let r = fleet.gobgpd("R", release)?;
    start(fleet, &r, false)?;
    Ok(r)
}

/// StartBgp.
pub fn start(fleet: &Fleet, r: &Gobgpd, multipath: bool) -> Result<()> {
    let global = Global {
        asn: AS,
        router_id: r.wan()?.to_string(),
        use_multiple_paths: multipath,
        ..Global::default()
    };
    Ok(fleet.run(r.client().start_bgp(&global))?)
}

/// A far side with an IPv6 address of the same last digit, that expects a session with R. It waits
/// to be called: of two gobgpds that call each other at once, one may hold a connection that the
/// other has dropped, and only the hold time ends that.
pub fn far(fleet: &Fleet, node: &'static str, asn: u32) -> Result<Gobgpd> {
    let last = fleet.wan(node)?.octets()[3];
    let line = format!("address add 2001:db8::{last}/64 dev wan nodad\n");
    fleet.machine(node)?.netns().ip(&line)?;
    let far = fleet.far(node, asn)?;
    let waits = PeerSettings {
        passive_mode: Some(true),
        ..settings(AS)
    };
    far.add_peer(fleet.wan("R")?, &waits)?;
    Ok(far)
}

/// Both families, and graceful restart, so that End-of-RIBs are sent.
pub fn settings(asn: u32) -> PeerSettings {
    let family = |family| AfiSafiSettings {
        graceful_restart: Some(true),
        ..AfiSafiSettings::from(family)
    };
    PeerSettings {
        connect_retry: Some(1),
        graceful_restart: Some(GracefulRestartSettings {
            enabled: true,
            restart_time: 60,
            ..GracefulRestartSettings::default()
        }),
        afi_safis: Some(vec![
            family(Family::IPV4_UNICAST),
            family(Family::IPV6_UNICAST),
        ]),
        ..PeerSettings::new(asn)
    }
}

/// R's session with a far side, established.
pub fn join(r: &Gobgpd, far: &Gobgpd, asn: u32) -> Result<()> {
    r.add_peer(far.wan()?, &settings(asn))?;
    r.until_established(far.wan()?)?;
    far.until_established(r.wan()?)
}

/// A path of a router's own with any next hop.
pub fn path(prefix: &str, next_hop: &str) -> Result<Path> {
    let prefix: IpNet = prefix.parse()?;
    let next_hop: IpAddr = next_hop.parse()?;
    let attributes = Attributes {
        origin: Some(Origin::Igp),
        as_path: Some(AsPath::default()),
        next_hop: Some(next_hop),
        ..Attributes::default()
    };
    Ok(Path {
        learned: Some(std::time::SystemTime::now()),
        ..Path::new(prefix, attributes)
    })
}

/// Adds a path with any next hop to a router's table.
pub fn announce(fleet: &Fleet, on: &Gobgpd, prefix: &str, next_hop: &str) -> Result<()> {
    fleet.run(on.client().add_path(&path(prefix, next_hop)?))?;
    Ok(())
}

/// Takes it away.
pub fn withdraw(fleet: &Fleet, on: &Gobgpd, prefix: &str, next_hop: &str) -> Result<()> {
    Ok(fleet.run(on.client().delete_path(&path(prefix, next_hop)?))?)
}

/// Waits until something is so.
pub fn until(what: &str, mut look: impl FnMut() -> Result<Option<String>>) -> Result<()> {
    wait::until(what, LIMIT, || {
        Ok(match look()? {
            None => Seen::Yes(()),
            Some(seen) => Seen::NotYet(seen),
        })
    })
}

/// A ping that goes on, two hundred packets a second.
pub struct Ping {
    process: Child,
}

impl Ping {
    /// Begins, once the address answers.
    pub fn start(machine: &Machine, address: &str) -> Result<Self> {
        until(&format!("{address} to answer"), || {
            let once = machine.run("ping", &["-n", "-c1", "-W1", address], None);
            Ok(once.err().map(|error| format!("{error:#}")))
        })?;
        let mut command = machine.command("ping", None)?;
        command.args(["-n", "-q", "-i", "0.005", address]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let process = machine.netns().spawn(&mut command)?;
        Ok(Self { process })
    }

    /// Ends it; fails if a packet was lost.
    pub fn expect_no_loss(self) -> Result<()> {
        let (sent, received) = self.end()?;
        ensure!(sent > 20, "only {sent} packets");
        // The last one may still be under way.
        ensure!(received + 1 >= sent, "{sent} sent, {received} received");
        Ok(())
    }

    /// Ends it; gives how many packets were sent and came back.
    pub fn end(self) -> Result<(u64, u64)> {
        let id = Pid::from_raw(i32::try_from(self.process.id())?);
        kill(id, Signal::SIGINT)?;
        let output = self.process.wait_with_output()?;
        let text = String::from_utf8(output.stdout)?;
        let line = text
            .lines()
            .find(|line| line.contains("packets transmitted"));
        let line = line.with_context(|| format!("no summary: {text}"))?;
        let number = |at: usize| -> Result<u64> {
            let word = line
                .split(", ")
                .nth(at)
                .and_then(|part| part.split(' ').next());
            Ok(word.context("no number")?.parse()?)
        };
        Ok((number(0)?, number(1)?))
    }
}
