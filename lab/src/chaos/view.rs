//! What is true, as everybody has it: rows as each server shows them, plans, claims, and what each
//! gobgpd has, which is looked at without any server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::SystemTime;

use anyhow::{Context as _, Result};
use futures::future::try_join_all;
use sdwan_gobgp::types::{PeerFilter, PolicyAssignment, PolicyDirection, SessionState};
use sdwan_gobgp::{Client, Timeouts};
use serde_json::Value;

use super::api::Api;
use super::ground::{self, ROUTERS};
use super::truth::By;
use crate::daemon::GOBGPD_PORT;
use crate::topology::MANAGEMENT;

/// A session's end: the router's name and the neighbor's address.
pub type End = (String, Ipv4Addr);

/// The rows as one server shows them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Routers' statuses by name.
    pub routers: BTreeMap<String, Status>,
    /// Neighbors.
    pub neighbors: BTreeMap<End, NeighborRow>,
    /// Policies by router and name.
    pub policies: BTreeMap<(String, String), PolicyRow>,
}

/// A status and its reason.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// UP, ACTIVE, ...
    pub word: String,
    /// Why, where it says.
    pub reason: String,
}

/// A neighbor as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NeighborRow {
    /// Its status.
    pub status: Status,
    /// Its description; empty where there is none.
    pub description: String,
    /// How often its session fell.
    pub flaps: u64,
}

/// A policy as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PolicyRow {
    /// Its status.
    pub status: Status,
    /// `med set 7`.
    pub action: String,
}

/// What a gobgpd has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Daemon {
    /// Its AS; 0 before BGP is started.
    pub asn: u32,
    /// Its peers.
    pub peers: BTreeMap<Ipv4Addr, Peer>,
    /// Its policies, each with what its statements do to MED.
    pub policies: BTreeMap<String, Vec<i64>>,
    /// Those that are assigned for export.
    pub assigned: BTreeSet<String>,
}

/// A peer of a gobgpd.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Free text.
    pub description: String,
    /// Whether its session is established.
    pub established: bool,
    /// How often it fell, where the release counts.
    pub flaps: u32,
    /// When it came up last.
    pub up_since: Option<SystemTime>,
}

/// Who works on what, as one server says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// The members' ids.
    pub members: BTreeSet<String>,
    /// For each router named, each member that is said to have it.
    pub routers: BTreeMap<String, Vec<Option<String>>>,
    /// How many routers this server itself works on.
    pub own: usize,
}

impl Rows {
    /// As this server shows them now.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn of(api: &Api) -> Result<Self> {
        let with = |more: &[&'static str]| [&STATUS[..], more].concat();
        let text =
            |row: &Value, property: &str| row[property].as_str().unwrap_or_default().to_owned();
        let status = |row: &Value| Status {
            word: text(row, "status"),
            reason: text(row, "status_reason"),
        };
        let mut rows = Self::default();
        for row in api.rows("routers", &STATUS).await? {
            rows.routers.insert(text(&row, "host_name"), status(&row));
        }
        let fields = with(&["neighbor_addr", "description", "flaps"]);
        for row in api.rows("neighbors", &fields).await? {
            let address = text(&row, "neighbor_addr");
            let address = address.parse().with_context(|| address.clone())?;
            let shown = NeighborRow {
                status: status(&row),
                description: text(&row, "description"),
                flaps: row["flaps"].as_u64().unwrap_or_default(),
            };
            rows.neighbors
                .insert((text(&row, "host_name"), address), shown);
        }
        for row in api
            .rows("policyinfos", &with(&["policy_name", "statement_action"]))
            .await?
        {
            let shown = PolicyRow {
                status: status(&row),
                action: text(&row, "statement_action"),
            };
            let name = (text(&row, "host_name"), text(&row, "policy_name"));
            rows.policies.insert(name, shown);
        }
        Ok(rows)
    }
}

/// What every row is asked for.
const STATUS: [&str; 3] = ["host_name", "status", "status_reason"];

impl Daemon {
    /// What this router's gobgpd has now.
    ///
    /// # Errors
    /// When it doesn't answer.
    pub async fn of(router: &str) -> Result<Self> {
        let address = format!("{}:{GOBGPD_PORT}", ground::address(MANAGEMENT, router));
        Self::at(&address)
            .await
            .with_context(|| format!("{router}'s gobgpd"))
    }

    async fn at(address: &str) -> Result<Self> {
        let client = Client::connect(address, Timeouts::default()).await?;
        let mut daemon = Self {
            asn: client.get_bgp().await?.asn,
            ..Self::default()
        };
        for peer in client.list_peers(PeerFilter::default()).await? {
            let Some(IpAddr::V4(address)) = peer.address() else {
                continue;
            };
            let sight = Peer {
                established: peer.state.session == SessionState::Established,
                description: peer.conf.description,
                flaps: peer.state.flaps,
                up_since: peer.timers.uptime,
            };
            daemon.peers.insert(address, sight);
        }
        for policy in client.list_policies().await? {
            let meds = policy
                .statements
                .iter()
                .filter_map(|s| Some(s.actions.med?.value));
            daemon.policies.insert(policy.name, meds.collect());
        }
        for assignment in client
            .list_policy_assignments(PolicyAssignment::GLOBAL, PolicyDirection::Export)
            .await?
        {
            daemon
                .assigned
                .extend(assignment.policies.into_iter().map(|policy| policy.name));
        }
        Ok(daemon)
    }

    /// What all of them have, by router.
    ///
    /// # Errors
    /// When one doesn't answer.
    pub async fn all() -> Result<BTreeMap<String, Self>> {
        let daemons = ROUTERS
            .map(|router| async move { anyhow::Ok((router.to_owned(), Self::of(router).await?)) });
        Ok(try_join_all(daemons).await?.into_iter().collect())
    }
}

impl Claims {
    /// As this server says now.
    ///
    /// # Errors
    /// When it doesn't.
    pub async fn of(api: &Api) -> Result<Self> {
        let (body, metrics) = (
            api.get("/sdwan/v1/cluster").await?,
            api.get("/metrics").await?,
        );
        let mut lines = metrics.as_str().unwrap_or_default().lines();
        let own = lines.find_map(|line| line.strip_prefix("sdwan_routers_claimed "));
        let list = |name: &str| body[name].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut claims = Self {
            members: list("members")
                .iter()
                .filter_map(|m| text(&m["id"]))
                .collect(),
            routers: BTreeMap::new(),
            own: own.context("no sdwan_routers_claimed")?.trim().parse()?,
        };
        for router in list("routers") {
            let name = text(&router["host_name"]).with_context(|| router.to_string())?;
            let member = text(&router["member"]);
            claims.routers.entry(name).or_default().push(member);
        }
        Ok(claims)
    }
}

/// The routers on which a pass would do something, and what.
///
/// # Errors
/// When a plan is not to be had.
pub async fn plans(apis: &[By<&Api>]) -> Result<BTreeMap<String, Value>> {
    // Each server is asked for some.
    let plans = ROUTERS
        .iter()
        .zip(apis.iter().cycle())
        .map(|(router, (_, api))| async move {
            let plan = api.get(&format!("/v2.0/routers/{router}/plan")).await?;
            anyhow::Ok(((*router).to_owned(), plan["steps"].clone()))
        });
    let plans = try_join_all(plans).await?.into_iter();
    let in_step = |steps: &Value| steps.as_array().is_some_and(Vec::is_empty);
    Ok(plans.filter(|(_, steps)| !in_step(steps)).collect())
}
