//! The zebra that puts gobgpd's routes into the kernel.

use crate::wire;

/// How gobgpd speaks with a zebra.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zebra {
    /// `unix:PATH`, or `tcp:HOST:PORT`.
    pub url: String,
    /// Zebra's API version, 2 to 6: 6 for FRR 6 and newer.
    pub version: u8,
    /// What that zebra is, e.g. `frr8.4`; its messages differ within a
    /// version. Empty is what gobgpd takes for the usual one.
    pub software_name: String,
    /// The kinds of zebra's own routes that gobgpd announces, e.g.
    /// `directly-connected` and `static`.
    pub route_types: Vec<String>,
    /// Follows whether next hops can be reached, if wanted so many seconds
    /// after a change.
    pub nexthop_trigger_delay: Option<u8>,
    /// How many MPLS labels to ask for; 0 for none.
    pub mpls_label_range_size: u32,
}

impl Zebra {
    /// The least that is needed.
    pub fn new(url: impl Into<String>, version: u8, software_name: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            version,
            software_name: software_name.into(),
            route_types: Vec::new(),
            nexthop_trigger_delay: None,
            mpls_label_range_size: 0,
        }
    }

    pub(crate) fn to_wire(&self) -> wire::EnableZebraRequest {
        wire::EnableZebraRequest {
            url: self.url.clone(),
            route_types: self.route_types.clone(),
            version: self.version.into(),
            nexthop_trigger_enable: self.nexthop_trigger_delay.is_some(),
            nexthop_trigger_delay: self.nexthop_trigger_delay.unwrap_or_default().into(),
            mpls_label_range_size: self.mpls_label_range_size,
            software_name: self.software_name.clone(),
        }
    }
}
