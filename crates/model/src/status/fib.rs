//! What a router's agent says of the FIB, the kernel's table: which reports
//! are worth storing, and what users see of them. Transitions are kept with
//! their times; that an agent reports at all is for the server's memory.

use serde::{Deserialize, Serialize};

/// The router's property `fib`, where an agent is to report.
pub const AGENT: &str = "agent";

/// `/monitoring/v2.0/routers/ID`: written when an agent reports what is new,
/// or when it has not reported for too long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The version of the row when it was written.
    pub version: u64,
    /// What was seen.
    pub fib: Fib,
    /// The server that hears the agent, where several share the store: it
    /// alone knows when the agent falls silent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hearer: Option<String>,
}

/// How a FIB stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fib {
    /// In one word.
    pub state: State,
    /// Routes that BGP wants and the kernel can't have.
    #[serde(default)]
    pub unresolved: u64,
    /// Why they can't be had, or why the table is out of step.
    #[serde(default)]
    pub reason: String,
    /// When it became so (RFC 3339); of [`State::Silent`] when the agent was
    /// last heard.
    pub since: String,
    /// The running gobgpd's version, e.g. `4.8.0`, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gobgpd_version: Option<String>,
}

/// A FIB in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// The kernel has what BGP wants, but for unresolved routes.
    InStep,
    /// It has not, or BGP is not known.
    OutOfStep,
    /// Nobody says.
    Silent,
}

/// What an agent reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The running gobgpd's version, where it is known.
    pub gobgpd_version: Option<String>,
    /// The kernel has what BGP wants, but for unresolved routes.
    pub in_step: bool,
    /// Routes that BGP wants and the kernel can't have.
    pub unresolved: u64,
    /// When it became so (RFC 3339).
    pub since: String,
    /// In words, most important first.
    pub reasons: Vec<Reason>,
}

/// Why routes are not in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason {
    /// In words.
    pub reason: String,
    /// How many it is about.
    pub routes: u64,
}

/// What users see beside a router.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown<'a> {
    /// E.g. `in step`, `3 unresolved` or `no report since 2026-01-01T00:00:00Z`.
    pub state: String,
    /// `None` while nobody says.
    pub unresolved: Option<u64>,
    /// Why it is not in step, where that is known.
    pub reason: Option<&'a str>,
    /// When it became so (RFC 3339).
    pub since: Option<&'a str>,
    /// The running gobgpd's version, where it is known.
    pub gobgpd_version: Option<&'a str>,
}

/// So many reasons are spelled out.
const REASONS: usize = 3;

/// What to store when an agent reports on a row at `version` to `hearer`;
/// `None` where that says nothing new.
pub fn take(
    version: u64,
    stored: Option<&Seen>,
    report: &Report,
    hearer: Option<&str>,
) -> Option<Seen> {
    let state = match report.in_step {
        true => State::InStep,
        false => State::OutOfStep,
    };
    let same = |seen: &&Seen| {
        seen.fib.state == state && (seen.fib.unresolved > 0) == (report.unresolved > 0)
    };
    let since = stored.filter(same).map(|seen| seen.fib.since.clone());
    let fib = Fib {
        state,
        unresolved: report.unresolved,
        reason: words(&report.reasons),
        since: since.unwrap_or_else(|| report.since.clone()),
        gobgpd_version: report.gobgpd_version.clone(),
    };
    let hearer = hearer.map(str::to_owned);
    let new = stored.is_none_or(|seen| seen.fib != fib || seen.hearer != hearer);
    new.then_some(Seen {
        version,
        fib,
        hearer,
    })
}

/// What to store when nobody has reported since `last` (RFC 3339); `None`
/// where that is known.
pub fn silence(version: u64, stored: Option<&Seen>, last: &str) -> Option<Seen> {
    if stored.is_some_and(|seen| seen.fib.state == State::Silent) {
        return None;
    }
    let fib = Fib {
        state: State::Silent,
        unresolved: 0,
        reason: String::new(),
        since: last.to_owned(),
        gobgpd_version: None,
    };
    Some(Seen {
        version,
        fib,
        hearer: stored.and_then(|seen| seen.hearer.clone()),
    })
}

