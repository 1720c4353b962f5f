//! The fold, event by event.

use super::sessions::{News, Roster, Sessions};
use crate::speaker::SessionEvent;
use sdwan_model::observed::SessionState::{
    self, Active, Connect, Established, Idle, OpenConfirm, OpenSent,
};
use sdwan_model::resource::ResourceRef;
use sdwan_model::status::Monitoring;
use std::net::IpAddr;

const A: &str = "192.0.2.1";
const B: &str = "2001:db8::1";

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn row(id: &str) -> ResourceRef {
    ResourceRef::new("neighbor", id)
}

fn roster(rows: &[(&str, &str)]) -> Roster {
    rows.iter()
        .map(|(at, id)| (address(at), (row(id), 1)))
        .collect()
}

fn event(at: &str, state: SessionState) -> SessionEvent {
    because(at, state, "")
}

fn because(at: &str, state: SessionState, reason: &str) -> SessionEvent {
    SessionEvent::State {
        neighbor: address(at),
        state,
        admin_down: false,
        reason: reason.to_owned(),
    }
}

/// A fold whose watch has listed these.
fn listed(rows: &[(&str, &str)], sessions: &[(&str, SessionState)]) -> Sessions {
    let mut fold = Sessions::default();
    fold.enroll(roster(rows));
    fold.connected();
    for (at, state) in sessions {
        fold.apply(event(at, *state));
    }
    fold.apply(SessionEvent::Listed);
    fold
}

fn nothing_stored(_: &ResourceRef) -> Option<Monitoring> {
    None
}

/// Takes the news and stores them; `id monitoring session_state reason` each.
fn tell(fold: &mut Sessions) -> Vec<String> {
    let Some(News { observation, .. }) = fold.news("r", nothing_stored) else {
        return Vec::new();
    };
    let lines = observation
        .sessions
        .iter()
        .map(|(row, now)| {
            format!(
                "{} {} {} {}",
                row.id, now.monitoring, now.session_state, now.reason
            )
            .trim()
            .to_owned()
        })
        .collect();
    fold.told(observation);
    lines
}

#[test]
fn the_opening_list_is_told_at_once_and_whole() {
    let mut fold = Sessions::default();
    fold.enroll(roster(&[(A, "a"), (B, "b")]));
    fold.connected();
    fold.apply(event(A, Established));
    assert!(fold.news("r", nothing_stored).is_none(), "half a list");
    fold.apply(event(B, Active));
    fold.apply(SessionEvent::Listed);
    let news = fold.news("r", nothing_stored).unwrap();
    assert!(news.observation.reachability.unwrap().reachable);
    assert_eq!(news.observation.sessions.len(), 2);
}

#[test]
fn every_state_below_established_is_down_and_says_which() {
    for state in [
        Idle,
        Connect,
        Active,
        OpenSent,
        OpenConfirm,
        SessionState::Unknown(9),
    ] {
        let mut fold = listed(&[(A, "a")], &[(A, Established)]);
        assert_eq!(tell(&mut fold), ["a UP ESTABLISHED"]);
        fold.apply(event(A, state));
        assert_eq!(tell(&mut fold), [format!("a DOWN {}", state.as_str())]);
    }
}

#[test]
fn only_what_changes_is_told() {
    let mut fold = listed(&[(A, "a"), (B, "b")], &[(A, Established), (B, Established)]);
    assert_eq!(tell(&mut fold).len(), 2);
    fold.apply(event(A, Established));
    assert_eq!(tell(&mut fold), [""; 0]);
    fold.apply(because(B, Idle, "hold timer expired"));
    assert_eq!(tell(&mut fold), ["b DOWN IDLE hold timer expired"]);
}

#[test]
fn what_the_store_already_says_is_not_written_again_after_a_restart() {
    let mut fold = listed(&[(A, "a")], &[(A, Established)]);
    let stored = |_: &ResourceRef| {
        Some(Monitoring {
            monitoring: "UP".into(),
            session_state: "ESTABLISHED".into(),
            flaps: 7,
            ..Monitoring::default()
        })
    };
    let news = fold.news("r", stored).unwrap();
    assert!(news.observation.sessions.is_empty());
    assert!(news.observation.reachability.is_some(), "a new observer");
}

#[test]
fn a_burst_folds_into_one_word_a_neighbor() {
    let mut fold = listed(&[(A, "a")], &[(A, Established)]);
    tell(&mut fold);
    for _ in 0..10_000 {
        for state in [Idle, Active, OpenSent, OpenConfirm] {
            fold.apply(event(A, state));
        }
    }
    assert_eq!(tell(&mut fold), ["a DOWN OPENCONFIRM"]);
    assert_eq!(tell(&mut fold), [""; 0]);
}

#[test]
fn a_fall_that_is_over_before_it_could_be_stored_still_counts() {
    let mut fold = listed(&[(A, "a")], &[(A, Established)]);
    tell(&mut fold);
    fold.apply(because(A, Idle, "peer closed the session"));
    fold.apply(event(A, Established));
    assert_eq!(tell(&mut fold), ["a DOWN IDLE peer closed the session"]);
    assert_eq!(tell(&mut fold), ["a UP ESTABLISHED"]);
    assert_eq!(tell(&mut fold), [""; 0]);
}

