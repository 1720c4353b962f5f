//! States to bring the demo's WAN to, for a look around and for tests to start from.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use anyhow::Result;

use crate::demo::transcript;
use crate::gobgp::{self, Route};
use crate::orchestrator::Orchestrator;
use crate::table::{self, Table};
use crate::tools::Release;
use crate::vrrp;
use crate::wait::{self, Seen};
use crate::wan::{VIRTUAL_ADDRESS, Wan};

/// How long anything of the demo may take before it counts as not happening. The longest is a
/// session of gobgpd 3.10, some 10 s on an idle machine.
const LIMIT: Duration = Duration::from_secs(60);

/// A state of the WAN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// All daemons run, the server's store is empty.
    Bare,
    /// All that the transcript declares is declared, applied and up.
    Declared,
    /// The same, and SRX-1 has halted.
    Halted,
}

impl Scenario {
    /// All of them, each built on the one before.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Declared, Self::Halted];

    /// Its name on a command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Declared => "declared",
            Self::Halted => "halted",
        }
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL
            .into_iter()
            .find(|scenario| scenario.name() == text);
        known.ok_or_else(|| format!("the scenarios are {}", Self::ALL.map(Self::name).join(", ")))
    }
}

/// The WAN and the product that orchestrates it.
#[derive(Debug)]
pub struct Lab {
    /// The product.
    pub orchestrator: Orchestrator,
    /// The network with its daemons.
    pub wan: Wan,
}

impl Lab {
    /// Brings a scenario up.
    ///
    /// # Errors
    /// When something of it doesn't come to be.
    pub fn bring(scenario: Scenario, release: Release) -> Result<Self> {
        let mut wan = Wan::up(release)?;
        wait_for_owner(&mut wan, "SRX-1")?;
        let mut lab = Self {
            orchestrator: Orchestrator::start()?,
            wan,
        };
        if scenario == Scenario::Bare {
            return Ok(lab);
        }
        let declared = [
            (&transcript::ROUTERS[..], "router", transcript::ROUTER_LIST),
            (
                &transcript::NEIGHBORS[..],
                "neighbor",
                transcript::NEIGHBOR_LIST,
            ),
            (
                &transcript::POLICIES[..],
                "policyinfo",
                transcript::POLICY_LIST,
            ),
        ];
        for (lines, kind, list) in declared {
            for line in lines {
                lab.orchestrator.run(line)?;
            }
            lab.wait_for_list(kind, list)?;
        }
        lab.wait_for_rib("GoBGP-3", &routes_after_policies())?;
        if scenario == Scenario::Halted {
            lab.wan.halt("SRX-1")?;
            lab.wait_for_rib("GoBGP-3", &routes_after_halt())?;
            lab.wait_for_list("neighbor", transcript::NEIGHBOR_LIST_AFTER)?;
        }
        Ok(lab)
    }

    /// Waits until `gohan client KIND list` prints a table, but for its ids; gives what it printed.
    ///
    /// # Errors
    /// With the line that differs, when it never does.
    pub fn wait_for_list(&mut self, kind: &str, expected: &str) -> Result<String> {
        let what = format!("the {kind} list to be the transcript's");
        wait::until(&what, LIMIT, || {
            self.check()?;
            let printed = self
                .orchestrator
                .run(&format!("gohan client {kind} list"))?;
            Ok(match table::same(&printed, expected) {
                Ok(()) => Seen::Yes(printed),
                Err(difference) => Seen::NotYet(format!("{}; {difference}", statuses(&printed))),
            })
        })
    }

    /// Waits until a gobgpd's table has these routes and no others; gives what `gobgp` printed.
    ///
    /// # Errors
    /// With the table that it has, when it never does.
    pub fn wait_for_rib(&mut self, node: &str, expected: &[Route]) -> Result<String> {
        self.wait_for_routes(node, expected, |wan| {
            let printed = wan.gobgp(node, &["global", "rib"])?;
            Ok((gobgp::rib(&printed), printed))
        })
    }

