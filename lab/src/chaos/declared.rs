//! What is declared of the ground itself, once, before anything goes wrong: routers, the neighbors
//! of their real sessions, and one more on each router that the clients' policies are for.

use std::net::Ipv4Addr;

use anyhow::Result;
use reqwest::Method;
use serde_json::{Value, json};

use super::api::{Api, Ask};
use super::ground::{self, OUT_OF_BAND, ROUTERS, WAN};

/// A neighbor of every router that nobody answers for: the clients' policies are for it.
pub const ANCHOR: Ipv4Addr = Ipv4Addr::new(198, 19, 255, 1);

/// The AS of neighbors that nobody answers for.
pub const NOBODY: u32 = 64_999;

/// The most changes of one transaction that the servers take is more than this.
const TOGETHER: usize = 100;

/// Declares it all.
///
/// # Errors
/// A refusal.
pub async fn declare(api: &Api) -> Result<()> {
    let mut changes: Vec<Value> = (0..ROUTERS.len()).map(router).collect();
    for (one, other) in ground::sessions() {
        changes.extend([neighbor(one, other), neighbor(other, one)]);
    }
    changes.extend(ROUTERS.map(anchor));
    for changes in changes.chunks(TOGETHER) {
        let body = json!({ "changes": changes });
        api.ask(&Ask {
            method: Method::POST,
            path: "/sdwan/v1/transaction".to_owned(),
            version: None,
            body: Some(body),
        })
        .await?;
    }
    Ok(())
}

fn create(kind: &str, body: &Value) -> Value {
    json!({"op": "create", "kind": kind, "body": body})
}

fn router(router: usize) -> Value {
    let name = ROUTERS[router];
    create(
        "router",
        &json!({
            "host_name": name, "mgmt_addr": ground::address(OUT_OF_BAND, name).to_string(),
            "local_as": ground::asn(router),
            "router_id": ground::address(WAN, name).to_string(),
            "gobgp_version": ground::release(router).name(),
        }),
    )
}

/// One end calls and the other waits: of two gobgpds that call each other at
/// once, 4.8 can stay in OPENCONFIRM for good, and close all further calls.
fn neighbor(router: usize, other: usize) -> Value {
    let reflects = ground::reflects(router, other).then_some(true);
    create(
        "neighbor",
        &json!({
            "host_name": ROUTERS[router], "peer_as": ground::asn(other),
            "neighbor_addr": ground::address(WAN, ROUTERS[other]).to_string(),
            "route_reflector_client": reflects, "passive": router > other,
        }),
    )
}

fn anchor(router: &str) -> Value {
    create(
        "neighbor",
        &json!({
            "host_name": router, "neighbor_addr": ANCHOR.to_string(),
            "peer_as": NOBODY, "passive": true,
        }),
    )
}
