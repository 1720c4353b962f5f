//! `--redistribute`: which of the kernel's routes BGP shall tell of.
//!
//! Only others' routes are looked at: what came from BGP never goes back.

use crate::kernel::{Action, Route, Touched, View};
use ipnet::IpNet;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// What is redistributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Redistribute {
    /// The networks of this host's interfaces.
    Connected,
    /// Routes that an operator or FRR's staticd put there.
    Static,
    /// Whatever leads to exactly this prefix.
    Prefix(IpNet),
}

impl FromStr for Redistribute {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "connected" => return Ok(Self::Connected),
            "static" => return Ok(Self::Static),
            _ => {}
        }
        let prefix: IpNet = text
            .parse()
            .map_err(|_| format!("`{text}` is neither `connected` nor `static` nor a prefix"))?;
        if prefix.trunc() != prefix {
            return Err(format!("did you mean {}?", prefix.trunc()));
        }
        Ok(Self::Prefix(prefix))
    }
}

impl fmt::Display for Redistribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("connected"),
            Self::Static => f.write_str("static"),
            Self::Prefix(prefix) => write!(f, "{prefix}"),
        }
    }
}

/// Of `rt_protos`: the kernel itself.
const KERNEL: u8 = 2;
/// `ip route add`, `static` by hand, FRR's staticd.
const STATIC: [u8; 3] = [3, 4, 196];

/// The prefixes that BGP shall tell of, kept as the kernel changes.
#[derive(Clone, Debug, Default)]
pub struct Announced {
    rules: BTreeSet<Redistribute>,
    prefixes: BTreeSet<IpNet>,
}

impl Announced {
    /// By these rules; none: nothing.
    #[must_use]
    pub fn new(rules: BTreeSet<Redistribute>, view: &View) -> Self {
        let mut announced = Self {
            rules,
            prefixes: BTreeSet::new(),
        };
        announced.look(view);
        announced
    }

    /// They, in order.
    #[must_use]
    pub fn prefixes(&self) -> &BTreeSet<IpNet> {
        &self.prefixes
    }

    /// Something changed; says whether the prefixes did.
    pub fn changed(&mut self, view: &View, touched: &Touched) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        if touched.link.is_some() {
            return self.look(view);
        }
        touched.prefix.is_some_and(|prefix| {
            let mut routes = view.routes_to(&prefix).iter();
            if routes.any(|route| is_announced(view, &self.rules, route)) {
                self.prefixes.insert(prefix)
            } else {
                self.prefixes.remove(&prefix)
            }
        })
    }

    /// Looks at all routes; says whether the prefixes changed.
    pub fn look(&mut self, view: &View) -> bool {
        if self.rules.is_empty() {
            return false;
        }
        let routes = view
            .routes()
            .filter(|route| is_announced(view, &self.rules, route));
        let now: BTreeSet<IpNet> = routes.map(|route| route.prefix).collect();
        let before = std::mem::replace(&mut self.prefixes, now);
        before != self.prefixes
    }
}

fn is_announced(view: &View, rules: &BTreeSet<Redistribute>, route: &Route) -> bool {
    let connected = route.protocol == KERNEL && route.legs.iter().all(|leg| leg.gateway.is_none());
    let asked = rules.contains(&Redistribute::Prefix(route.prefix))
        || (connected && rules.contains(&Redistribute::Connected))
        || (STATIC.contains(&route.protocol) && rules.contains(&Redistribute::Static));
    asked && !is_of_this_host(&route.prefix) && is_alive(view, route)
}

/// Prefixes that mean something here only.
fn is_of_this_host(prefix: &IpNet) -> bool {
    match prefix.network() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_link_local() || v4.is_multicast(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unicast_link_local() || v6.is_multicast(),
    }
}

