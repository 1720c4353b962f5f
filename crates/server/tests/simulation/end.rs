//! What must hold when everything is healed and quiet.

use super::address;
use super::judge::{Judge, Kind};
use super::operator::Operator;
use super::run::Running;
use crate::support::{SCHEMAS, World, force};
use sdwan_model::compile::compile;
use sdwan_model::config::{Desired, Direction, RouterConfig};
use sdwan_model::observed::{Observed, SessionState, Version};
use sdwan_model::plan::{Verdict, plan};
use sdwan_model::resource::Row;
use sdwan_model::status::Status;
use sdwan_server::catalog::{Catalog, FORMAT, Options, RouterView};
use sdwan_server::cluster::Tenure;
use sdwan_server::secrets::SecretBox;
use sdwan_store::Store as _;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;
use uuid::Uuid;

/// Looks at everything and accuses.
pub async fn look(
    world: &World,
    judge: &Judge,
    operator: &Operator,
    servers: &[Option<Running>],
    routers: u8,
) {
    let before = world.revision().await;
    let catalog = fresh(world).await;
    let after = world.revision().await;
    if before != after {
        judge.accuse(
            Kind::Leftover,
            "a server that starts has to mend the store's index",
        );
    }
    let end = End {
        world,
        judge,
        catalog: &catalog,
    };
    end.claims(servers).await;
    end.leftovers().await;
    for router in 1..=routers {
        end.router(router);
    }
    end.mirrors(servers);
    operator.look(&catalog, &*world.store).await;
}

/// The store as a server sees it that starts now.
async fn fresh(world: &World) -> Arc<Catalog> {
    let options = Options {
        secrets: SecretBox::from_key([7; 32]),
        ids: Arc::new(Uuid::nil),
        clock: Arc::new(|| jiff::Timestamp::UNIX_EPOCH),
        tenure: Arc::new(Tenure::shared("judge")),
        format: FORMAT,
    };
    Catalog::open(world.store.clone(), SCHEMAS.clone(), options)
        .await
        .unwrap()
}

struct End<'a> {
    world: &'a World,
    judge: &'a Judge,
    catalog: &'a Catalog,
}