#[test]
fn the_reason_of_a_fall_stays_until_the_session_is_back() {
    let mut fold = listed(&[(A, "a")], &[(A, Established)]);
    tell(&mut fold);
    fold.apply(because(A, Idle, "hold timer expired"));
    fold.apply(event(A, Active));
    assert_eq!(tell(&mut fold), ["a DOWN ACTIVE hold timer expired"]);
    fold.apply(event(A, Established));
    assert_eq!(tell(&mut fold), ["a UP ESTABLISHED"]);
    fold.apply(event(A, Active));
    assert_eq!(tell(&mut fold), ["a DOWN ACTIVE"]);
}

#[test]
fn states_on_the_way_up_are_details_that_can_wait() {
    let mut fold = listed(&[(A, "a")], &[(A, Active)]);
    tell(&mut fold);
    fold.apply(event(A, OpenSent));
    assert!(!fold.news("r", nothing_stored).unwrap().urgent);
    fold.apply(event(A, Established));
    assert!(fold.news("r", nothing_stored).unwrap().urgent);
}

#[test]
fn a_neighbor_that_nobody_declared_blocks_nothing() {
    let mut fold = listed(
        &[(A, "a")],
        &[("198.51.100.9", Established), (A, Established)],
    );
    assert_eq!(tell(&mut fold), ["a UP ESTABLISHED"]);
    fold.apply(event("198.51.100.9", Idle));
    assert_eq!(tell(&mut fold), [""; 0]);
}

#[test]
fn an_up_that_came_before_its_row_is_told_when_the_row_is_there() {
    let mut fold = listed(&[], &[(A, Established)]);
    assert_eq!(tell(&mut fold), [""; 0]);
    fold.enroll(roster(&[(A, "a")]));
    assert_eq!(tell(&mut fold), ["a UP ESTABLISHED"]);
}

#[test]
fn a_recreated_neighbor_is_its_new_row() {
    let mut fold = listed(&[(A, "old")], &[(A, Established)]);
    assert_eq!(tell(&mut fold), ["old UP ESTABLISHED"]);
    fold.enroll(roster(&[(A, "new")]));
    assert_eq!(tell(&mut fold), ["new UP ESTABLISHED"]);
    fold.apply(event(A, Idle));
    assert_eq!(tell(&mut fold), ["new DOWN IDLE"]);
}

#[test]
fn what_was_told_of_an_older_version_is_asked_again() {
    let mut fold = listed(&[(A, "a")], &[(A, Established)]);
    assert_eq!(tell(&mut fold), ["a UP ESTABLISHED"]);
    let update = || [(address(A), (row("a"), 2))].into();
    // The store took it: nothing to add.
    let taken = |_: &ResourceRef| {
        Some(Monitoring {
            version: 1,
            monitoring: "UP".into(),
            session_state: "ESTABLISHED".into(),
            ..Monitoring::default()
        })
    };
    fold.enroll(update());
    assert!(fold.news("r", taken).is_none());
    // It did not, because the row was at version 2 by then.
    let mut fold = listed(&[(A, "a")], &[(A, Established)]);
    tell(&mut fold);
    fold.enroll(update());
    assert_eq!(tell(&mut fold), ["a UP ESTABLISHED"]);
}

#[test]
fn a_peer_that_is_gone_after_a_reconnect_is_down() {
    let mut fold = listed(&[(A, "a"), (B, "b")], &[(A, Established), (B, Established)]);
    tell(&mut fold);
    fold.disconnected();
    fold.connected();
    fold.apply(event(B, Established));
    assert_eq!(tell(&mut fold), [""; 0]);
    fold.apply(SessionEvent::Listed);
    assert_eq!(
        tell(&mut fold),
        ["a DOWN  the router does not have this neighbor"]
    );
}

#[test]
fn a_new_row_without_a_session_is_not_told() {
    let mut fold = listed(&[(A, "a")], &[]);
    assert_eq!(tell(&mut fold), [""; 0]);
}

#[test]
fn an_unreachable_router_says_so_and_keeps_its_neighbors_last_words() {
    let mut fold = listed(&[(A, "a")], &[(A, Established)]);
    tell(&mut fold);
    fold.unreachable("gobgpd at 192.0.2.9:50051 does not answer");
    let news = fold.news("r", nothing_stored).unwrap();
    assert!(news.urgent);
    assert!(news.observation.sessions.is_empty());
    let reachability = news.observation.reachability.clone().unwrap();
    assert!(!reachability.reachable);
    assert!(reachability.reason.contains("does not answer"));
    fold.told(news.observation);
    assert!(fold.news("r", nothing_stored).is_none(), "told twice");
}

#[test]
fn a_disabled_peer_says_who_holds_it_down() {
    let mut fold = listed(&[(A, "a")], &[(A, Established)]);
    tell(&mut fold);
    fold.apply(SessionEvent::State {
        neighbor: address(A),
        state: Idle,
        admin_down: true,
        reason: String::new(),
    });
    assert_eq!(tell(&mut fold), ["a DOWN IDLE held down on the router"]);
}
