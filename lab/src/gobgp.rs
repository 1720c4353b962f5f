//! Reading routing tables as `gobgp global rib` and FRR's `show ip bgp` print them.

use std::fmt;

/// A route in a table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Whether it is the one that is used.
    pub best: bool,
    /// Its prefix.
    pub network: String,
    /// Its next hop.
    pub next_hop: String,
    /// Its AS path, the nearest first.
    pub as_path: String,
}

impl Route {
    /// A route to compare with.
    #[must_use]
    pub fn new(best: bool, network: &str, next_hop: &str, as_path: &str) -> Self {
        let own = str::to_owned;
        Self {
            best,
            network: own(network),
            next_hop: own(next_hop),
            as_path: own(as_path),
        }
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.best { "*>" } else { "*" };
        write!(f, "{mark} {} via {}", self.network, self.next_hop)?;
        if !self.as_path.is_empty() {
            write!(f, " path {}", self.as_path)?;
        }
        Ok(())
    }
}

/// Routes as one line says them.
#[must_use]
pub fn listed(routes: &[Route]) -> String {
    if routes.is_empty() {
        return "no route".to_owned();
    }
    routes
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

/// The routes in what `gobgp global rib` prints.
#[must_use]
pub fn rib(text: &str) -> Vec<Route> {
    text.lines().filter_map(rib_line).collect()
}

/// `*> 0.0.0.0/0   192.168.0.1   65000   00:00:43   [{Origin: i}]`
fn rib_line(line: &str) -> Option<Route> {
    let mut words = line.split_whitespace();
    let mark = words.next()?;
    if !mark.starts_with('*') {
        return None;
    }
    let (network, next_hop) = (words.next()?, words.next()?);
    // The age ends the path.
    let as_path: Vec<_> = words.take_while(|word| !word.contains(':')).collect();
    Some(Route::new(
        mark.contains('>'),
        network,
        next_hop,
        &as_path.join(" "),
    ))
}

/// The routes in what FRR's `show ip bgp` prints; those without a weight's column are other lines.
#[must_use]
pub fn show_ip_bgp(text: &str) -> Vec<Route> {
    let table = text
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("Network"));
    table.filter_map(frr_line).collect()
}

/// `*> 0.0.0.0/0        192.168.2.1                            0 65001 65000 i`
fn frr_line(line: &str) -> Option<Route> {
    let (mark, rest) = line.trim_start().split_once(' ')?;
    if !mark.starts_with('*') {
        return None;
    }
    let mut words = rest.split_whitespace();
    let (network, next_hop) = (words.next()?, words.next()?);
    // Metric and local preference may be blank; the weight is always there, before the path.
    let rest: Vec<_> = words.collect();
    let (_origin, numbers) = rest.split_last()?;
    let weight = numbers
        .iter()
        .rposition(|number| ["0", "32768"].contains(number))?;
    let as_path = numbers.get(weight + 1..)?.join(" ");
    Some(Route::new(mark.contains('>'), network, next_hop, &as_path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gobgps_table_is_read() {
        let text = "   Network              Next Hop             AS_PATH              Age        Attrs
*> 0.0.0.0/0            192.168.0.1          65000                00:00:43   [{Origin: i} {LocalPref: 100}]
*  0.0.0.0/0            192.168.1.1          65000                00:00:43   [{Origin: i} {LocalPref: 100}]
*> 10.0.0.0/8           0.0.0.0                                   00:00:01   [{Origin: ?}]
";
        assert_eq!(
            rib(text),
            [
                Route::new(true, "0.0.0.0/0", "192.168.0.1", "65000"),
                Route::new(false, "0.0.0.0/0", "192.168.1.1", "65000"),
                Route::new(true, "10.0.0.0/8", "0.0.0.0", ""),
            ]
        );
        assert_eq!(rib("Network not in table\n"), []);
    }

    #[test]
    fn frrs_table_is_read() {
        let text = "BGP table version is 2, local router ID is 10.0.0.4, vrf id 0
Status codes:  s suppressed, d damped, h history, * valid, > best, = multipath,
   Network          Next Hop            Metric LocPrf Weight Path
*> 0.0.0.0/0        192.168.2.1                            0 65001 65000 i
*> 192.168.101.0/24 0.0.0.0                  0         32768 i

Displayed  2 routes and 2 total paths
";
        assert_eq!(
            show_ip_bgp(text),
            [
                Route::new(true, "0.0.0.0/0", "192.168.2.1", "65001 65000"),
                Route::new(true, "192.168.101.0/24", "0.0.0.0", ""),
            ]
        );
    }
}
