//! The demo: a walk through the seed's whole transcript on real daemons. Every command is printed
//! with what it really printed; whatever should hold is checked, and the first that doesn't ends
//! the walk.

pub mod picture;
pub mod transcript;

use std::net::Ipv4Addr;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};

use crate::orchestrator::{Orchestrator, properties};
use crate::reach::{self, Stream};
use crate::scenario::{self, Lab};
use crate::table::{self, Table};
use crate::term;
use crate::tools::{self, Release};
use crate::wan::{GOBGPS, VIRTUAL_ADDRESS, Wan};

/// The host behind Quagga-1.
const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 1);

/// As many as in the transcript.
const PINGS: u32 = 5;

/// Walks through the demo; gives the WAN as it then stands.
///
/// # Errors
/// With the first thing that doesn't hold.
pub fn walk(release: Release) -> Result<Lab> {
    // Before anything else, so that what is missing is known at once.
    let _ = (
        tools::built("sdwan")?,
        tools::built("gohan")?,
        release.folder()?,
    );
    let mut walk = Walk {
        started: Instant::now(),
        since: Instant::now(),
        checks: 0,
    };
    term::line(picture::PICTURE);
    let wan = walk.network(release)?;
    let mut lab = walk.orchestrator(wan)?;
    walk.routers(&mut lab)?;
    walk.neighbors(&mut lab)?;
    walk.before_policies(&mut lab)?;
    walk.policies(&mut lab)?;
    walk.after_policies(&mut lab)?;
    walk.packets(&lab, &["172.16.0.1", "192.168.0.1"], "GoBGP-1 and SRX-1")?;
    walk.halt(&mut lab)?;
    walk.packets(&lab, &["172.16.1.1", "192.168.1.1"], "GoBGP-2 and SRX-2")?;
    walk.conclude(&lab)?;
    Ok(lab)
}

/// The walk so far.
struct Walk {
    started: Instant,
    /// When the step began that is under way.
    since: Instant,
    checks: usize,
}

impl Walk {
    fn network(&mut self, release: Release) -> Result<Wan> {
        self.section("The network");
        let mut wan = Wan::lay(release)?;
        let nodes = wan.network().topology().nodes.len();
        self.holds(&format!(
            "{nodes} nodes are cabled up in network namespaces of their own"
        ));
        wan.start_frr()?;
        let version = version_in(&wan.vtysh("Quagga-2", "show version")?);
        self.holds(&format!(
            "FRR {version} plays Quagga-1, SRX-1, SRX-2 and Quagga-2"
        ));
        wan.start_vrrp()?;
        wan.start_gobgpds()?;
        let version = version_in(&wan.gobgp("GoBGP-1", &["--version"])?);
        self.holds(&format!(
            "gobgpd {version} runs on GoBGP-1 to GoBGP-3, with no configuration"
        ));
        for node in GOBGPS {
            term::command(&format!("{node}$"), "sdwan agent");
        }
        wan.start_agents()?;
        self.holds("an agent beside each gobgpd puts best routes into the kernel");
        scenario::wait_for_owner(&mut wan, "SRX-1")?;
        self.holds(&format!("keepalived: SRX-1 owns {VIRTUAL_ADDRESS}"));
        Ok(wan)
    }

    fn orchestrator(&mut self, wan: Wan) -> Result<Lab> {
        self.section("The orchestrator");
        term::command("$", "sdwan server");
        let orchestrator = Orchestrator::start()?;
        self.holds("it listens on 127.0.0.1:9998, its store is fresh");
        Ok(Lab { orchestrator, wan })
    }

    fn routers(&mut self, lab: &mut Lab) -> Result<()> {
        self.section("Routers: the global configuration of each gobgpd");
        self.create(lab, &transcript::ROUTERS, transcript::CREATED_ROUTER)?;
        self.list(
            lab,
            "router",
            transcript::ROUTER_LIST,
            "all three routers are ACTIVE",
        )
    }

    fn neighbors(&mut self, lab: &mut Lab) -> Result<()> {
        self.section("Neighbors: who speaks BGP with whom");
        self.create(lab, &transcript::NEIGHBORS, transcript::CREATED_NEIGHBOR)?;
        self.list(
            lab,
            "neighbor",
            transcript::NEIGHBOR_LIST,
            "all seven sessions are UP",
        )?;
        let session = lab.wan.gobgp("GoBGP-1", &["neighbor", "192.168.0.1"])?;
        anyhow::ensure!(
            session.contains("Hold time is 9,"),
            "no hold time of 9 s in:\n{session}"
        );
        self.holds("SRX-1 and GoBGP-1 have agreed on a hold time of 9 s");
        Ok(())
    }

