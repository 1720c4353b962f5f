//! Where the agent is measured: a feeder, a gobgpd that it feeds, and a BIRD to hold it against,
//! each in a network namespace of its own on one wire.
//!
//! ```text
//!   feeder: BIRD ──┬── router: gobgpd, the agent or a bare reader
//!   (N x /24)      └── rival: BIRD with its kernel protocol
//! ```
//!
//! The feeder is a BIRD because that feeds fastest: of what is measured as little as possible
//! shall be the feeder's. All that it announces leads to itself, over a veth.

use crate::agent::Agent;
use crate::bird::Bird;
use crate::daemon::Daemon;
use crate::network::{Machine, Network};
use crate::tools::Release;
use crate::topology::{Node, Port, Topology};
use anyhow::{Context as _, Result, ensure};
use ipnet::Ipv4Net;
use sdwan_gobgp::types::{Global, PeerFilter, PeerSettings, SessionState};
use sdwan_gobgp::{Client, Timeouts};
use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

/// The longest that anything here may take.
pub(super) const LIMIT: Duration = Duration::from_secs(300);

/// Where the routes lead to.
pub(super) const FEEDER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 2);
/// Where they are made to lead to instead.
pub(super) const RIVAL: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 3);
const ROUTER: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);

const ROUTER_AS: u32 = 65001;
const FEEDER_AS: u32 = 65002;
const RIVAL_AS: u32 = 65003;

/// The wire.
pub(super) const WIRE: &str = "wan";
/// The feeder's protocol with the routes.
const FEED: &str = "feed";
/// The rival's protocol that writes them into its kernel.
const KERNEL: &str = "kernel1";

/// gobgpd's API: the agent and the reader take the same way.
const SOCKET: &str = "gobgpd.sock";

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// The nodes; no daemon runs yet.
pub(super) fn lay() -> Result<Network> {
    let node = |name, address| -> Result<Node> {
        let address = Ipv4Net::new(address, 24)?;
        Ok(Node {
            name,
            ports: vec![Port {
                segment: WIRE,
                address,
            }],
            gateway: None,
        })
    };
    Network::lay(Topology {
        world: None,
        nodes: vec![
            node("router", ROUTER)?,
            node("feeder", FEEDER)?,
            node("rival", RIVAL)?,
        ],
    })
}

/// The `index`th route that is fed.
pub(super) fn prefix(index: usize) -> Result<Ipv4Net> {
    const FIRST: u32 = 16 << 24;
    let address = FIRST + (u32::try_from(index)? << 8);
    Ok(Ipv4Net::new(address.into(), 24)?)
}

/// Who feeds.
pub(super) struct Feeder<'a> {
    bird: Bird<'a>,
}

impl<'a> Feeder<'a> {
    /// With so many routes, none of which it tells yet.
    pub(super) fn start(network: &'a Network, routes: usize) -> Result<Self> {
        let mut text = format!(
            "router id {FEEDER};\nprotocol device {{}}\n\
             protocol static {FEED} {{\n  disabled;\n  ipv4;\n"
        );
        for index in 0..routes {
            // Writing to a string can't fail.
            let _ = writeln!(text, "  route {} blackhole;", prefix(index)?);
        }
        text += "}\n";
        for (name, address, asn) in [
            ("to_router", ROUTER, ROUTER_AS),
            ("to_rival", RIVAL, RIVAL_AS),
        ] {
            text += &bgp(name, (FEEDER, FEEDER_AS), (address, asn), "none", "all");
        }
        let bird = Bird::start(network.machine("feeder")?, &text)?;
        Ok(Self { bird })
    }

    /// Announces them all, as fast as it can.
    pub(super) fn feed(&mut self) -> Result<()> {
        self.bird.enable(FEED)
    }

    /// Withdraws them all.
    pub(super) fn withdraw(&mut self) -> Result<()> {
        self.bird.disable(FEED)
    }
}

