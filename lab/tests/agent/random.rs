//! A random sequence, and what must come of it: computed from gobgpd's own listing and the
//! kernel's other routes by other code than the agent's.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use anyhow::{Context as _, Result, ensure};
use ipnet::IpNet;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use sdwan_gobgp::types::{Family, PathFilter};
use sdwan_lab::agent::{Agent, PROTOCOL, Table, routes};
use sdwan_lab::fleet::{Fleet, Gobgpd};
use sdwan_lab::network::Machine;
use serde_json::Value;

use super::ground::{A, B, BOTH, announce, far, join, on, path, router, settings, start, until};

/// Steps of a sequence; each waits only for the call that it makes.
const STEPS: usize = 120;

const PREFIXES: [&str; 10] = [
    "0.0.0.0/0",
    "203.0.113.0/24",
    "203.0.113.7/32",
    "198.51.100.0/24",
    "192.0.2.0/24",
    "100.64.0.0/10",
    "::/0",
    "2001:db8:aa::/48",
    "2001:db8:aa::7/128",
    "2001:db8:bb::/48",
];

const GATEWAYS: [&str; 7] = [
    "10.0.0.2",
    "10.0.0.3",
    "10.1.0.9",
    "10.1.1.9",
    "192.0.2.1",
    "172.16.0.1",
    "203.0.113.9",
];

const GATEWAYS6: [&str; 4] = [
    "2001:db8::2",
    "2001:db8:10::9",
    "2001:db8:77::1",
    "2001:db8:aa::9",
];

const LINES: [&str; 14] = [
    "link set up0 down",
    "link set up0 up\naddress replace 2001:db8:10::1/64 dev up0 nodad",
    "link set far1 down",
    "link set far1 up",
    "route replace 172.16.0.0/12 via 10.1.0.8 dev up0",
    "route replace 172.16.0.0/12 via 10.0.0.3 dev wan",
    "route del 172.16.0.0/12",
    "route replace 192.0.2.0/24 nexthop via 10.1.0.8 dev up0 nexthop via 10.0.0.3 dev wan",
    "route replace blackhole 192.0.2.0/24",
    "route del 192.0.2.0/24",
    "route replace 2001:db8:77::/48 via 2001:db8::3 dev wan",
    "route del 2001:db8:77::/48",
    "address del 10.1.1.1/24 dev up1",
    "address replace 10.1.1.1/24 dev up1",
];

struct Ground<'a> {
    fleet: &'a Fleet,
    machine: &'a Machine,
    far: [&'a Gobgpd; 2],
    r: &'a mut Gobgpd,
    agent: Agent<'a>,
    /// Whether R's gobgpd runs, and whether the agent does.
    up: (bool, bool),
}

impl Ground<'_> {
    fn step(&mut self, random: &mut StdRng) -> Result<()> {
        match random.random_range(0..100) {
            0..70 => self.route(random)?,
            70..90 => {
                let line = LINES[random.random_range(0..LINES.len())];
                // What can't be done now, such as to delete what is not there, is not done.
                let _ = self.machine.netns().ip(&format!("{line}\n"));
            }
            90..94 if self.up.1 => {
                self.agent.kill()?;
                self.up.1 = false;
            }
            94..97 if self.up.0 => {
                self.r.kill()?;
                self.up.0 = false;
            }
            _ => self.all_up()?,
        }
        Ok(())
    }

    fn route(&self, random: &mut StdRng) -> Result<()> {
        let far = self.far[random.random_range(0..2)];
        let prefix = PREFIXES[random.random_range(0..PREFIXES.len())];
        let gateways: &[&str] = if prefix.contains(':') {
            &GATEWAYS6
        } else {
            &GATEWAYS
        };
        let gateway = gateways[random.random_range(0..gateways.len())];
        if random.random_bool(0.35) {
            let _ = self
                .fleet
                .run(far.client().delete_path(&path(prefix, gateway)?));
            return Ok(());
        }
        announce(self.fleet, far, prefix, gateway)
    }

    fn all_up(&mut self) -> Result<()> {
        if !self.up.0 {
            self.r.restart()?;
            start(self.fleet, self.r, false)?;
            for (far, asn) in self.far.iter().zip([A, B]) {
                self.r.add_peer(far.wan()?, &settings(asn))?;
            }
            self.up.0 = true;
        }
        if !self.up.1 {
            self.agent.go_on()?;
            self.up.1 = true;
        }
        Ok(())
    }
}

