//! The demo's network as a picture.

/// The network, at most 100 columns wide.
pub const PICTURE: &str = "
                                 AS 65000           AS 65001           AS 65001         AS 65002
 ┌───────┐    ┌──────────┐     ┌─────────┐  eBGP  ┌─────────┐  iBGP  ┌─────────┐ eBGP ┌──────────┐
 │ host1 │    │ Quagga-1 │     │  SRX-1  │        │ GoBGP-1 │        │ GoBGP-3 │      │ Quagga-2 │
 │     .1├──a─┤.201    .1├─b┬──┤.101   .1├───c────┤.2     .1├───e────┤.2     .1├──g───┤.2      .1├─┐
 └───────┘    └──────────┘  │  └─────────┘        └─────────┘        │         │      └──────────┘ │
                            │                                        │         │                   h
             VRRP           │  ┌─────────┐        ┌─────────┐        │         │      ┌──────────┐ │
             192.168.3.100  │  │  SRX-2  │        │ GoBGP-2 │        │         │      │   pc1  .2├─┘
                            └──┤.102   .1├───d────┤.2     .1├───f────┤.2       │      └──────────┘
                               └─────────┘  eBGP  └─────────┘  iBGP  └─────────┘
                                 AS 65000           AS 65001
   a 192.168.100.0/24    c 192.168.0.0/24    e 172.16.0.0/24    g 192.168.2.0/24
   b 192.168.3.0/24      d 192.168.1.0/24    f 172.16.1.0/24    h 192.168.101.0/24

   management network 192.168.200.0/24: sdwan .1, GoBGP-1 .103, GoBGP-2 .104, GoBGP-3 .105
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology;

    #[test]
    fn every_node_and_network_is_in_the_picture() {
        for node in topology::seed().nodes {
            assert!(PICTURE.contains(node.name), "{}", node.name);
            for port in &node.ports {
                assert!(
                    PICTURE.contains(&port.address.trunc().to_string()),
                    "{}",
                    port.address
                );
            }
        }
    }

    #[test]
    fn it_fits_a_terminal() {
        let widest = PICTURE.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(100), "{widest:?}");
    }
}