/// A route that drops packets is there to be told of; any other needs a way.
fn is_alive(view: &View, route: &Route) -> bool {
    match route.action {
        Action::Blackhole | Action::Unreachable | Action::Prohibit => true,
        Action::Other => false,
        Action::Unicast => route.legs.iter().any(|leg| {
            let link = view.link(leg.device);
            link.is_some_and(|link| link.carries() && !link.loopback)
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Event, Leg, Link, Place};

    fn view() -> View {
        let mut view = View::default();
        for (index, carrier) in [(1, true), (2, true), (3, false)] {
            view.apply(Event::Link(Link {
                index,
                name: format!("eth{index}"),
                up: true,
                carrier,
                loopback: index == 1,
            }));
        }
        let routes = [
            ("127.0.0.0/8", 2, 1, None),
            ("10.0.1.0/24", 2, 1, None),
            ("10.0.2.0/24", 2, 2, None),
            ("10.0.3.0/24", 2, 3, None),
            ("fe80::/64", 2, 2, None),
            ("2001:db8:2::/64", 2, 2, None),
            ("192.0.2.0/24", 4, 2, Some("10.0.2.9")),
            ("198.51.100.0/24", 196, 2, Some("10.0.2.9")),
            ("203.0.113.0/24", 186, 2, Some("10.0.2.9")),
        ];
        for (prefix, protocol, device, gateway) in routes {
            let gateway = gateway.map(|text| text.parse().unwrap());
            let legs = vec![Leg {
                gateway,
                device,
                onlink: false,
            }];
            let route = Route {
                prefix: prefix.parse().unwrap(),
                table: 254,
                protocol,
                metric: 0,
                action: Action::Unicast,
                legs,
            };
            view.apply(Event::Route(route, Place::Last));
        }
        let hole = Route {
            prefix: "172.16.0.0/12".parse().unwrap(),
            table: 254,
            protocol: 4,
            metric: 0,
            action: Action::Blackhole,
            legs: vec![],
        };
        view.apply(Event::Route(hole, Place::Last));
        view
    }

    fn of(rules: &[&str]) -> Vec<String> {
        let rules = rules.iter().map(|rule| rule.parse().unwrap()).collect();
        let all = Announced::new(rules, &view());
        all.prefixes().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn each_rule_takes_what_it_names_and_nothing_of_this_host_alone() {
        assert_eq!(of(&["connected"]), ["10.0.2.0/24", "2001:db8:2::/64"]);
        assert_eq!(
            of(&["static"]),
            ["172.16.0.0/12", "192.0.2.0/24", "198.51.100.0/24"]
        );
        assert_eq!(of(&["203.0.113.0/24", "9.0.0.0/8"]), ["203.0.113.0/24"]);
        assert_eq!(of(&["fe80::/64", "127.0.0.0/8", "10.0.3.0/24"]), [""; 0]);
        assert_eq!(of(&[]), [""; 0]);
    }

    #[test]
    fn what_comes_and_goes_is_followed() {
        let mut view = view();
        let rules = BTreeSet::from([Redistribute::Connected, Redistribute::Static]);
        let mut announced = Announced::new(rules.clone(), &view);
        let link = Link {
            carrier: false,
            ..view.link(2).unwrap().clone()
        };
        let hole = view.routes_to(&"172.16.0.0/12".parse().unwrap())[0].clone();
        for event in [
            Event::Link(link.clone()),
            Event::RouteGone(hole.clone()),
            Event::Route(hole, Place::First),
            Event::Link(Link {
                carrier: true,
                ..link
            }),
        ] {
            let before = announced.prefixes().clone();
            let touched = view.apply(event);
            let changed = announced.changed(&view, &touched);
            assert!(changed && before != *announced.prefixes());
            let afresh = Announced::new(rules.clone(), &view);
            assert_eq!(announced.prefixes(), afresh.prefixes());
        }
        assert!(!announced.look(&view));
    }

    #[test]
    fn a_rule_that_means_nothing_is_refused() {
        let refused = |text: &str| text.parse::<Redistribute>().unwrap_err();
        assert_eq!(
            refused("bgp"),
            "`bgp` is neither `connected` nor `static` nor a prefix"
        );
        assert_eq!(refused("10.0.0.1/8"), "did you mean 10.0.0.0/8?");
        let rule: Redistribute = "::/0".parse().unwrap();
        assert_eq!(rule.to_string(), "::/0");
    }
}
