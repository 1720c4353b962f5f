//! Statements, sets and assignments: what is declared is what is observed.

use crate::daemon::Release;
use crate::support::*;
use sdwan_gobgp::types::DefinedSet;
use sdwan_model::action::Action;
use sdwan_model::config::{Direction, Disposition, Policy, Statement};
use sdwan_model::observed::{DefaultAction, SetKind};
use sdwan_model::plan::Op;
use std::collections::{BTreeMap, BTreeSet};

/// Every form of the grammar that a version knows.
pub(crate) fn actions(release: Release) -> Vec<&'static str> {
    let mut all = vec![
        "community add 65000:1 no-export",
        "community remove 65000:1 no-export 65000:.*",
        "community replace 65000:1 0:0",
        "ext-community add rt:65000:100",
        "ext-community add rt:192.0.2.1:100 soo:65000:1",
        "ext-community remove rt:65000:100",
        "ext-community replace rt:65000:100",
        "large-community add 65000:1:2 4200000000:0:4294967295",
        "large-community remove 65000:1:2",
        "large-community replace 65000:1:2",
        "med add 10",
        "med sub 10",
        "med set 0",
        "med set 4294967295",
        "local-pref 1",
        "local-pref 4294967295",
        "as-prepend 4200000000 3",
        "as-prepend last-as 255",
        "next-hop 192.0.2.9",
        "next-hop 2001:db8::9",
        "next-hop self",
        "next-hop unchanged",
    ];
    if release > Release::V3_10 {
        all.push("next-hop peer-address");
    }
    all
}

#[tokio::test]
async fn every_action_comes_back_as_it_was_declared() {
    for release in Release::ALL {
        let (_daemon, speaker) = started(release).await;
        let neighbors = BTreeSet::from([address("192.0.2.7"), address("2001:db8::7")]);
        speaker
            .apply(&Op::AddNeighborSet(SET.to_owned(), neighbors.clone()))
            .await
            .unwrap();
        let mut statements: Vec<Statement> = actions(release)
            .iter()
            .enumerate()
            .map(|(index, text)| statement(&format!("p/import/{index}"), Some(text), None))
            .collect();
        statements.push(statement("p/import/a", None, Some(Disposition::Accept)));
        statements.push(statement("p/import/b", None, Some(Disposition::Reject)));
        statements.push(statement(
            "p/import/c",
            Some("med add 1"),
            Some(Disposition::Accept),
        ));
        statements.push(statement("p/import/d", None, None));
        let policy = Policy {
            name: "p/import".to_owned(),
            statements,
        };
        // One by one, and all at once: the same.
        let at_once = Op::SetPolicies {
            neighbor_sets: BTreeMap::from([(SET.to_owned(), neighbors.clone())]),
            policies: vec![policy.clone()],
        };
        for op in [Op::AddPolicy(policy.clone()), at_once] {
            speaker.apply(&op).await.unwrap();
            let observed = observe(&*speaker).await;
            assert_eq!(observed.policies.len(), 1);
            for (written, read) in policy
                .statements
                .iter()
                .zip(&observed.policies[0].statements)
            {
                let text = written.action.as_ref().map(Action::to_string);
                let body = read
                    .ours
                    .as_ref()
                    .unwrap_or_else(|| panic!("{text:?}: {read:?}"));
                assert_eq!(read.name, written.name);
                assert_eq!(body.action, written.action, "{} {text:?}", release.name());
                assert_eq!(body.disposition, written.disposition);
                assert_eq!(body.neighbor_set, SET);
            }
            assert_eq!(
                observed.policies[0].statements.len(),
                policy.statements.len()
            );
            assert!(observed.loose_statements.is_empty());
        }
    }
}

#[tokio::test]
async fn sets_and_assignments() {
    for release in Release::ALL {
        let (daemon, speaker) = started(release).await;
        let pair = [address("192.0.2.7"), address("2001:db8::7")];
        speaker
            .apply(&Op::AddNeighborSet(SET.to_owned(), BTreeSet::from(pair)))
            .await
            .unwrap();
        let one = Some(BTreeSet::from([pair[1]]));
        speaker
            .apply(&Op::DeleteNeighborSet(SET.to_owned(), one))
            .await
            .unwrap();
        let policy = |name: &str| Policy {
            name: name.to_owned(),
            statements: vec![statement(&format!("{name}/s"), Some("med add 1"), None)],
        };
        for name in ["p/import", "q/import"] {
            speaker.apply(&Op::AddPolicy(policy(name))).await.unwrap();
        }
        let order = ["q/import", "p/import"].map(str::to_owned).to_vec();
        let assignment = Op::SetAssignment {
            direction: Direction::Import,
            policies: order.clone(),
            default: DefaultAction::Reject,
        };
        speaker.apply(&assignment).await.unwrap();
        let mut range = DefinedSet::neighbors("range", []);
        range.list.push("10.0.0.0/8".to_owned());
        daemon.client().await.add_defined_set(&range).await.unwrap();
        daemon.gobgp(&["policy", "prefix", "add", "net", "10.0.0.0/8"]);
        let observed = observe(&*speaker).await;
        assert_eq!(observed.import.policies, order);
        assert_eq!(observed.import.default, DefaultAction::Reject);
        assert_eq!(observed.export.default, DefaultAction::Accept);
        let set = |name: &str| {
            observed
                .defined_sets
                .iter()
                .find(|set| set.name == name)
                .unwrap()
        };
        assert_eq!(set(SET).neighbors, BTreeSet::from([pair[0]]));
        assert!(set(SET).complete && set(SET).kind == SetKind::Neighbor);
        assert!(!set("range").complete && set("range").neighbors.is_empty());
        assert_eq!(set("net").kind, SetKind::Prefix);
        // Used by a policy: gobgpd's own refusal, in its words.
        let used = Op::DeleteNeighborSet(SET.to_owned(), None);
        let error = speaker.apply(&used).await.unwrap_err();
        assert!(error.to_string().contains("in use"), "{error}");
    }
}

#[tokio::test]
async fn what_people_add_to_a_statement_is_seen() {
    for release in Release::ALL {
        let (daemon, speaker) = started(release).await;
        let neighbors = BTreeSet::from([address("192.0.2.7")]);
        speaker
            .apply(&Op::AddNeighborSet(SET.to_owned(), neighbors))
            .await
            .unwrap();
        daemon.gobgp(&["policy", "prefix", "add", "net", "10.0.0.0/8"]);
        let by_hand: [&[&str]; 3] = [
            &["condition", "prefix", "net"],
            &["condition", "route-type", "external"],
            &["action", "local-pref", "5"],
        ];
        for (index, words) in by_hand.iter().enumerate() {
            let name = format!("s{index}");
            let policy = Policy {
                name: format!("p{index}"),
                statements: vec![statement(&name, Some("med add 1"), None)],
            };
            speaker.apply(&Op::AddPolicy(policy)).await.unwrap();
            daemon.gobgp(&[&["policy", "statement", &name, "add"], *words].concat());
        }
        daemon.gobgp(&["policy", "statement", "add", "loose"]);
        let observed = observe(&*speaker).await;
        assert_eq!(observed.policies.len(), by_hand.len());
        for policy in &observed.policies {
            assert_eq!(
                policy.statements[0].ours,
                None,
                "{} {policy:?}",
                release.name()
            );
        }
        assert_eq!(observed.loose_statements, ["loose"]);
    }
}
