//! Tells an orchestrator how things stand, where one is named. It asks the
//! agent as anybody else would and waits for the network alone, so what
//! becomes of a report disturbs no packet.

mod version;

use crate::agent::Questions;
use crate::status::Status;
use jiff::{SignedDuration, Timestamp};
use sdwan_http::{SendError, Tls, Tokens};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// How often there is a look at what could be new, so also how often a
/// transition is told at most.
const LOOK: Duration = Duration::from_secs(1);
/// Between two reports that say nothing new.
const HEARTBEAT: Duration = Duration::from_secs(30);
/// Between two attempts at a report that does not get through. One that the
/// orchestrator does not want waits for the next heartbeat.
const RETRY: Duration = Duration::from_secs(5);
/// How long one may take; and the agent's own answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// Reasons that are told; the orchestrator takes 32.
const REASONS: usize = 8;
/// Characters of a reason; the orchestrator takes 512.
const REASON: usize = 500;

/// Why reports can't be made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nothing can stand below this URL.
    #[error("this is not a URL such as http://192.168.200.1:9998")]
    Url,
    /// The client can't start.
    #[error(transparent)]
    Client(#[from] sdwan_http::Error),
}

/// Why a report was not taken, and how long to wait before the next.
struct Trouble {
    text: String,
    pause: Duration,
}

/// The body of a report.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Report {
    gobgpd_version: Option<String>,
    in_step: bool,
    wanted: usize,
    installed: usize,
    unresolved: usize,
    since: String,
    reasons: Vec<Reason>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Reason {
    reason: String,
    routes: usize,
}

impl Report {
    /// Whether the other one adds nothing that has to be told at once.
    fn says_as_much_as(&self, other: &Self) -> bool {
        self.same_state(other)
            && self.unresolved == other.unresolved
            && self.reasons == other.reasons
            && self.gobgpd_version == other.gobgpd_version
    }

    fn same_state(&self, other: &Self) -> bool {
        self.in_step == other.in_step && (self.unresolved > 0) == (other.unresolved > 0)
    }
}

/// See the module.
pub struct Reporter {
    url: reqwest::Url,
    client: reqwest::Client,
    tokens: Arc<dyn Tokens>,
    clock: fn() -> Timestamp,
    /// The newest report, told or not.
    newest: Option<Report>,
    /// The last that was taken.
    told: Option<(Report, Instant)>,
    /// Not before then.
    next: Instant,
    /// What was last complained about: said once, not every time.
    trouble: Option<String>,
    /// gobgpd's version, by the number of the connection that it was found at.
    version: (u64, Option<String>),
}

