//! Actions of statements: what is written is what is listed, by this crate and
//! by `gobgp`.

use crate::daemon::Release;
use crate::peers::{drifting, started};
use crate::policies::*;
use sdwan_gobgp::types::{
    Actions, AsPrepend, CommunityAction, CommunityActionType, Conditions, MedAction, MedActionType,
    NextHopAction, Origin, RouteAction,
};
use serde_json::{Value, json};

/// Each with what `gobgp` shows of it.
pub(crate) fn actions(release: Release) -> Vec<(Actions, Value)> {
    let none = Actions::default;
    let drift = |number| drifting(release, number);
    let change = |kind, list: &[&str]| {
        let communities = list.iter().map(ToString::to_string).collect();
        Some(CommunityAction { kind, communities })
    };
    let mut all = vec![
        (
            Actions {
                route_action: RouteAction::Accept,
                ..none()
            },
            json!({"route_action": 1}),
        ),
        (
            Actions {
                route_action: RouteAction::Reject,
                ..none()
            },
            json!({"route_action": 2}),
        ),
        (
            Actions {
                as_prepend: Some(AsPrepend {
                    asn: Some(65001),
                    repeat: 3,
                }),
                ..none()
            },
            json!({"as_prepend": {"asn": 65001, "repeat": 3}}),
        ),
        (
            Actions {
                as_prepend: Some(AsPrepend {
                    asn: None,
                    repeat: 255,
                }),
                ..none()
            },
            json!({"as_prepend": {"repeat": 255, "use_left_most": true}}),
        ),
        (
            Actions {
                local_pref: Some(200),
                ..none()
            },
            json!({"local_pref": {"value": 200}}),
        ),
        (
            Actions {
                next_hop: Some(NextHopAction::SelfAddress),
                ..none()
            },
            json!({"nexthop": {"self": true}}),
        ),
        (
            Actions {
                next_hop: Some(NextHopAction::Unchanged),
                ..none()
            },
            json!({"nexthop": {"unchanged": true}}),
        ),
    ];
    for address in ["192.0.2.9", "2001:db8::9"] {
        let next_hop = Some(NextHopAction::Address(address.parse().unwrap()));
        all.push((
            Actions { next_hop, ..none() },
            json!({"nexthop": {"address": address}}),
        ));
    }
    for (kind, number, value) in [
        (MedActionType::Modify, 0, 10),
        (MedActionType::Modify, 0, -10),
        (MedActionType::Replace, 1, 7),
    ] {
        let med = Some(MedAction { kind, value });
        let shown = json!({"med": with_type(drift(number), json!({"value": value}))});
        all.push((Actions { med, ..none() }, shown));
    }
    for (kind, number) in [
        (CommunityActionType::Add, 0),
        (CommunityActionType::Remove, 1),
        (CommunityActionType::Replace, 2),
    ] {
        // What is removed is listed as expressions. (3.10 adds anchors to those
        // of large communities that have them.)
        let (standard, extended, large) = match kind {
            CommunityActionType::Remove => ("^65000:1$", "rt:^65000:1$", "^65000:1:2$"),
            _ => ("65000:1", "rt:65000:1", "65000:1:2"),
        };
        let shown = |values| with_type(drift(number), json!({"communities": [values]}));
        all.push((
            Actions {
                community: change(kind, &[standard]),
                ..none()
            },
            json!({"community": shown(standard)}),
        ));
        all.push((
            Actions {
                ext_community: change(kind, &[extended]),
                ..none()
            },
            json!({"ext_community": shown(extended)}),
        ));
        all.push((
            Actions {
                large_community: change(kind, &[large]),
                ..none()
            },
            json!({"large_community": shown(large)}),
        ));
    }
    if release > Release::V3_10 {
        let next_hop = Some(NextHopAction::PeerAddress);
        all.push((
            Actions { next_hop, ..none() },
            json!({"nexthop": {"peer_address": true}}),
        ));
        for (origin, number) in [(Origin::Igp, 1), (Origin::Egp, 2), (Origin::Incomplete, 3)] {
            let shown = json!({"origin_action": {"origin": number}});
            all.push((
                Actions {
                    origin: Some(origin),
                    ..none()
                },
                shown,
            ));
        }
    }
    all
}

pub(crate) fn with_type(number: Value, mut value: Value) -> Value {
    if !number.is_null() {
        value["type"] = number;
    }
    value
}

#[tokio::test]
async fn every_action_makes_a_round_trip() {
    for release in Release::ALL {
        let (daemon, client) = started(release).await;
        let (actions, shown): (Vec<_>, Vec<_>) = actions(release).into_iter().unzip();
        let written: Vec<_> = actions
            .into_iter()
            .enumerate()
            .map(|(index, actions)| statement(&format!("s{index}"), Conditions::default(), actions))
            .collect();
        client.add_policy(&policy(written.clone())).await.unwrap();
        let mut listed = listed(&client).await;
        for statement in &mut listed {
            if let Some(change) = &mut statement.actions.large_community {
                for text in &mut change.communities {
                    *text = text.replace("^^", "^").replace("$$", "$");
                }
            }
        }
        assert_eq!(listed, written, "{}", release.name());
        let seen: Vec<_> = cli(&daemon)
            .as_array()
            .unwrap()
            .iter()
            .map(|statement| {
                let text = statement["actions"].to_string();
                text.replace("^^", "^").replace("$$", "$")
            })
            .map(|text| serde_json::from_str::<Value>(&text).unwrap())
            .collect();
        assert_eq!(seen, shown, "{}", release.name());
        let names = client.list_statements().await.unwrap();
        assert_eq!(names.len(), written.len());
    }
}