/// What to show of a router whose property `fib` is `declared`; `None` where
/// no agent is to report.
pub fn show<'a>(declared: Option<&str>, seen: Option<&'a Seen>) -> Option<Shown<'a>> {
    if declared != Some(AGENT) {
        return None;
    }
    let Some(Seen { fib, .. }) = seen else {
        return Some(Shown {
            state: "no report yet".to_owned(),
            unresolved: None,
            reason: None,
            since: None,
            gobgpd_version: None,
        });
    };
    let unresolved = fib.unresolved;
    Some(Shown {
        state: match (fib.state, unresolved) {
            (State::InStep, 0) => "in step".to_owned(),
            (State::InStep, _) => format!("{unresolved} unresolved"),
            (State::OutOfStep, 0) => "out of step".to_owned(),
            (State::OutOfStep, _) => format!("out of step, {unresolved} unresolved"),
            (State::Silent, _) => format!("no report since {}", fib.since),
        },
        unresolved: (fib.state != State::Silent).then_some(unresolved),
        reason: Some(fib.reason.as_str()).filter(|reason| !reason.is_empty()),
        since: Some(&fib.since),
        gobgpd_version: fib.gobgpd_version.as_deref(),
    })
}

fn words(reasons: &[Reason]) -> String {
    let told = reasons.iter().take(REASONS).map(|reason| {
        let Reason { reason, routes } = reason;
        match routes {
            0 => reason.clone(),
            1 => format!("{reason} (1 route)"),
            more => format!("{reason} ({more} routes)"),
        }
    });
    let mut told: Vec<String> = told.collect();
    if reasons.len() > REASONS {
        told.push(format!("and {} more reasons", reasons.len() - REASONS));
    }
    told.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(in_step: bool, unresolved: u64, since: &str) -> Report {
        let why = Reason {
            reason: "192.0.2.9: no route leads there".into(),
            routes: unresolved,
        };
        Report {
            gobgpd_version: Some("4.8.0".into()),
            in_step,
            unresolved,
            since: since.into(),
            reasons: (unresolved > 0).then_some(why).into_iter().collect(),
        }
    }

    fn state(seen: &Seen) -> String {
        show(Some(AGENT), Some(seen)).unwrap().state
    }

    #[test]
    fn only_what_is_new_is_taken_and_a_time_stays_while_its_state_does() {
        let first = take(1, None, &report(true, 0, "09:00"), None).unwrap();
        assert_eq!(
            (state(&first).as_str(), &*first.fib.since),
            ("in step", "09:00")
        );
        assert_eq!(take(2, Some(&first), &report(true, 0, "10:00"), None), None);

        let one = take(2, Some(&first), &report(true, 1, "11:00"), None).unwrap();
        assert_eq!(
            (state(&one).as_str(), &*one.fib.since),
            ("1 unresolved", "11:00")
        );
        assert_eq!(one.fib.reason, "192.0.2.9: no route leads there (1 route)");
        let three = take(2, Some(&one), &report(true, 3, "12:00"), None).unwrap();
        assert_eq!(
            (state(&three).as_str(), &*three.fib.since),
            ("3 unresolved", "11:00")
        );
        let out = take(2, Some(&three), &report(false, 3, "13:00"), None).unwrap();
        assert_eq!(
            (state(&out).as_str(), &*out.fib.since),
            ("out of step, 3 unresolved", "13:00")
        );
        let newer = Report {
            gobgpd_version: Some("4.9.0".into()),
            ..report(true, 0, "09:00")
        };
        assert!(take(2, Some(&first), &newer, None).is_some());
    }

    #[test]
    fn silence_is_told_once_and_ends_with_a_report() {
        let before = take(1, None, &report(true, 2, "09:00"), None).unwrap();
        let silent = silence(1, Some(&before), "10:00").unwrap();
        assert_eq!(silence(1, Some(&silent), "11:00"), None);
        let shown = show(Some(AGENT), Some(&silent)).unwrap();
        assert_eq!(shown.state, "no report since 10:00");
        assert_eq!((shown.unresolved, shown.gobgpd_version), (None, None));
        assert_eq!(
            take(1, Some(&silent), &report(true, 2, "09:00"), None),
            Some(before)
        );
    }

    #[test]
    fn nothing_is_shown_where_no_agent_is_declared() {
        let seen = take(1, None, &report(true, 0, "09:00"), None).unwrap();
        for declared in [None, Some("none"), Some("zebra")] {
            assert_eq!(show(declared, Some(&seen)), None);
        }
        assert_eq!(show(Some(AGENT), None).unwrap().state, "no report yet");
    }

    #[test]
    fn a_few_reasons_are_spelled_out() {
        let reason = |routes| Reason {
            reason: format!("r{routes}"),
            routes,
        };
        let text = words(&[reason(0), reason(1), reason(2), reason(3), reason(4)]);
        assert_eq!(text, "r0; r1 (1 route); r2 (2 routes); and 2 more reasons");
    }
}