impl Reporter {
    /// Whom to tell, e.g. `http://192.168.200.1:9998`, and as whom: a router's
    /// `host_name` or id, and how: by what TLS, with which tokens. `clock` is now.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn new(
        server: &str,
        router: &str,
        tls: Tls,
        tokens: Arc<dyn Tokens>,
        clock: fn() -> Timestamp,
    ) -> Result<Self, Error> {
        let mut url: reqwest::Url = server.parse().map_err(|_| Error::Url)?;
        url.path_segments_mut()
            .map_err(|()| Error::Url)?
            .pop_if_empty()
            .extend(["sdwan", "v1", "routers", router, "fib"]);
        let client = sdwan_http::client(&url, &tls, PATIENCE)?;
        Ok(Self {
            url,
            client,
            tokens,
            clock,
            newest: None,
            told: None,
            next: Instant::now(),
            trouble: None,
            version: (0, None),
        })
    }

    /// Reports until the agent ends.
    pub async fn run(mut self, questions: Questions) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            let (answer, answered) = oneshot::channel();
            if questions.send(answer).await.is_err() {
                return;
            }
            if let Ok(Ok(status)) = timeout(PATIENCE, answered).await {
                self.look(&status).await;
            }
        }
    }

    /// Tells what is new, or that nothing is.
    async fn look(&mut self, status: &Status) {
        self.find_version(status).await;
        let report = self.of(status);
        let now = Instant::now();
        let due = self.told.as_ref().is_none_or(|(told, at)| {
            !report.says_as_much_as(told) || now.duration_since(*at) >= HEARTBEAT
        });
        self.newest = Some(report.clone());
        if !due || now < self.next {
            return;
        }
        match self.send(&report).await {
            Ok(()) => {
                self.told = Some((report, now));
                self.complain(None);
            }
            Err(Trouble { text, pause }) => {
                self.next = Instant::now() + pause;
                self.complain(Some(text));
            }
        }
    }

    /// A new connection may be one to another gobgpd.
    async fn find_version(&mut self, status: &Status) {
        let connection = status.totals.connections;
        if status.gobgpd.connected && self.version.0 != connection {
            let found = version::of(&status.gobgpd.address).await;
            self.version = (connection, found);
        }
    }

    fn of(&self, status: &Status) -> Report {
        let mut report = Report {
            gobgpd_version: self.version.1.clone(),
            in_step: status.in_step,
            wanted: status.routes.wanted,
            installed: status.routes.installed,
            unresolved: status.routes.unresolved(),
            since: String::new(),
            reasons: reasons(status),
        };
        report.since = match &self.newest {
            Some(before) if before.same_state(&report) => before.since.clone(),
            Some(before) if before.in_step == report.in_step => (self.clock)().to_string(),
            _ => {
                let ago = SignedDuration::try_from_secs_f64(status.seconds).unwrap_or_default();
                ((self.clock)() - ago).to_string()
            }
        };
        report
    }

    async fn send(&self, report: &Report) -> Result<(), Trouble> {
        let request = self.client.put(self.url.clone()).json(report);
        let answer = sdwan_http::send(request, &*self.tokens).await;
        let answer = answer.map_err(|error| Trouble {
            text: error.to_string(),
            pause: match &error {
                // A wrong password that is tried often locks a user out.
                SendError::Tokens(error) if !error.transient => HEARTBEAT,
                _ => RETRY,
            },
        })?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let problem: serde_json::Value = answer.json().await.unwrap_or_default();
        let detail = problem["detail"].as_str().unwrap_or_default();
        Err(Trouble {
            text: format!("{status}: {detail}"),
            pause: match status.is_client_error() {
                true => HEARTBEAT,
                false => RETRY,
            },
        })
    }

    fn complain(&mut self, trouble: Option<String>) {
        if trouble == self.trouble {
            return;
        }
        // Without a password that may stand in the URL.
        let server = self.url.origin().ascii_serialization();
        match &trouble {
            Some(error) => tracing::warn!(server, %error, "reports are not taken; trying again"),
            None => tracing::info!(server, "reports are taken again"),
        }
        self.trouble = trouble;
    }
}

/// Why it is not in step, then why routes are unresolved, most routes first.
fn reasons(status: &Status) -> Vec<Reason> {
    let mut reasons: Vec<Reason> = status
        .reason
        .iter()
        .map(|reason| Reason {
            reason: line(reason),
            routes: 0,
        })
        .collect();
    let mut by_reason: BTreeMap<String, usize> = BTreeMap::new();
    if status.unresolved.len() == status.routes.unresolved() {
        for route in &status.unresolved {
            *by_reason.entry(line(&route.reason)).or_default() += 1;
        }
    } else {
        // Not all of them are there to be told apart.
        let words = status.routes.unresolved.iter();
        by_reason.extend(words.map(|(word, count)| (word.replace('_', " "), *count)));
    }
    let mut by_reason: Vec<Reason> = by_reason
        .into_iter()
        .map(|(reason, routes)| Reason { reason, routes })
        .collect();
    by_reason.sort_by_key(|reason| std::cmp::Reverse(reason.routes));
    reasons.append(&mut by_reason);
    reasons.truncate(REASONS);
    reasons
}