    fn before_policies(&mut self, lab: &mut Lab) -> Result<()> {
        self.section("GoBGP-3's table");
        self.rib(lab, &scenario::routes_before_policies())?;
        self.holds("the default route's next hop is 192.168.0.1, out of GoBGP-3's reach");
        Ok(())
    }

    fn policies(&mut self, lab: &mut Lab) -> Result<()> {
        self.section("Policies: next hops within reach");
        self.create(lab, &transcript::POLICIES, transcript::CREATED_POLICY)?;
        self.list(
            lab,
            "policyinfo",
            transcript::POLICY_LIST,
            "all four policies are ACTIVE",
        )
    }

    fn after_policies(&mut self, lab: &mut Lab) -> Result<()> {
        self.section("GoBGP-3's table again, and Quagga-2's");
        self.rib(lab, &scenario::routes_after_policies())?;
        self.holds("the default route's next hop is 172.16.0.1");
        let printed = lab.wait_for_frr("Quagga-2", &scenario::quagga_2_routes())?;
        shown("Quagga-2#", "show ip bgp", &printed);
        self.holds("Quagga-2 has the default route by way of GoBGP-3");
        Ok(())
    }

    fn halt(&mut self, lab: &mut Lab) -> Result<()> {
        self.section("SRX-1 halts");
        self.rib(lab, &scenario::routes_after_policies())?;
        self.holds("before: the next hop is 172.16.0.1");
        self.list(
            lab,
            "neighbor",
            transcript::NEIGHBOR_LIST,
            "before: all seven sessions are UP",
        )?;
        let (pc1, host1) = (lab.wan.machine("pc1")?, lab.wan.machine("host1")?);
        let stream = Stream::start(pc1, host1, HOST)?;
        self.holds("pc1 sends 100 packets a second to 192.168.100.1, and all are answered");
        term::command("root@SRX-1>", "request system halt");
        let halted = SystemTime::now();
        lab.wan.halt("SRX-1")?;
        self.holds("SRX-1's links are dead, then its daemons: no FIN, no NOTIFICATION");
        self.rib(lab, &scenario::routes_after_halt())?;
        let log = lab.wan.daemon("GoBGP-1", "gobgpd")?.log()?;
        anyhow::ensure!(
            log.contains("hold timer expired"),
            "GoBGP-1's hold timer did not expire"
        );
        anyhow::ensure!(
            !log.contains("received notification"),
            "SRX-1 said goodbye to GoBGP-1"
        );
        self.holds("GoBGP-1's hold timer expired, and GoBGP-3's next hop is 172.16.1.1");
        let after = "192.168.0.1 is DOWN, the others are UP";
        self.list(lab, "neighbor", transcript::NEIGHBOR_LIST_AFTER, after)?;
        scenario::wait_for_owner(&mut lab.wan, "SRX-2")?;
        self.holds(&format!("SRX-2 owns {VIRTUAL_ADDRESS}"));
        let detour = stream.detour(halted)?;
        let noticed = lab.orchestrator.down_since("192.168.0.1")?;
        let noticed = noticed.duration_since(halted).unwrap_or_default();
        let dark = detour.dark.as_secs_f64();
        term::line(&format!(
            "{} packets were lost, at 100 a second: from the halt to the first answer {dark:.2} s",
            detour.lost
        ));
        term::line(&format!(
            "  {:6.2} s until GoBGP-1's hold timer expired\n  {:6.2} s for the detour: BGP, the \
             kernel's tables, the first answer",
            noticed.as_secs_f64().min(dark),
            detour.dark.saturating_sub(noticed).as_secs_f64(),
        ));
        self.holds("packets found the other way");
        Ok(())
    }

