//! The fold of a row's status, and which reports are taken.

use super::*;
use proptest::prelude::*;

const NOW: &str = "2026-01-01T00:00:00Z";
const LATER: &str = "2026-01-01T00:00:09Z";
const SILENT: &str = "gobgpd at 192.0.2.1:50051 does not answer: connection refused";

fn state(version: u64, state: &str, error: &str, applied: u64) -> State {
    State {
        version,
        state: state.to_owned(),
        error: error.to_owned(),
        since: Some(NOW.to_owned()),
        applied,
    }
}

fn seen(version: u64, monitoring: &str) -> Monitoring {
    Monitoring {
        version,
        monitoring: monitoring.to_owned(),
        ..Monitoring::default()
    }
}

fn reachable(reachable: bool) -> Reachability {
    Reachability {
        reachable,
        reason: if reachable { "" } else { SILENT }.to_owned(),
        since: NOW.to_owned(),
        observer: "me".to_owned(),
    }
}

/// A neighbor at version 2, applied, its router answering, its session up.
struct Case {
    version: u64,
    deleting: bool,
    state: Option<State>,
    monitoring: Option<Monitoring>,
    reachability: Option<Reachability>,
    has_session: bool,
    outside: bool,
}

impl Default for Case {
    fn default() -> Self {
        Self {
            version: 2,
            deleting: false,
            state: Some(state(2, ACTIVE, "", 2)),
            monitoring: Some(seen(2, UP)),
            reachability: Some(reachable(true)),
            has_session: true,
            outside: false,
        }
    }
}

impl Case {
    fn fold(&self) -> Folded {
        fold(&Facts {
            version: self.version,
            deleting: self.deleting,
            state: self.state.as_ref(),
            monitoring: self.monitoring.as_ref(),
            reachability: self.reachability.as_ref(),
            has_session: self.has_session,
            outside: self.outside,
            managed: true,
        })
        .unwrap()
    }

    fn says(&self) -> (Status, String) {
        let folded = self.fold();
        (folded.status, folded.reason)
    }
}

fn says(status: Status, reason: &str) -> (Status, String) {
    (status, reason.to_owned())
}

#[test]
fn nobody_reports_so_there_is_no_status() {
    assert_eq!(fold(&Facts::default()), None);
}

#[test]
fn applied_and_established_is_up() {
    assert_eq!(Case::default().says(), says(Status::Up, ""));
}

#[test]
fn what_others_report_needs_no_router() {
    let case = |state, monitoring| Case {
        state,
        monitoring,
        reachability: None,
        has_session: false,
        outside: true,
        ..Case::default()
    };
    let said = |state, monitoring| case(state, monitoring).says();
    let active = || Some(state(2, ACTIVE, "", 2));
    assert_eq!(said(None, None), says(Status::PendingCreate, ""));
    assert_eq!(said(active(), None), says(Status::Active, ""));
    assert_eq!(said(active(), Some(seen(2, UP))), says(Status::Up, ""));
    let down = said(active(), Some(seen(2, DOWN)));
    assert_eq!(down.0, Status::Down);
    // What was seen of an older version says nothing of this one.
    assert_eq!(
        said(active(), Some(seen(1, DOWN))),
        says(Status::Active, "")
    );
    let odd = said(active(), Some(seen(2, "SLEEPY")));
    assert_eq!(odd, says(Status::Unknown, "its worker says SLEEPY"));
    let failed = said(Some(state(2, FAILED, "no such port", 1)), Some(seen(2, UP)));
    assert_eq!(failed, says(Status::Failed, "no such port"));
    let older = said(Some(state(1, ACTIVE, "", 1)), Some(seen(2, UP)));
    assert_eq!(older, says(Status::PendingUpdate, ""));
    assert_eq!(said(None, Some(seen(2, UP))), says(Status::Up, ""));
    let late = said(None, Some(seen(1, UP)));
    assert_eq!(late, says(Status::PendingCreate, ""));
}

#[test]
fn without_sessions_applied_is_active() {
    let case = Case {
        has_session: false,
        ..Case::default()
    };
    assert_eq!(case.says(), says(Status::Active, ""));
    assert_eq!(case.fold().since.as_deref(), Some(NOW));
}

#[test]
fn a_new_row_is_pending_create_whatever_was_seen_of_it() {
    let case = Case {
        version: 1,
        state: None,
        monitoring: Some(seen(1, UP)),
        ..Case::default()
    };
    assert_eq!(case.says(), says(Status::PendingCreate, ""));
}