/// In one line of bounded length.
fn line(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fib::{Counts, Unresolved};
    use crate::status::{Gobgpd, Totals};
    use sdwan_http::Nobody;

    fn status(in_step: bool, unresolved: &[(&str, &'static str)]) -> Status {
        let mut routes = Counts {
            wanted: 10,
            installed: 10 - unresolved.len(),
            ..Counts::default()
        };
        for (_, word) in unresolved {
            *routes.unresolved.entry(word).or_default() += 1;
        }
        let unresolved = unresolved.iter().map(|(reason, _)| Unresolved {
            prefix: "203.0.113.0/24".parse().unwrap(),
            reason: (*reason).to_owned(),
        });
        Status {
            in_step,
            seconds: 60.0,
            reason: (!in_step).then(|| "changes\nare under way".to_owned()),
            gobgpd: Gobgpd {
                address: "192.0.2.1:50051".to_owned(),
                connected: true,
                reason: None,
            },
            hold: None,
            table: 254,
            protocol: 179,
            metric: 2000,
            unresolved: unresolved.collect(),
            routes,
            announced: Vec::new(),
            totals: Totals::default(),
        }
    }

    fn reporter(clock: fn() -> Timestamp) -> Reporter {
        let (tls, tokens) = (Tls::default(), Arc::new(Nobody));
        Reporter::new("http://127.0.0.1:1/", "GoBGP 1", tls, tokens, clock).unwrap()
    }

    fn noon() -> Timestamp {
        "2026-01-01T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_router_is_named_in_the_url() {
        let url = reporter(noon).url;
        let expected = "http://127.0.0.1:1/sdwan/v1/routers/GoBGP%201/fib";
        assert_eq!(url.as_str(), expected);
        for wrong in ["", "192.168.200.1:9998", "mailto:x", "http://u:secret@"] {
            let (tls, tokens) = (Tls::default(), Arc::new(Nobody));
            let error = Reporter::new(wrong, "r", tls, tokens, noon).err().unwrap();
            let error = error.to_string();
            assert!(error.contains("is not a URL"), "{error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_state_has_its_time_for_as_long_as_it_lasts() {
        let mut reporter = reporter(noon);
        let mut since = |status: &Status| {
            let report = reporter.of(status);
            reporter.newest = Some(report.clone());
            report.since
        };
        let no_route = ("192.0.2.9: no route leads there", "no_route");
        assert_eq!(since(&status(true, &[])), "2026-01-01T11:59:00Z");
        // The agent has been in step since before; this is new.
        assert_eq!(since(&status(true, &[no_route])), "2026-01-01T12:00:00Z");
        let mut later = status(true, &[no_route, no_route]);
        later.seconds = 90.0;
        assert_eq!(since(&later), "2026-01-01T12:00:00Z");
        assert_eq!(since(&status(false, &[no_route])), "2026-01-01T11:59:00Z");
    }

    #[test]
    fn reasons_are_told_apart_where_all_are_known() {
        let (far, down) = (("a: far", "no_route"), ("b: down", "link_down"));
        let told = |status: &Status| {
            let reasons = reasons(status).into_iter();
            let words = reasons.map(|reason| format!("{} {}", reason.routes, reason.reason));
            words.collect::<Vec<_>>()
        };
        let mut status = status(false, &[far, down, far]);
        let whole = ["0 changes are under way", "2 a: far", "1 b: down"];
        assert_eq!(told(&status), whole);
        status.unresolved.pop();
        let counted = ["0 changes are under way", "2 no route", "1 link down"];
        assert_eq!(told(&status), counted);
    }

    #[test]
    fn more_routes_are_no_news_but_more_unresolved_ones_are() {
        let reporter = reporter(noon);
        let report = reporter.of(&status(true, &[]));
        let mut more = status(true, &[]);
        more.routes.wanted += 1;
        assert!(reporter.of(&more).says_as_much_as(&report));
        more.routes.unresolved.insert("no_route", 1);
        assert!(!reporter.of(&more).says_as_much_as(&report));
    }
}