impl End<'_> {
    /// Every router is claimed by one live member, and the keepers say so too.
    async fn claims(&self, servers: &[Option<Running>]) {
        let live: BTreeSet<&str> = servers.iter().flatten().map(|s| s.process.name()).collect();
        let member = |text: &[u8]| {
            let claim: Value = serde_json::from_slice(text).unwrap();
            claim["member"].as_str().unwrap().to_owned()
        };
        let claims = self.values("/cluster/claims/", member).await;
        let name = |text: &[u8]| String::from_utf8(text.to_vec()).unwrap();
        let keepers = self.values("/cluster/keepers/", name).await;
        let rows = self.catalog.snapshot();
        let declared: BTreeSet<String> = rows.rows("router").map(|row| row.id.clone()).collect();
        if !claims.keys().eq(&declared) || !claims.values().all(|m| live.contains(m.as_str())) {
            let words = format!("the routers are {declared:?}, the servers {live:?}: {claims:?}");
            self.judge.accuse(Kind::Claims, &words);
        }
        if claims != keepers {
            let words = format!("the claims are {claims:?}, the keepers {keepers:?}");
            self.judge.accuse(Kind::Claims, &words);
        }
        let members = self.values("/cluster/members/", |_| String::new()).await;
        if !members.keys().map(String::as_str).eq(live.iter().copied()) {
            let words = format!("the members are {:?}, the servers {live:?}", members.keys());
            self.judge.accuse(Kind::Claims, &words);
        }
    }

    async fn values(
        &self,
        prefix: &str,
        text: impl Fn(&[u8]) -> String,
    ) -> BTreeMap<String, String> {
        let listing = self.world.store.list(prefix).await.unwrap();
        let entry =
            |entry: sdwan_store::Entry| (entry.key[prefix.len()..].to_owned(), text(&entry.value));
        listing.entries.into_iter().map(entry).collect()
    }

    async fn leftovers(&self) {
        let leaving = self.world.keys("/deleting").await;
        if !leaving.is_empty() {
            let words = format!("these never went: {leaving:?}");
            self.judge.accuse(Kind::Leftover, &words);
        }
        let rows = self.catalog.snapshot();
        let routers: BTreeSet<String> = rows.rows("router").map(|row| row.id.clone()).collect();
        for prefix in ["/owned/", "/reachability/"] {
            for key in self.world.keys(prefix).await {
                let router = key[prefix.len()..].split('/').next().unwrap();
                if !routers.contains(router) {
                    self.judge
                        .accuse(Kind::Leftover, &format!("{key} is of no router"));
                }
            }
        }
        for prefix in ["/state/v2.0/", "/monitoring/v2.0/"] {
            for key in self.world.keys(prefix).await {
                let (plural, id) = key[prefix.len()..].split_once('/').unwrap();
                let kind = self.catalog.schemas().by_plural(plural).unwrap();
                if rows.get(&kind.id, id).is_none() {
                    self.judge
                        .accuse(Kind::Leftover, &format!("{key} is of no row"));
                }
            }
        }
    }

    /// One daemon and what is declared, and what is said, of it.
    fn router(&self, number: u8) {
        let address = address(number);
        if self.judge.is_blurred(&address) {
            return;
        }
        let mut observed = self.world.daemon(&address).observed();
        let rows = self.catalog.snapshot();
        let row = rows
            .rows("router")
            .find(|row| row.text("mgmt_addr") == address.strip_suffix(":50051"));
        let Some(row) = row else {
            return self.gone(&address, &observed);
        };
        let view = self.catalog.router_view(&row.id).unwrap();
        observed.version.minor = Version::parse("4.8").unwrap().minor;
        let compiled = compile(&view.inputs);
        let desired = compiled.desired.unwrap();
        let plan = plan(&desired, &observed, &view.owned);
        if !plan.steps.is_empty() || !plan.intents.is_empty() {
            let words = format!("{address} is not as declared: there is still to do\n{plan}");
            self.judge.accuse(Kind::Daemon, &words);
        }
        if let Desired::Config(config) = &desired {
            self.peers(&address, &observed, &view);
            self.policies(&address, &observed, config);
        }
        for row in declared(&view) {
            self.status(row, plan.verdicts.get(&row.reference()), &observed);
        }
    }

    fn gone(&self, address: &str, observed: &Observed) {
        let policies: Vec<&String> = observed.policies.iter().map(|p| &p.name).collect();
        if !observed.peers.is_empty() || !policies.is_empty() {
            let words = format!(
                "{address} is not declared and has peers {:?}, policies {policies:?}",
                observed.peers.keys()
            );
            self.judge.accuse(Kind::Daemon, &words);
        }
    }

    /// The planner is not asked twice: its own word is held against the rows.
    fn peers(&self, address: &str, observed: &Observed, view: &RouterView) {
        let declared: BTreeMap<IpAddr, &str> = view
            .inputs
            .neighbors
            .iter()
            .map(|row| {
                let address = row.text("neighbor_addr").unwrap().parse().unwrap();
                (address, row.text("description").unwrap_or_default())
            })
            .collect();
        let there: BTreeMap<IpAddr, &str> = observed
            .peers
            .iter()
            .map(|(address, peer)| (*address, peer.description.as_str()))
            .collect();
        if declared != there {
            let words = format!("{address} has the peers {there:?}, declared are {declared:?}");
            self.judge.accuse(Kind::Daemon, &words);
        }
    }

    fn policies(&self, address: &str, observed: &Observed, config: &RouterConfig) {
        let daemon = self.world.daemon(address);
        let up = |session| session == SessionState::Established;
        for (neighbor, peer) in &observed.peers {
            for direction in [Direction::Import, Direction::Export] {
                let declared = force::declared(config, *neighbor, direction);
                let on = force::on(observed, *neighbor, direction);
                if on != declared {
                    let words = format!(
                        "{address} has for {neighbor}, {direction:?}, {on:?}; declared is \
                         {declared:?}"
                    );
                    self.judge.accuse(Kind::Daemon, &words);
                }
                let force = daemon.in_force(*neighbor, direction);
                if up(peer.session) && force != declared {
                    let words = format!(
                        "at {neighbor} of {address}, {direction:?}, {force:?} is in force; \
                         declared is {declared:?}: a refresh is missing"
                    );
                    self.judge.accuse(Kind::Refresh, &words);
                }
            }
        }
    }

    fn status(&self, row: &Row, verdict: Option<&Verdict>, observed: &Observed) {
        let shown = self.catalog.get(&row.kind, &row.id);
        let folded = shown.and_then(|shown| shown.status);
        let expected = match verdict {
            Some(Verdict::Failed { .. }) => vec![Status::Failed],
            Some(Verdict::Waiting { .. }) => vec![Status::PendingCreate, Status::PendingUpdate],
            _ if row.kind != "neighbor" => vec![Status::Active],
            _ => {
                let address: Option<IpAddr> = row.text("neighbor_addr").unwrap().parse().ok();
                let peer = address.and_then(|address| observed.peers.get(&address));
                match peer.map(|peer| peer.session) {
                    Some(SessionState::Established) => vec![Status::Up],
                    _ => vec![Status::Down],
                }
            }
        };
        let status = folded.as_ref().map(|folded| folded.status);
        if !status.is_some_and(|status| expected.contains(&status)) {
            let words = format!("{}: {folded:?}, it should be {expected:?}", row.reference());
            self.judge.accuse(Kind::Status, &words);
        }
    }

    /// Every server sees what a fresh one sees.
    fn mirrors(&self, servers: &[Option<Running>]) {
        let expected = portrait(self.catalog);
        for running in servers.iter().flatten() {
            let seen = portrait(&running.server.catalog);
            let by = running.process.name();
            for (what, expected) in &expected {
                let seen = seen.get(what);
                if seen != Some(expected) {
                    let words = format!(
                        "{by} sees another {what} than there is:\n{}\ninstead of\n{expected}",
                        seen.map_or("nothing", String::as_str)
                    );
                    self.judge.accuse(Kind::Mirror, &words);
                    break;
                }
            }
            if let Some(extra) = seen.keys().find(|what| !expected.contains_key(*what)) {
                let words = format!("{by} sees {extra}, which is not there");
                self.judge.accuse(Kind::Mirror, &words);
            }
        }
    }
}

fn declared(view: &RouterView) -> impl Iterator<Item = &Row> {
    let inputs = &view.inputs;
    let rows = inputs.router.iter().chain(&inputs.neighbors);
    rows.chain(&inputs.policies)
}

/// All that a catalog tells of the store, in words.
fn portrait(catalog: &Catalog) -> BTreeMap<String, String> {
    let mut portrait = BTreeMap::new();
    let now = catalog.snapshot();
    let revision = format!("{:?}", now.revision());
    portrait.insert("revision".into(), revision);
    for kind in ["router", "neighbor", "policyinfo"] {
        for row in now.rows(kind) {
            let shown = format!("{:?}", now.show(row));
            portrait.insert(row.reference().to_string(), shown);
        }
    }
    for router in now.rows("router") {
        let view = format!("{:?}", catalog.router_view(&router.id));
        portrait.insert(format!("view of router {}", router.id), view);
    }
    portrait.insert("holds".into(), format!("{:?}", catalog.holds()));
    portrait
}
