//! The same hands on the real daemon: see [`crate::hand::do_by_hand`].

use crate::hand::Hand;
use crate::world::address;
use anyhow::Result;
use sdwan_gobgp::types::{
    Actions, AdminState, Conditions, DefinedSet, DefinedType, MatchSet, Peer, PeerFilter,
    PeerSettings, Policy, PolicyAssignment, PolicyDirection, Prefix, RouteAction, Statement,
};
use sdwan_gobgp::{Client, Error};
use sdwan_lab::fleet::{Fleet, Gobgpd};
use sdwan_model::config::Direction;
use std::net::IpAddr;
use std::time::Duration;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(5);

/// Far longer than a peer takes to be disabled, on a slow machine too.
const LOOKS: usize = 6000;

/// Does it, a restart aside. What gobgpd refuses a person is no concern of
/// these tests.
pub(crate) fn do_by_hand(fleet: &Fleet, gobgpd: &Gobgpd, hand: &Hand) -> Result<()> {
    match hand {
        Hand::DeleteAssignment(direction) if gobgpd.asn()? != 0 => gobgpd
            .cli(&format!("global policy {} del", direction.as_str()))
            .map(drop),
        hand => fleet.run(call(gobgpd.client(), hand)),
    }
}

async fn call(client: &Client, hand: &Hand) -> Result<()> {
    let outcome = match hand {
        // No session is up yet: there is nothing to fall.
        Hand::Restart | Hand::Fall(_) => Ok(()),
        Hand::AddPeer(..)
        | Hand::DeletePeer(_)
        | Hand::Disable(_)
        | Hand::Enable(_)
        | Hand::SetHoldTime(..) => on_peers(client, hand).await,
        hand => match client.get_bgp().await?.asn {
            0 => Ok(()),
            _ => on_policies(client, hand).await,
        },
    };
    match outcome {
        Err(
            Error::Exists { .. }
            | Error::NotFound { .. }
            | Error::InUse { .. }
            | Error::NotStarted { .. }
            | Error::Refused { .. },
        ) => Ok(()),
        outcome => Ok(outcome?),
    }
}

async fn on_peers(client: &Client, hand: &Hand) -> Result<(), Error> {
    match *hand {
        Hand::AddPeer(i, hold) => {
            let settings = PeerSettings {
                hold_time: Some(hold.into()),
                keepalive_interval: Some((hold / 3).into()),
                // What sdwan has no words for.
                connect_retry: Some(7),
                ..PeerSettings::new(65002)
            };
            client.add_peer(address(i), &settings).await
        }
        Hand::DeletePeer(i) => client.delete_peer(&address(i).to_string()).await,
        Hand::Disable(i) => {
            client.disable_peer(&address(i).to_string()).await?;
            until(client, address(i), AdminState::Down).await
        }
        Hand::Enable(i) => {
            client.enable_peer(&address(i).to_string()).await?;
            until(client, address(i), AdminState::Up).await
        }
        Hand::SetHoldTime(i, hold) => match listed(client, address(i)).await? {
            Some(peer) => {
                let settings = PeerSettings {
                    hold_time: Some(hold.into()),
                    ..PeerSettings::default()
                };
                client.update_peer(&peer, &settings).await.map(drop)
            }
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

async fn listed(client: &Client, address: IpAddr) -> Result<Option<Peer>, Error> {
    let peers = client.list_peers(PeerFilter::default()).await?;
    let mut peers = peers.into_iter();
    Ok(peers.find(|peer| peer.address() == Some(address)))
}

/// These calls only ask for it.
pub(crate) async fn until(
    client: &Client,
    address: IpAddr,
    state: AdminState,
) -> Result<(), Error> {
    for _ in 0..LOOKS {
        let peer = listed(client, address).await?;
        if peer.is_none_or(|peer| peer.state.admin == state) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("{address} is not {state:?}")
}

fn way(direction: Direction) -> PolicyDirection {
    match direction {
        Direction::Import => PolicyDirection::Import,
        Direction::Export => PolicyDirection::Export,
    }
}

async fn assigned(client: &Client, direction: Direction) -> Result<Vec<String>, Error> {
    let listed = client
        .list_policy_assignments(PolicyAssignment::GLOBAL, way(direction))
        .await?;
    let policies = listed.into_iter().flat_map(|listed| listed.policies);
    Ok(policies.map(|policy| policy.name).collect())
}

async fn assign(
    client: &Client,
    direction: Direction,
    names: Vec<String>,
    default: RouteAction,
) -> Result<(), Error> {
    let assignment = PolicyAssignment::global(way(direction), names, default);
    client.set_policy_assignment(&assignment).await
}

async fn on_policies(client: &Client, hand: &Hand) -> Result<(), Error> {
    let prefixes = DefinedSet {
        defined_type: DefinedType::Prefix,
        name: "theirs".to_owned(),
        list: Vec::new(),
        prefixes: vec![Prefix {
            ip_prefix: "10.0.0.0/8".to_owned(),
            mask_length_min: 8,
            mask_length_max: 32,
        }],
    };
    match hand {
        Hand::PrefixSet => client.add_defined_set(&prefixes).await,
        Hand::ForeignPolicy(direction, first) => {
            let name = format!("their-{}", direction.as_str());
            if client.list_policies().await?.iter().any(|p| p.name == name) {
                return Ok(());
            }
            let conditions = Conditions {
                prefix_set: Some(MatchSet::any("theirs")),
                ..Conditions::default()
            };
            let statement = statement(format!("{name}-statement"), conditions, RouteAction::Reject);
            let mut names = assigned(client, *direction).await?;
            names.insert(if *first { 0 } else { names.len() }, name.clone());
            client.add_defined_set(&prefixes).await?;
            client
                .add_policy(&Policy {
                    name,
                    statements: vec![statement],
                })
                .await?;
            assign(client, *direction, names, RouteAction::None).await
        }
        Hand::DefaultReject(direction) => {
            let names = assigned(client, *direction).await?;
            assign(client, *direction, names, RouteAction::Reject).await
        }
        Hand::Unassign(direction) => {
            let mut names = assigned(client, *direction).await?;
            names.pop();
            assign(client, *direction, names, RouteAction::None).await
        }
        Hand::Reverse(direction) => {
            let mut names = assigned(client, *direction).await?;
            names.reverse();
            assign(client, *direction, names, RouteAction::None).await
        }
        Hand::EmptySet | Hand::GrowSet => {
            let sets = client.list_defined_sets(DefinedType::Neighbor).await?;
            let Some(mut set) = sets.into_iter().min_by(|a, b| a.name.cmp(&b.name)) else {
                return Ok(());
            };
            if matches!(hand, Hand::EmptySet) {
                return client.delete_from_defined_set(&set).await;
            }
            set.list = vec!["172.16.0.9/32".to_owned()];
            client.add_defined_set(&set).await
        }
        Hand::ChangeOurs => {
            let policies = client.list_policies().await?.into_iter();
            let ours = policies.filter(|policy| policy.name.contains('/'));
            let Some(ours) = ours.min_by(|a, b| a.name.cmp(&b.name)) else {
                return Ok(());
            };
            let everyone = Conditions::default();
            let statement = statement("by hand".to_owned(), everyone, RouteAction::Accept);
            let added = Policy {
                name: ours.name,
                statements: vec![statement],
            };
            client.add_policy(&added).await
        }
        _ => Ok(()),
    }
}

fn statement(name: String, conditions: Conditions, route_action: RouteAction) -> Statement {
    Statement {
        name,
        conditions,
        actions: Actions {
            route_action,
            ..Actions::default()
        },
        has_unknown: false,
    }
}