#[test]
fn after_a_random_sequence_the_kernel_has_what_it_must() {
    on(BOTH, |release| {
        // Each release another sequence, the same each time; SDWAN_SEED chooses others.
        let seed = match std::env::var("SDWAN_SEED") {
            Ok(text) => text.parse()?,
            Err(_) => 3 + release as u64,
        };
        let mut random = StdRng::seed_from_u64(seed);
        let fleet = Fleet::lay(&["R", "A", "B"])?;
        let (a, b) = (far(&fleet, "A", A)?, far(&fleet, "B", B)?);
        let mut r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let agent = Agent::start(machine, &["--hold", "20"])?;
        join(&r, &a, A)?;
        join(&r, &b, B)?;
        let mut ground = Ground {
            fleet: &fleet,
            machine,
            far: [&a, &b],
            r: &mut r,
            agent,
            up: (true, true),
        };
        for number in 0..STEPS {
            let step = ground.step(&mut random);
            step.with_context(|| format!("step {number} of seed {seed}"))?;
            if number % 40 == 39 {
                ground.all_up()?;
                settled(&mut ground)
                    .with_context(|| format!("after step {number} of seed {seed}"))?;
            }
        }
        Ok(())
    });
}

/// Waits until the kernel has what it must; that itself may move until BGP has settled.
fn settled(ground: &mut Ground<'_>) -> Result<()> {
    for far in ground.far {
        ground.r.until_established(far.wan()?)?;
    }
    ground.agent.until_in_step()?;
    let (fleet, machine, r) = (ground.fleet, ground.machine, &*ground.r);
    until("the kernel to have what it must", || {
        let expected = reference(fleet, machine, r)?;
        let seen = routes(machine, "all", PROTOCOL)?;
        Ok((seen != expected).then(|| format!("{seen:?}, must be {expected:?}")))
    })
}

/// What the kernel must have: gobgpd's best paths, each by a search through all other routes.
fn reference(fleet: &Fleet, machine: &Machine, r: &Gobgpd) -> Result<Table> {
    let kernel = Kernel::read(machine)?;
    let mut table = Table::new();
    for family in [Family::IPV4_UNICAST, Family::IPV6_UNICAST] {
        let all = fleet.run(r.client().list_paths(&PathFilter::global(family)))?;
        for destination in all {
            let best = destination.paths.iter().filter(|path| path.best);
            let hops = best.filter_map(|path| path.attributes.next_hop);
            let legs: BTreeSet<String> = hops.flat_map(|hop| kernel.legs(hop)).collect();
            if !legs.is_empty() {
                table.insert(destination.prefix.parse()?, legs.into_iter().collect());
            }
        }
    }
    ensure!(kernel.links.contains_key("wan"), "no links were read");
    Ok(table)
}

/// The kernel's other routes and its links, as `ip` prints them.
struct Kernel {
    /// Whether packets can leave.
    links: BTreeMap<String, bool>,
    own: BTreeSet<IpAddr>,
    routes: Vec<(IpNet, u64, Value)>,
}

impl Kernel {
    fn read(machine: &Machine) -> Result<Self> {
        let read = |words: &[&str]| -> Result<Vec<Value>> {
            Ok(serde_json::from_str(&machine.run("ip", words, None)?)?)
        };
        let (mut links, mut own, mut routes) = (BTreeMap::new(), BTreeSet::new(), Vec::new());
        for link in read(&["-j", "address", "show"])? {
            let flag = |name: &str| {
                let flags = link["flags"].as_array();
                flags.is_some_and(|flags| flags.iter().any(|flag| flag == name))
            };
            let name = link["ifname"].as_str().context("a link without a name")?;
            links.insert(name.to_owned(), flag("UP") && flag("LOWER_UP"));
            for address in link["addr_info"].as_array().into_iter().flatten() {
                own.insert(address["local"].as_str().context("no address")?.parse()?);
            }
        }
        for (family, whole) in [("-4", "0.0.0.0/0"), ("-6", "::/0")] {
            for route in read(&["-N", "-j", family, "route", "show", "table", "main"])? {
                if route["protocol"] == PROTOCOL {
                    continue;
                }
                let text = route["dst"].as_str().context("no destination")?;
                let prefix = match text {
                    "default" => whole.parse()?,
                    text if text.contains('/') => text.parse()?,
                    text => IpNet::from(text.parse::<IpAddr>()?),
                };
                routes.push((prefix, route["metric"].as_u64().unwrap_or(0), route));
            }
        }
        Ok(Self { links, own, routes })
    }

    fn legs(&self, hop: IpAddr) -> Vec<String> {
        let holding = self
            .routes
            .iter()
            .filter(|(prefix, ..)| prefix.contains(&hop));
        let best =
            holding.min_by_key(|(prefix, metric, _)| (u8::MAX - prefix.prefix_len(), *metric));
        let Some((.., route)) = best.filter(|_| !self.own.contains(&hop)) else {
            return Vec::new();
        };
        let mut legs = match route["nexthops"].as_array() {
            Some(legs) => legs.clone(),
            None => vec![route.clone()],
        };
        legs.retain(|leg| {
            leg["dev"]
                .as_str()
                .is_some_and(|dev| self.links.get(dev) == Some(&true))
        });
        if route["type"].as_str().is_some_and(|kind| kind != "unicast") {
            return Vec::new();
        }
        let words = legs.iter().map(|leg| {
            let gateway = leg["gateway"]
                .as_str()
                .map_or(hop.to_string(), str::to_owned);
            format!("{gateway}%{}", leg["dev"].as_str().unwrap_or_default())
        });
        words.collect()
    }
}
