//! A server that is killed between any two of its calls loses no step and no owed refresh.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sdwan_lab::fleet::{Fleet, Gate, Gobgpd, Row, Server};
use sdwan_lab::proxy::Moment;
use sdwan_lab::wait::{self, Seen};
use serde_json::json;

use super::ground::{A, B, BOTH, PREFIX, far, on};

/// Has the server killed at a call of whatever follows, and started again. False if the work was
/// done before it came to that call.
struct Strike<'a> {
    gate: &'a Gate,
    number: usize,
}

impl Strike<'_> {
    fn fall(&self, server: &mut Server, done: impl Fn(&Server) -> Result<bool>) -> Result<bool> {
        let what = format!("call {} or the end", self.number);
        let reached = wait::until(&what, Duration::from_secs(120), || {
            if self.gate.reached() {
                return Ok(Seen::Yes(true));
            }
            let done = done(server)?;
            Ok(match done && !self.gate.reached() {
                true => Seen::Yes(false),
                false => Seen::NotYet(format!("{:?}", self.gate.writes())),
            })
        })?;
        if reached {
            server.kill()?;
        }
        self.gate.open();
        if reached {
            server.go_on()?;
        }
        Ok(reached)
    }
}

/// Strikes at call 0, 1, 2 and so on, before and after the daemon has seen it, until the work has
/// no such call any more.
fn at_every_call(moment: Moment, mut strike: impl FnMut(usize) -> Result<bool>) -> Result<()> {
    let mut number = 0;
    loop {
        let context = || format!("killed at write call {number}, {moment:?}");
        if !strike(number).with_context(context)? {
            ensure!(number > 0, "nothing was written");
            return Ok(());
        }
        number += 1;
    }
}

fn in_step(server: &Server, router: &Row) -> Result<bool> {
    let plan = server.plan(router);
    Ok(plan.is_ok_and(|plan| plan["steps"].as_array().is_some_and(Vec::is_empty)))
}

/// A router behind a gate, with a far side that has its routes by R's policies.
struct Scene {
    fleet: Fleet,
    r: Gobgpd,
    a: Gobgpd,
    gate: Gate,
    server: Server,
    router: Row,
}

impl Scene {
    fn set(release: sdwan_lab::tools::Release, by_hand: &[&str]) -> Result<Self> {
        let fleet = Fleet::lay(&["R", "A", "Nobody"])?;
        let a = far(&fleet, "A", A)?;
        let r = fleet.gobgpd("R", release)?;
        for line in by_hand {
            r.cli(line)?;
        }
        let gate = Gate::before(&fleet, &r.management()?)?;
        let server = Server::start(&fleet)?;
        let router = server.router_at("R", &gate.address(), &json!({}))?;
        let row = server.neighbor("R", "A", A, &json!({}))?;
        server.until(&row, "UP")?;
        r.announce(PREFIX)?;
        Ok(Self {
            fleet,
            r,
            a,
            gate,
            server,
            router,
        })
    }

    /// Kills the server at every call of what `change` asks for, in turn; `holds` tells, by the
    /// number of the turn, that it came true in the end. The session never falls.
    fn survive(
        &mut self,
        mut change: impl FnMut(&Server, u32) -> Result<Row>,
        holds: impl Fn(&Gobgpd, u32) -> Result<()>,
    ) -> Result<()> {
        let mut turn = 0;
        for moment in [Moment::Before, Moment::After] {
            at_every_call(moment, |number| {
                turn += 1;
                self.gate.stop_at(number, moment);
                let row = change(&self.server, turn)?;
                let strike = Strike {
                    gate: &self.gate,
                    number,
                };
                let router = &self.router;
                let struck = strike.fall(&mut self.server, |server| {
                    let shown = server.show(&row)?;
                    let told = shown.is_none_or(|shown| shown["status"] == "ACTIVE");
                    Ok(told && in_step(server, router)?)
                })?;
                holds(&self.a, turn)?;
                self.server.until_in_step(router)?;
                match self.server.show(&row)? {
                    Some(shown) if shown["status"] != "PENDING_DELETE" => {
                        self.server.until(&row, "ACTIVE")?;
                    }
                    _ => self.server.until_gone(&row)?,
                }
                let falls = self.a.falls(self.r.wan()?)?;
                ensure!(falls == 0, "the session fell {falls} times");
                Ok(struck)
            })?;
        }
        Ok(())
    }

    /// A policy that changes its action in every turn.
    fn survive_changes(&mut self) -> Result<()> {
        let row = self.server.export("R", "p", "A", "med 1")?;
        self.server.until(&row, "ACTIVE")?;
        self.survive(
            |server, turn| {
                server.update(
                    &row,
                    &json!({"statement_action": format!("med {}", turn + 1)}),
                )?;
                Ok(row.clone())
            },
            |a, turn| {
                let what = format!("with the MED of turn {turn}");
                a.until_route(PREFIX, &what, |route| route.med == Some(turn + 1))
                    .map(drop)
            },
        )
    }

