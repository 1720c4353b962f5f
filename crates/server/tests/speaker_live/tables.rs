//! The daemon as a whole: before its start, its table, its absence.

use crate::daemon::{Daemon, Release};
use crate::support::*;
use sdwan_gobgp::Timeouts;
use sdwan_model::config::Direction;
use sdwan_model::observed::DefaultAction;
use sdwan_model::plan::Op;
use sdwan_server::speaker::{Dial, Error, GobgpDial};
use std::time::SystemTime;

#[tokio::test]
async fn a_daemon_before_its_start_and_after() {
    for release in Release::ALL {
        let daemon = Daemon::start(release).await;
        let speaker = dial(&daemon).await;
        assert_eq!(speaker.heartbeat().await.unwrap(), 0);
        let before = observe(&*speaker).await;
        assert_eq!(before.global, None);
        assert!(before.peers.is_empty() && before.policies.is_empty());
        speaker.apply(&Op::StartBgp(global())).await.unwrap();
        assert_eq!(speaker.heartbeat().await.unwrap(), 65001);
        let after = observe(&*speaker).await;
        assert_eq!(after.global, Some(global()));
        for direction in [Direction::Import, Direction::Export] {
            assert_eq!(after.assignment(direction).default, DefaultAction::Accept);
            assert!(after.assignment(direction).policies.is_empty());
        }
    }
}

#[tokio::test]
async fn the_table_in_gobgps_words() {
    for release in Release::ALL {
        let (daemon, speaker) = started(release).await;
        let rib = ["global", "rib"];
        let added: [&[&str]; 4] = [
            &[
                "add",
                "10.1.0.0/16",
                "nexthop",
                "192.0.2.9",
                "origin",
                "igp",
                "med",
                "7",
            ],
            &[
                "add",
                "10.1.2.0/24",
                "nexthop",
                "192.0.2.9",
                "community",
                "65000:1,no-export",
            ],
            &[
                "add",
                "10.2.0.0/16",
                "nexthop",
                "192.0.2.9",
                "aspath",
                "65010 65011 {65012,65013}",
            ],
            &[
                "add",
                "9.0.0.0/8",
                "nexthop",
                "192.0.2.9",
                "large-community",
                "65000:1:2",
            ],
        ];
        for words in added {
            daemon.gobgp(&[&rib[..], words].concat());
        }
        let six = [
            "add",
            "2001:db8:1::/48",
            "nexthop",
            "2001:db8::9",
            "-a",
            "ipv6",
        ];
        daemon.gobgp(&[&rib[..], &six].concat());
        let routes = speaker.rib(None).await.unwrap();
        let prefixes: Vec<_> = routes.iter().map(|route| route.prefix.as_str()).collect();
        let sorted = [
            "9.0.0.0/8",
            "10.1.0.0/16",
            "10.1.2.0/24",
            "10.2.0.0/16",
            "2001:db8:1::/48",
        ];
        assert_eq!(prefixes, sorted);
        let table = daemon.gobgp(&rib) + &daemon.gobgp(&["global", "rib", "-a", "ipv6"]);
        for route in &routes {
            let lines = table.lines().map(str::trim_end);
            let line = lines
                .clone()
                .find(|line| line.contains(&format!(" {} ", route.prefix)));
            let line = line.unwrap_or_else(|| panic!("{table}"));
            let attributes = format!("[{}]", route.attributes.join(" "));
            assert!(
                line.ends_with(&attributes),
                "{}: {attributes} in {line}",
                release.name()
            );
            assert!(
                line.contains(&route.next_hop.unwrap().to_string()),
                "{line}"
            );
            assert!(line.contains(&format!(" {} ", route.as_path)), "{line}");
            assert!(line.starts_with("*>") && route.best && route.valid && !route.stale);
            assert!(route.age < 3600, "{route:?}");
        }
        let within = |prefix: &'static str| async {
            let routes = speaker.rib(Some(prefix)).await.unwrap();
            routes
                .into_iter()
                .map(|route| route.prefix)
                .collect::<Vec<_>>()
        };
        assert_eq!(within("10.1.0.0/16").await, ["10.1.0.0/16", "10.1.2.0/24"]);
        assert_eq!(within("10.1.2.3").await, ["10.1.2.0/24"]);
        assert_eq!(within("2001:db8::/32").await, ["2001:db8:1::/48"]);
        let error = speaker.rib(Some("nonsense")).await.unwrap_err();
        assert!(matches!(error, Error::Refused(_)), "{error:?}");
    }
}

#[tokio::test]
async fn daemons_that_are_not_there_or_not_fit() {
    let mut daemon = Daemon::start(Release::V4_8).await;
    let speaker = dial(&daemon).await;
    speaker.apply(&Op::StartBgp(global())).await.unwrap();
    daemon.gobgp(&["global", "del", "all"]);
    let error = speaker.observe(None).await.unwrap_err();
    assert!(matches!(error, Error::NeedsRestart(_)), "{error:?}");
    daemon.kill();
    let error = speaker.heartbeat().await.unwrap_err();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    let dial = GobgpDial::new(Timeouts::default(), SystemTime::now);
    let error = dial.dial(&daemon.address).await.err().unwrap();
    assert!(matches!(error, Error::Unreachable(_)), "{error:?}");
    let error = dial.dial("no address").await.err().unwrap();
    assert!(matches!(error, Error::Refused(_)), "{error:?}");
}
