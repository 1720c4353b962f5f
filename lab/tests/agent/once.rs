//! `--once`, `--dry-run`, and what the agent serves.

use anyhow::{Context as _, Result, ensure};
use sdwan_lab::agent::{Agent, PROTOCOL, routes, until_routes};
use sdwan_lab::fleet::Fleet;
use sdwan_lab::network::Machine;
use sdwan_lab::tools;

use super::ground::{BOTH, announce, on, router, withdraw};

/// `sdwan agent` with these words: its exit code, and what it printed on stdout.
fn agent(machine: &Machine, words: &[&str]) -> Result<(i32, String)> {
    let mut command = machine.command(&tools::built("sdwan")?.display().to_string(), None)?;
    command.arg("agent").args(words);
    let output = machine.netns().output(&mut command)?;
    let code = output.status.code().context("a signal")?;
    Ok((code, String::from_utf8(output.stdout)?))
}

#[test]
fn a_dry_run_says_what_would_change_and_once_does_it() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R"])?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        announce(&fleet, &r, "0.0.0.0/0", "10.1.0.9")?;
        announce(&fleet, &r, "203.0.113.7/32", "10.1.1.9")?;
        announce(&fleet, &r, "2001:db8:aa::/48", "2001:db8:10::9")?;
        announce(&fleet, &r, "198.51.100.0/24", "192.0.2.1")?;
        let dry = ["--once", "--dry-run", "--hold", "0"];
        let (code, text) = agent(machine, &dry)?;
        let expected = "\
add         default           via 10.1.0.9 dev up0
add         203.0.113.7       via 10.1.1.9 dev up1
add         2001:db8:aa::/48  via 2001:db8:10::9 dev up0 onlink
unresolved  198.51.100.0/24   192.0.2.1: only BGP's own routes lead there
table 254, proto 179, metric 3355443200: 3 to add, 0 to change, 0 to delete, 0 kept for now, 1 unresolved, 4 wanted
";
        ensure!((code, text.as_str()) == (3, expected), "{code}\n{text}");
        ensure!(
            routes(machine, "all", PROTOCOL)?.is_empty(),
            "a dry run changes nothing"
        );
        let (code, text) = agent(machine, &["--once"])?;
        ensure!(code == 0 && text.contains("3 to add"), "{code}\n{text}");
        let all = [
            ("0.0.0.0/0", "10.1.0.9%up0"),
            ("203.0.113.7/32", "10.1.1.9%up1"),
            ("2001:db8:aa::/48", "2001:db8:10::9%up0"),
        ];
        until_routes(machine, &all)?;
        let (code, text) = agent(machine, &dry)?;
        ensure!(
            code == 0 && text.contains("0 to add, 0 to change, 0 to delete"),
            "{code}\n{text}"
        );
        // One moves, one goes, which without neighbors nobody can know for sure.
        announce(&fleet, &r, "0.0.0.0/0", "10.1.1.9")?;
        withdraw(&fleet, &r, "203.0.113.7/32", "10.1.1.9")?;
        let (code, text) = agent(machine, &dry[..2])?;
        let kept = "keep        203.0.113.7      gobgpd has not told everything yet";
        ensure!(code == 3 && text.contains(kept), "{code}\n{text}");
        let changed = "\
change      default          via 10.1.1.9 dev up1
            was              via 10.1.0.9 dev up0
";
        ensure!(text.starts_with(changed), "{text}");
        let (code, text) = agent(machine, &["--once", "--hold", "0"])?;
        ensure!(
            code == 0 && text.contains("1 to change, 1 to delete"),
            "{code}\n{text}"
        );
        until_routes(machine, &[("0.0.0.0/0", "10.1.1.9%up1"), all[2]])
    });
}

#[test]
fn it_tells_how_it_is() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R"])?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut running = Agent::start(machine, &["--hold", "0"])?;
        announce(&fleet, &r, "203.0.113.0/24", "10.1.0.9")?;
        announce(&fleet, &r, "198.51.100.0/24", "192.0.2.1")?;
        running.until("both to be known", |status| status["routes"]["wanted"] == 2)?;
        let status = running.until_in_step()?;
        ensure!(status["routes"]["installed"] == 1, "{status}");
        ensure!(running.get("/healthz")? == "ok\n");
        let metrics = running.get("/metrics")?;
        for line in [
            "sdwan_fib_in_step 1",
            "sdwan_fib_gobgpd_connected 1",
            "sdwan_fib_routes_wanted 2",
            "sdwan_fib_routes_installed 1",
            "sdwan_fib_routes_unresolved{reason=\"no_route\"} 1",
            "sdwan_fib_changes_total 1",
        ] {
            ensure!(
                metrics.lines().any(|told| told == line),
                "{line}: {metrics}"
            );
        }
        let since = metrics
            .lines()
            .find(|line| line.starts_with("sdwan_fib_in_step_seconds "));
        ensure!(since.is_some(), "{metrics}");
        // Of this node only.
        let listening = machine.run("ss", &["-Hltn", "sport = :9179"], None)?;
        ensure!(listening.contains("127.0.0.1:9179"), "{listening}");
        let (code, _) = agent(machine, &["--listen", "nonsense"])?;
        ensure!(code == 2);
        Ok(())
    });
}