    /// A policy that comes in one turn and goes in the next.
    fn survive_coming_and_going(&mut self) -> Result<()> {
        let fleet = self.fleet.clone();
        ensure!(fleet.wan("A")? == self.a.wan()?);
        let mut there: Option<Row> = None;
        self.survive(
            |server, turn| {
                if let Some(row) = there.take() {
                    server.delete(&row, "")?;
                    return Ok(row);
                }
                let row = server.export("R", "q", "A", &format!("local-pref {}", 100 + turn))?;
                server.update(&row, &json!({"statement_action": "med 700"}))?;
                there = Some(row.clone());
                Ok(row)
            },
            |a, turn| {
                let med = (turn % 2 == 1).then_some(700);
                a.until_route(PREFIX, &format!("with MED {med:?}"), |route| {
                    route.med == med
                })
                .map(drop)
            },
        )
    }
}

#[test]
fn between_the_calls_of_a_changed_policy() {
    on(BOTH, |release| Scene::set(release, &[])?.survive_changes());
}

#[test]
fn between_the_calls_of_a_policy_that_comes_and_goes() {
    on(BOTH, |release| {
        Scene::set(release, &[])?.survive_coming_and_going()
    });
}

/// Beside somebody else's policies, one that changes takes many single calls.
const SOMEBODY_ELSES: [&str; 3] = [
    "global as 65001 router-id 10.0.0.1",
    "policy statement add theirs-s",
    "policy add theirs theirs-s",
];

#[test]
fn between_the_calls_of_a_changed_policy_beside_foreign_ones() {
    on(BOTH, |release| {
        Scene::set(release, &SOMEBODY_ELSES)?.survive_changes()
    });
}

#[test]
fn between_the_calls_of_a_bring_up() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let mut r = fleet.gobgpd("R", release)?;
        let gate = Gate::before(&fleet, &r.management()?)?;
        let mut server = Server::start(&fleet)?;
        let mut falls = None;
        for moment in [Moment::Before, Moment::After] {
            at_every_call(moment, |number| {
                server.kill()?;
                server.forget()?;
                r.restart()?;
                gate.stop_at(number, moment);
                server.go_on()?;
                let router = server.router_at("R", &gate.address(), &json!({}))?;
                let policy = server.export("R", "p", "A", "med 6")?;
                let row = server.neighbor("R", "A", A, &json!({}))?;
                let strike = Strike {
                    gate: &gate,
                    number,
                };
                let struck = strike.fall(&mut server, |server| {
                    let up = server
                        .show(&row)?
                        .is_some_and(|shown| shown["status"] == "UP");
                    Ok(up && in_step(server, &router)?)
                })?;
                server.until(&row, "UP")?;
                server.until(&policy, "ACTIVE")?;
                server.until_in_step(&router)?;
                r.announce(PREFIX)?;
                a.until_route(PREFIX, "with MED 6", |route| route.med == Some(6))?;
                // One fall for each time that R was killed under it, and no other.
                let expected = falls.map_or(0, |falls: u32| falls + 1);
                let fell = a.falls(r.wan()?)?;
                ensure!(fell == expected, "fell {fell} times, not {expected}");
                falls = Some(fell);
                Ok(struck)
            })?;
        }
        Ok(())
    });
}

#[test]
fn between_the_calls_of_a_delete() {
    on(BOTH, |release| {
        let mut scene = Scene::set(release, &[])?;
        let nobody = scene.fleet.wan("Nobody")?;
        for moment in [Moment::Before, Moment::After] {
            at_every_call(moment, |number| {
                let Scene {
                    gate,
                    server,
                    router,
                    r,
                    ..
                } = &mut scene;
                gate.open();
                let row = server.neighbor("R", "Nobody", B, &json!({}))?;
                let policy = server.export("R", "p", "Nobody", "med 1")?;
                server.until(&row, "DOWN")?;
                server.until(&policy, "ACTIVE")?;
                gate.stop_at(number, moment);
                server.delete(&row, "")?;
                server.delete(&policy, "")?;
                let strike = Strike { gate, number };
                let struck = strike.fall(server, |server| {
                    Ok(server.show(&row)?.is_none() && server.show(&policy)?.is_none())
                })?;
                server.until_gone(&row)?;
                server.until_gone(&policy)?;
                server.until_in_step(router)?;
                ensure!(r.peer(nobody)?.is_none(), "the peer is still there");
                ensure!(
                    r.cli("policy -j")?.trim_end() == "[]",
                    "{}",
                    r.cli("policy")?
                );
                Ok(struck)
            })?;
        }
        ensure!(scene.a.falls(scene.r.wan()?)? == 0);
        Ok(())
    });
}