    /// Waits until a table of FRR's has these routes and no others; gives what `vtysh` printed.
    ///
    /// # Errors
    /// With the table that it has, when it never does.
    pub fn wait_for_frr(&mut self, node: &str, expected: &[Route]) -> Result<String> {
        self.wait_for_routes(node, expected, |wan| {
            let printed = wan.vtysh(node, "show ip bgp")?;
            Ok((gobgp::show_ip_bgp(&printed), printed))
        })
    }

    fn wait_for_routes(
        &mut self,
        node: &str,
        expected: &[Route],
        look: impl Fn(&Wan) -> Result<(Vec<Route>, String)>,
    ) -> Result<String> {
        let hops: Vec<_> = expected
            .iter()
            .map(|route| route.next_hop.as_str())
            .collect();
        let what = format!("the next hops in {node}'s table to be {}", hops.join(", "));
        wait::until(&what, LIMIT, || {
            self.check()?;
            let (routes, printed) = look(&self.wan)?;
            let fits = routes == expected;
            Ok(if fits {
                Seen::Yes(printed)
            } else {
                Seen::NotYet(gobgp::listed(&routes))
            })
        })
    }

    /// Fails if a daemon or the server has ended that nobody ended.
    ///
    /// # Errors
    /// With its last words.
    pub fn check(&mut self) -> Result<()> {
        self.orchestrator.check()?;
        self.wan.check()
    }
}

/// Waits until a node owns the SRXs' common address.
///
/// # Errors
/// When it never does.
pub fn wait_for_owner(wan: &mut Wan, node: &str) -> Result<()> {
    wait::until(&format!("{node} to own {VIRTUAL_ADDRESS}"), LIMIT, || {
        wan.check()?;
        let owns = vrrp::has_address(wan.machine(node)?, VIRTUAL_ADDRESS)?;
        Ok(if owns {
            Seen::Yes(())
        } else {
            Seen::NotYet("not yet".to_owned())
        })
    })
}

/// `2 ACTIVE, 1 PENDING_CREATE`, from a list.
fn statuses(printed: &str) -> String {
    let mut counts = BTreeMap::new();
    if let Ok(table) = Table::read(printed)
        && let Ok(statuses) = table.column("STATUS")
    {
        for status in statuses {
            *counts.entry(status.to_owned()).or_insert(0) += 1;
        }
    }
    let counts = counts
        .iter()
        .map(|(status, count)| format!("{count} {status}"));
    counts.collect::<Vec<_>>().join(", ")
}

/// GoBGP-3's table before the policies: next hops that it has no route to.
#[must_use]
pub fn routes_before_policies() -> Vec<Route> {
    gobgp_3(&["192.168.0.1", "192.168.1.1"])
}

/// GoBGP-3's table with the policies: its neighbors are the next hops.
#[must_use]
pub fn routes_after_policies() -> Vec<Route> {
    gobgp_3(&["172.16.0.1", "172.16.1.1"])
}

/// GoBGP-3's table once SRX-1 is gone.
#[must_use]
pub fn routes_after_halt() -> Vec<Route> {
    gobgp_3(&["172.16.1.1"])
}

/// GoBGP-3's table with the default route by these next hops, the best first.
fn gobgp_3(next_hops: &[&str]) -> Vec<Route> {
    let defaults = next_hops.iter().enumerate();
    let defaults = defaults.map(|(index, hop)| Route::new(index == 0, "0.0.0.0/0", hop, "65000"));
    defaults
        .chain([Route::new(true, "192.168.101.0/24", "192.168.2.2", "65002")])
        .collect()
}

/// Quagga-2's table in the end.
#[must_use]
pub fn quagga_2_routes() -> Vec<Route> {
    vec![
        Route::new(true, "0.0.0.0/0", "192.168.2.1", "65001 65000"),
        Route::new(true, "192.168.101.0/24", "0.0.0.0", ""),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scenarios_are_named_both_ways() {
        for scenario in Scenario::ALL {
            assert_eq!(scenario.to_string().parse(), Ok(scenario));
        }
        assert!("declare".parse::<Scenario>().is_err());
    }

    #[test]
    fn a_lists_statuses_are_counted() {
        assert_eq!(statuses(transcript::NEIGHBOR_LIST_AFTER), "1 DOWN, 6 UP");
        assert_eq!(statuses("nothing"), "");
    }
}