#[test]
fn a_changed_row_is_pending_update() {
    let case = Case {
        version: 3,
        ..Case::default()
    };
    assert_eq!(case.says(), says(Status::PendingUpdate, ""));
}

#[test]
fn a_row_that_was_never_applied_stays_pending_create_through_changes() {
    let case = Case {
        version: 3,
        state: Some(state(2, FAILED, "no", 0)),
        ..Case::default()
    };
    assert_eq!(case.says(), says(Status::PendingCreate, ""));
}

#[test]
fn pending_says_what_it_waits_for() {
    let mut case = Case {
        state: Some(state(2, PENDING, "needs reset: stale routes", 2)),
        ..Case::default()
    };
    let expected = says(Status::PendingUpdate, "needs reset: stale routes");
    assert_eq!(case.says(), expected, "never plain ACTIVE");
    case.state = None;
    case.reachability = Some(reachable(false));
    let reason = SILENT;
    assert_eq!(case.says(), says(Status::PendingCreate, reason));
}

#[test]
fn failed_says_why_until_the_row_changes() {
    let mut case = Case {
        state: Some(state(2, FAILED, "restart gobgpd", 1)),
        ..Case::default()
    };
    assert_eq!(case.says(), says(Status::Failed, "restart gobgpd"));
    case.version = 3;
    assert_eq!(case.says(), says(Status::PendingUpdate, ""));
}

#[test]
fn deleting_goes_before_all_else() {
    let case = Case {
        deleting: true,
        state: Some(state(2, FAILED, "restart gobgpd", 1)),
        reachability: Some(reachable(false)),
        ..Case::default()
    };
    let reason = SILENT;
    assert_eq!(case.says(), says(Status::PendingDelete, reason));
}

#[test]
fn what_can_not_be_known_says_so() {
    for has_session in [true, false] {
        let mut case = Case {
            has_session,
            reachability: None,
            ..Case::default()
        };
        let reason = "its router has not been seen since the server started";
        assert_eq!(case.says(), says(Status::Unknown, reason));
        case.reachability = Some(reachable(false));
        let reason = SILENT;
        assert_eq!(case.says(), says(Status::Unknown, reason));
    }
}

#[test]
fn applied_and_not_established_is_down_with_gobgps_words() {
    let mut case = Case {
        monitoring: Some(Monitoring {
            session_state: "ACTIVE".into(),
            reason: "hold timer expired".into(),
            since: Some(LATER.into()),
            ..seen(2, DOWN)
        }),
        ..Case::default()
    };
    assert_eq!(
        case.says(),
        says(Status::Down, "ACTIVE: hold timer expired")
    );
    assert_eq!(case.fold().since.as_deref(), Some(LATER));
    for (state, meaning) in [
        ("IDLE", "not trying to connect at the moment"),
        ("ACTIVE", "no connection to the neighbor yet"),
        ("OPENSENT", "connected, no OPEN from the neighbor yet"),
        ("OPENCONFIRM", "no KEEPALIVE from the neighbor yet"),
    ] {
        case.monitoring = Some(Monitoring {
            session_state: state.into(),
            ..seen(2, DOWN)
        });
        assert_eq!(
            case.says(),
            says(Status::Down, &format!("{state}: {meaning}"))
        );
    }
    case.monitoring = None;
    let reason = "its session has not been seen yet";
    assert_eq!(case.says(), says(Status::Down, reason));
}

#[test]
fn an_observation_of_an_older_version_still_holds() {
    let case = Case {
        monitoring: Some(seen(1, UP)),
        ..Case::default()
    };
    assert_eq!(case.says(), says(Status::Up, ""));
}

