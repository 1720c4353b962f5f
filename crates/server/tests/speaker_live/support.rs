//! A started daemon behind a speaker, and the model's terms in short.

use crate::daemon::{Daemon, Release};
use sdwan_gobgp::Timeouts;
use sdwan_model::config::{Disposition, Global, Neighbor, Source, Statement};
use sdwan_model::observed::Observed;
use sdwan_model::plan::{Op, PeerChange};
use sdwan_model::resource::ResourceRef;
use sdwan_server::speaker::{Dial, GobgpDial, Speaker};
use std::net::IpAddr;
use std::time::SystemTime;

pub(crate) const SET: &str = "p/import/s";

pub(crate) fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub(crate) async fn dial(daemon: &Daemon) -> Box<dyn Speaker> {
    let dial = GobgpDial::new(Timeouts::default(), SystemTime::now);
    dial.dial(&daemon.address).await.unwrap()
}

pub(crate) async fn started(release: Release) -> (Daemon, Box<dyn Speaker>) {
    let daemon = Daemon::start(release).await;
    let speaker = dial(&daemon).await;
    speaker.apply(&Op::StartBgp(global())).await.unwrap();
    (daemon, speaker)
}

pub(crate) fn global() -> Global {
    Global {
        asn: 65001,
        router_id: [192, 0, 2, 1].into(),
        listen_port: Some(0),
    }
}

pub(crate) async fn observe(speaker: &dyn Speaker) -> Observed {
    speaker.observe(None).await.unwrap()
}

pub(crate) fn source() -> Source {
    Source {
        resource: ResourceRef::new("neighbor", "1"),
        version: 1,
    }
}

pub(crate) fn neighbor(peer_as: u32) -> Neighbor {
    Neighbor {
        source: source(),
        peer_as,
        description: None,
        auth_password: None,
        hold_time: None,
        keepalive_interval: None,
        local_address: None,
        passive: None,
        ebgp_multihop: None,
        route_reflector_client: None,
        families: None,
        admin_state: None,
    }
}

pub(crate) fn change(fields: Neighbor) -> Box<PeerChange> {
    Box::new(PeerChange {
        fields,
        names: Vec::new(),
    })
}

pub(crate) fn statement(
    name: &str,
    action: Option<&str>,
    disposition: Option<Disposition>,
) -> Statement {
    Statement {
        name: name.to_owned(),
        sources: Vec::new(),
        neighbor_set: SET.to_owned(),
        action: action.map(|text| text.parse().unwrap()),
        disposition,
    }
}