    /// From pc1 to the host behind Quagga-1, and by whom.
    fn packets(&mut self, lab: &Lab, by: &[&str], named: &str) -> Result<()> {
        self.section(&format!("Packets by way of {named}"));
        let pc1 = lab.wan.machine("pc1")?;
        shown(
            "pc1$",
            &format!("ping {HOST}"),
            &reach::ping(pc1, HOST, PINGS)?,
        );
        self.holds("0 % packet loss");
        let (hops, printed) = reach::way(pc1, HOST)?;
        shown("pc1$", &format!("traceroute {HOST}"), &printed);
        let hops: Vec<String> = hops.iter().map(ToString::to_string).collect();
        let missing = by
            .iter()
            .find(|router| !hops.iter().any(|hop| hop == *router));
        anyhow::ensure!(missing.is_none(), "not by way of {named}: {hops:?}");
        self.holds(&format!("the way is by {named}"));
        Ok(())
    }

    fn conclude(&self, lab: &Lab) -> Result<()> {
        term::heading("The demo holds");
        let version = version_in(&lab.wan.gobgp("GoBGP-1", &["--version"])?);
        let what = format!("{} checks on gobgpd {version}", self.checks);
        term::good(&what, Some(self.started.elapsed()));
        Ok(())
    }

    fn section(&mut self, title: &str) {
        term::heading(title);
        self.since = Instant::now();
    }

    /// One more check that holds, and how long it took to come to hold.
    fn holds(&mut self, what: &str) {
        let took: Duration = self.since.elapsed();
        term::good(what, Some(took));
        self.since = Instant::now();
        self.checks += 1;
    }

    /// Runs `create` lines. The first prints the transcript's table; the others, whose output the
    /// transcript leaves out, print one with what their line gives.
    fn create(&mut self, lab: &mut Lab, lines: &[&str], expected: &str) -> Result<()> {
        for (index, line) in lines.iter().enumerate() {
            let printed = lab.orchestrator.run(line)?;
            shown("$", line, &printed);
            if index == 0 {
                table::same(&printed, expected).with_context(|| (*line).to_owned())?;
                self.holds("the table is the transcript's, byte for byte but for the id");
            } else {
                has_what_was_given(&printed, line)?;
            }
        }
        self.holds(&format!(
            "all {} commands answer with what they were given",
            lines.len()
        ));
        Ok(())
    }

    fn list(&mut self, lab: &mut Lab, kind: &str, expected: &str, what: &str) -> Result<()> {
        let printed = lab.wait_for_list(kind, expected)?;
        shown("$", &format!("gohan client {kind} list"), &printed);
        self.holds(what);
        Ok(())
    }

    fn rib(&mut self, lab: &mut Lab, expected: &[crate::gobgp::Route]) -> Result<()> {
        let printed = lab.wait_for_rib("GoBGP-3", expected)?;
        shown("GoBGP-3$", "gobgp global rib", &printed);
        Ok(())
    }
}

fn shown(prompt: &str, command: &str, printed: &str) {
    term::command(prompt, command);
    term::line(printed.trim_end());
}

/// Checks that a `create` answered with the properties of its line, an id and PENDING_CREATE.
fn has_what_was_given(printed: &str, line: &str) -> Result<()> {
    let table = Table::read(printed)?;
    let mut found = table.properties()?;
    let id = found.remove("id").unwrap_or_default();
    anyhow::ensure!(
        table::without_ids(id).starts_with("xxxxxxxx-"),
        "{line}: no id"
    );
    anyhow::ensure!(
        found.remove("status") == Some("PENDING_CREATE"),
        "{line}: not PENDING_CREATE"
    );
    let given = properties(line);
    let given = given
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    anyhow::ensure!(
        found == given,
        "{line}: was given {given:?}, answers {found:?}"
    );
    Ok(())
}

/// The first word of a program's `--version` that begins with a digit.
fn version_in(text: &str) -> String {
    let number = |word: &&str| word.starts_with(|first: char| first.is_ascii_digit());
    text.split_whitespace()
        .find(number)
        .map_or_else(|| "of unknown version".to_owned(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_must_have_what_was_given() {
        let line = transcript::ROUTERS[0];
        has_what_was_given(transcript::CREATED_ROUTER, line).unwrap();
        let other = transcript::CREATED_ROUTER.replace("65001", "65002");
        has_what_was_given(&other, line).unwrap_err();
        let active = transcript::CREATED_ROUTER.replace("PENDING_CREATE", "ACTIVE        ");
        has_what_was_given(&active, line).unwrap_err();
    }

    #[test]
    fn versions_are_found() {
        assert_eq!(version_in("gobgp version 3.36.0"), "3.36.0");
        assert_eq!(version_in("FRRouting 8.4.4 (Quagga-2) on Linux"), "8.4.4");
    }
}
