//! The demo's network as a picture.

/// The network, at most 100 columns wide.
pub const PICTURE: &str = r"
                                  AS 65000         AS 65001          AS 65001        AS 65002
 ┌───────┐     ┌──────────┐     ┌─────────┐      ┌─────────┐       ┌─────────┐     ┌──────────┐
 │ host1 │     │ Quagga-1 │     │  SRX-1  │ eBGP │ GoBGP-1 │ iBGP  │ GoBGP-3 │eBGP │ Quagga-2 │
 │     .1├─────┤.201    .1├──┬──┤.101   .1├──────┤.2     .1├───────┤.2     .1├─────┤.2      .1├──┐
 └───────┘     └──────────┘  │  └─────────┘      └─────────┘       │         │     └──────────┘  │
    192.168.100.0/24         │        192.168.0.0/24  172.16.0.0/24│         │  192.168.2.0/24   │
              192.168.3.0/24 │  VRRP 192.168.3.100                 │         │                   │
                             │        192.168.1.0/24  172.16.1.0/24│         │  192.168.101.0/24 │
                             │  ┌─────────┐      ┌─────────┐       │         │     ┌──────────┐  │
                             │  │  SRX-2  │ eBGP │ GoBGP-2 │ iBGP  │         │     │   pc1    │  │
                             └──┤.102   .1├──────┤.2     .1├───────┤.2       │     │        .2├──┘
                                └─────────┘      └────┬────┘       └────┬────┘     └──────────┘
                                  AS 65000         AS 65001             │
                                                      │                 │
   sdwan ─────────────────────────────────────────────┴─────────────────┴─ management
   192.168.200.1      GoBGP-1 .103, GoBGP-2 .104, GoBGP-3 .105            192.168.200.0/24
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
