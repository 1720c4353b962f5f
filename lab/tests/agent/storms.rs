//! Much at once.

use anyhow::{Result, ensure};
use sdwan_lab::agent::{Agent, until_routes};
use sdwan_lab::fleet::Fleet;

use super::ground::{A, BOTH, announce, far, join, on, path, router};

#[test]
fn two_thousand_flaps_of_one_prefix_end_in_the_right_state() {
    on(BOTH, |release| {
        let fleet = Fleet::lay(&["R", "A"])?;
        let a = far(&fleet, "A", A)?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &[])?;
        join(&r, &a, A)?;
        let flap = |prefix: &str, gateways: [&str; 2]| -> Result<()> {
            let paths = [path(prefix, gateways[0])?, path(prefix, gateways[1])?];
            fleet.run(async {
                for n in 0..1000 {
                    // It comes, moves, and goes.
                    a.client().add_path(&paths[n % 2]).await?;
                    a.client().add_path(&paths[(n + 1) % 2]).await?;
                    a.client().delete_path(&paths[(n + 1) % 2]).await?;
                }
                Ok(())
            })
        };
        flap("203.0.113.0/24", ["10.0.0.2", "10.1.0.9"])?;
        flap("2001:db8:aa::/48", ["2001:db8::2", "2001:db8:10::9"])?;
        announce(&fleet, &a, "2001:db8:aa::/48", "2001:db8:11::9")?;
        announce(&fleet, &a, "198.51.100.0/24", "10.0.0.2")?;
        until_routes(
            machine,
            &[
                ("198.51.100.0/24", "10.0.0.2%wan"),
                ("2001:db8:aa::/48", "2001:db8:11::9%up1"),
            ],
        )?;
        let status = agent.until_in_step()?;
        ensure!(status["totals"]["refused"] == 0, "{status}");
        Ok(())
    });
}

#[test]
fn a_link_that_flaps_under_thousands_of_routes_ends_in_the_right_state() {
    on(&BOTH[1..], |release| {
        let fleet = Fleet::lay(&["R"])?;
        let r = router(&fleet, release)?;
        let machine = fleet.machine("R")?;
        let mut agent = Agent::start(machine, &["--hold", "0"])?;
        let names: Vec<String> = (0..2000)
            .map(|n| format!("100.{}.{}.0/24", n / 250, n % 250))
            .collect();
        let paths = names
            .iter()
            .map(|name| path(name, "10.1.0.9"))
            .collect::<Result<Vec<_>>>()?;
        fleet.run(async {
            for path in &paths {
                r.client().add_path(path).await?;
            }
            Ok::<_, sdwan_gobgp::Error>(())
        })?;
        let all: Vec<(&str, &str)> = names
            .iter()
            .map(|name| (name.as_str(), "10.1.0.9%up0"))
            .collect();
        until_routes(machine, &all)?;
        for _ in 0..20 {
            machine.netns().ip("link set up0 down\nlink set up0 up\n")?;
        }
        until_routes(machine, &all)?;
        agent.until_in_step().map(drop)
    });
}