/// A session in BIRD's words.
fn bgp(
    name: &str,
    own: (Ipv4Addr, u32),
    far: (Ipv4Addr, u32),
    import: &str,
    export: &str,
) -> String {
    format!(
        "protocol bgp {name} {{\n  local {} as {};\n  neighbor {} as {};\n  \
         connect delay time 1;\n  connect retry time 1;\n  error wait time 1, 1;\n  \
         ipv4 {{ import {import}; export {export}; }};\n}}\n",
        own.0, own.1, far.0, far.1
    )
}

/// The BIRD that writes into its kernel.
pub(super) struct Rival<'a> {
    bird: Bird<'a>,
}

impl<'a> Rival<'a> {
    /// Full, and nothing of it in its kernel.
    pub(super) async fn start(network: &'a Network, routes: usize) -> Result<Self> {
        let text = format!(
            "router id {RIVAL};\nprotocol device {{}}\n\
             protocol kernel {KERNEL} {{\n  disabled;\n  ipv4 {{ import none; export all; }};\n}}\n{}",
            bgp(
                "feeder",
                (RIVAL, RIVAL_AS),
                (FEEDER, FEEDER_AS),
                "all",
                "none"
            )
        );
        let mut bird = Bird::start(network.machine("rival")?, &text)?;
        let end = Instant::now() + LIMIT;
        loop {
            let there = bird.routes()?;
            if there == routes {
                return Ok(Self { bird });
            }
            ensure!(Instant::now() < end, "BIRD has {there} of {routes} routes");
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Into the kernel.
    pub(super) fn enable(&mut self) -> Result<()> {
        self.bird.enable(KERNEL)
    }

    /// And out of it.
    pub(super) fn disable(&mut self) -> Result<()> {
        self.bird.disable(KERNEL)
    }
}

/// The gobgpd that is fed.
pub(super) struct Router<'a> {
    machine: &'a Machine,
    /// What follows it asks here.
    pub(super) client: Client,
    _daemon: Daemon,
}

impl<'a> Router<'a> {
    /// With its session to the feeder established.
    pub(super) async fn start(network: &'a Network, release: Release) -> Result<Self> {
        let machine = network.machine("router")?;
        let socket = machine.folder().join(SOCKET);
        // One that was killed leaves its socket, and the next can't take its place.
        if socket.exists() {
            std::fs::remove_file(&socket).with_context(|| socket.display().to_string())?;
        }
        let mut command = machine.command("gobgpd", Some(release))?;
        command.args(["--pprof-disable", "--log-plain", "--log-level", "error"]);
        command.args(["--api-hosts", &format!("unix://{}", socket.display())]);
        let mut daemon = Daemon::start(machine, "gobgpd", command)?;
        daemon.wait_for_file(&socket)?;
        let client = Client::connect(&address(machine), Timeouts::default()).await?;
        let global = Global {
            asn: ROUTER_AS,
            router_id: ROUTER.to_string(),
            ..Global::default()
        };
        client.start_bgp(&global).await?;
        let settings = PeerSettings {
            connect_retry: Some(1),
            ..PeerSettings::new(FEEDER_AS)
        };
        client.add_peer(FEEDER.into(), &settings).await?;
        let end = Instant::now() + LIMIT;
        loop {
            let peers = client.list_peers(PeerFilter::default()).await?;
            if peers
                .iter()
                .all(|peer| peer.state.session == SessionState::Established)
            {
                break;
            }
            ensure!(Instant::now() < end, "no session with the feeder");
            tokio::time::sleep(PAUSE).await;
        }
        Ok(Self {
            machine,
            client,
            _daemon: daemon,
        })
    }

    /// Its node.
    pub(super) fn machine(&self) -> &'a Machine {
        self.machine
    }

    /// An agent beside it, as it is shipped, but for a hold that is over soon: only then it rests.
    pub(super) fn agent(&self) -> Result<Agent<'a>> {
        Agent::start(
            self.machine,
            &["--gobgpd", &address(self.machine), "--hold", "5"],
        )
    }
}

fn address(machine: &Machine) -> String {
    format!("unix:{}", machine.folder().join(SOCKET).display())
}