#[test]
fn a_gohan_worker_says_applied_by_the_state_alone() {
    let report = serde_json::from_str::<State>(r#"{"version":1,"error":"","state":"ACTIVE"}"#);
    let stored = take_state(1, None, report.unwrap(), NOW).unwrap().unwrap();
    assert_eq!(stored, state(1, ACTIVE, "", 1));
}

#[test]
fn late_reports_are_dropped_and_future_ones_refused() {
    let late = take_state(2, None, state(1, ACTIVE, "", 0), NOW);
    assert_eq!(late, Ok(None));
    assert_eq!(take_monitoring(2, None, seen(1, UP), NOW), Ok(None));
    let future = Err(Error::Future {
        reported: 3,
        actual: 2,
    });
    let report = state(3, ACTIVE, "", 0);
    assert_eq!(take_state(2, None, report, NOW), future.clone());
    let future = future.map(|_: Option<State>| None);
    assert_eq!(take_monitoring(2, None, seen(3, UP), NOW), future);
}

#[test]
fn failed_becomes_active_at_the_same_version() {
    let failed = state(2, FAILED, "no route", 1);
    let report = State {
        since: None,
        ..state(2, ACTIVE, "", 0)
    };
    let next = take_state(2, Some(&failed), report, LATER)
        .unwrap()
        .unwrap();
    assert_eq!((next.state.as_str(), next.applied), (ACTIVE, 2));
    assert_eq!(next.since.as_deref(), Some(LATER));
}

#[test]
fn what_was_once_applied_is_not_forgotten() {
    let active = state(1, ACTIVE, "", 1);
    let next = take_state(2, Some(&active), state(2, FAILED, "no", 0), NOW);
    assert_eq!(next.unwrap().unwrap().applied, 1);
}

#[test]
fn a_report_that_says_nothing_new_is_not_stored_again() {
    let active = state(2, ACTIVE, "", 2);
    let again = State {
        since: None,
        ..active.clone()
    };
    assert_eq!(take_state(2, Some(&active), again, LATER), Ok(None));
    let up = take_monitoring(2, None, seen(2, UP), NOW).unwrap().unwrap();
    assert_eq!(take_monitoring(2, Some(&up), seen(2, UP), LATER), Ok(None));
}

#[test]
fn an_up_that_comes_before_the_acknowledgement_is_kept() {
    let up = take_monitoring(1, None, seen(1, UP), NOW).unwrap();
    let mut case = Case {
        version: 1,
        state: None,
        monitoring: up,
        ..Case::default()
    };
    assert_eq!(case.fold().status, Status::PendingCreate);
    case.state = take_state(1, None, state(1, ACTIVE, "", 0), NOW).unwrap();
    assert_eq!(case.fold().status, Status::Up);
}

#[test]
fn flaps_count_falls_and_since_stays_while_the_word_does() {
    let mut stored: Option<Monitoring> = None;
    for (word, now) in [(DOWN, "1"), (UP, "2"), (DOWN, "3"), (UP, "4"), (DOWN, "5")] {
        stored = take_monitoring(1, stored.as_ref(), seen(1, word), now).unwrap();
    }
    let detail = Monitoring {
        session_state: "CONNECT".into(),
        ..seen(1, DOWN)
    };
    let stored = take_monitoring(1, stored.as_ref(), detail, "6")
        .unwrap()
        .unwrap();
    assert_eq!((stored.flaps, stored.since.as_deref()), (2, Some("5")));
}

#[test]
fn unknown_words_are_refused() {
    let state = take_state(1, None, state(1, "OK", "", 0), NOW).unwrap_err();
    assert_eq!(
        state.to_string(),
        r#""OK" is not one of ACTIVE, FAILED, PENDING"#
    );
    let monitoring = take_monitoring(1, None, seen(1, "IDLE"), NOW).unwrap_err();
    assert_eq!(monitoring.to_string(), r#""IDLE" is not one of UP, DOWN"#);
}

#[test]
fn the_word_is_the_same_in_json_and_in_tables() {
    for status in [
        Status::PendingDelete,
        Status::Failed,
        Status::PendingCreate,
        Status::PendingUpdate,
        Status::Unknown,
        Status::Up,
        Status::Down,
        Status::Active,
    ] {
        let json = serde_json::to_value(status).unwrap();
        assert_eq!(json, status.to_string());
    }
}

fn any_state() -> impl Strategy<Value = State> {
    let word = prop::sample::select(vec![ACTIVE, FAILED, PENDING]);
    (0..4u64, word, "[ab]?").prop_map(|(v, word, error)| State {
        since: None,
        ..state(v, word, &error, 0)
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever the order of reports: the stored version never goes back or
    /// ahead of the row's, what was applied is never forgotten, and taking
    /// the same report twice changes nothing.
    #[test]
    fn reports_in_any_order(reports in prop::collection::vec(any_state(), 0..12), version in 1..4u64) {
        let mut stored: Option<State> = None;
        for report in reports {
            let before = stored.clone();
            if let Ok(Some(next)) = take_state(version, stored.as_ref(), report.clone(), NOW) {
                prop_assert_eq!(next.version, version);
                prop_assert!(next.applied >= before.map_or(0, |s| s.applied));
                prop_assert!(next.applied <= version);
                stored = Some(next);
                prop_assert_eq!(take_state(version, stored.as_ref(), report, LATER), Ok(None));
            }
        }
    }
}
