//! What a statement does to a route.

use super::{RouteAction, wire_enum};
use crate::dialect::Api;
use crate::wire;
use std::net::IpAddr;

/// Actions; those that are set are all done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actions {
    /// What becomes of the route.
    pub route_action: RouteAction,
    /// Communities.
    pub community: Option<CommunityAction>,
    /// Extended communities.
    pub ext_community: Option<CommunityAction>,
    /// Large communities.
    pub large_community: Option<CommunityAction>,
    /// MULTI_EXIT_DISC.
    pub med: Option<MedAction>,
    /// AS_PATH.
    pub as_prepend: Option<AsPrepend>,
    /// The next hop.
    pub next_hop: Option<NextHopAction>,
    /// LOCAL_PREF; gobgpd takes 0 for no action.
    pub local_pref: Option<u32>,
    /// ORIGIN; from 3.36 on.
    pub origin: Option<Origin>,
}

impl Default for Actions {
    /// Nothing is done.
    fn default() -> Self {
        Self {
            route_action: RouteAction::None,
            community: None,
            ext_community: None,
            large_community: None,
            med: None,
            as_prepend: None,
            next_hop: None,
            local_pref: None,
            origin: None,
        }
    }
}

/// A change to communities.
///
/// gobgpd lists what is removed as regular expressions, e.g. `^65000:1$`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommunityAction {
    /// How.
    pub kind: CommunityActionType,
    /// Which. None with `Replace` takes all away.
    pub communities: Vec<String>,
}

wire_enum! {
    /// How communities change.
    CommunityActionType {
        /// These are added.
        Add = 0,
        /// These are removed.
        Remove = 1,
        /// These stand instead of all.
        Replace = 2,
    }
}

/// A change to MULTI_EXIT_DISC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MedAction {
    /// How.
    pub kind: MedActionType,
    /// By how much, or to what.
    pub value: i64,
}

wire_enum! {
    /// How MULTI_EXIT_DISC changes.
    MedActionType {
        /// By the value, up or down.
        Modify = 0,
        /// To the value.
        Replace = 1,
    }
}

/// AS numbers put in front of AS_PATH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AsPrepend {
    /// `None` repeats the leftmost AS of the path.
    pub asn: Option<u32>,
    /// How often, to 255.
    pub repeat: u32,
}

/// A next hop to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHopAction {
    /// This address.
    Address(IpAddr),
    /// The router's own address on the session.
    SelfAddress,
    /// As received.
    Unchanged,
    /// The neighbor's address; 3.10 does not know it, and silently does
    /// nothing instead.
    PeerAddress,
    /// Listed, and none of these.
    Other,
}

wire_enum! {
    /// ORIGIN (RFC 4271, 5.1.1) in policies.
    Origin {
        /// Interior.
        Igp = 1,
        /// Exterior.
        Egp = 2,
        /// By other means.
        Incomplete = 3,
    }
}

impl Actions {
    pub(crate) fn to_wire(&self, api: Api) -> wire::Actions {
        let communities = |action: &Option<CommunityAction>| {
            action.as_ref().map(|action| wire::CommunityAction {
                r#type: api.shift(action.kind.number()),
                communities: action.communities.clone(),
            })
        };
        wire::Actions {
            route_action: self.route_action.number(),
            community: communities(&self.community),
            med: self.med.map(|med| wire::MedAction {
                r#type: api.shift(med.kind.number()),
                value: med.value,
            }),
            as_prepend: self.as_prepend.map(|prepend| wire::AsPrependAction {
                asn: prepend.asn.unwrap_or(0),
                repeat: prepend.repeat,
                use_left_most: prepend.asn.is_none(),
            }),
            ext_community: communities(&self.ext_community),
            nexthop: self.next_hop.map(NextHopAction::to_wire),
            local_pref: self.local_pref.map(|value| wire::LocalPrefAction { value }),
            large_community: communities(&self.large_community),
            origin_action: self
                .origin
                .map(|o| wire::OriginAction { origin: o.number() }),
        }
    }

    pub(crate) fn from_wire(actions: wire::Actions, api: Api) -> Self {
        let communities = |action: Option<wire::CommunityAction>| {
            action.map(|action| CommunityAction {
                kind: CommunityActionType::from_number(api.unshift(action.r#type)),
                communities: action.communities,
            })
        };
        Self {
            route_action: RouteAction::from_number(actions.route_action),
            community: communities(actions.community),
            ext_community: communities(actions.ext_community),
            large_community: communities(actions.large_community),
            med: actions.med.map(|med| MedAction {
                kind: MedActionType::from_number(api.unshift(med.r#type)),
                value: med.value,
            }),
            as_prepend: actions.as_prepend.map(|prepend| AsPrepend {
                asn: (!prepend.use_left_most).then_some(prepend.asn),
                repeat: prepend.repeat,
            }),
            next_hop: actions
                .nexthop
                .map(|next_hop| NextHopAction::from_wire(&next_hop)),
            local_pref: actions.local_pref.map(|local_pref| local_pref.value),
            origin: actions
                .origin_action
                .map(|action| Origin::from_number(action.origin)),
        }
    }
}

impl NextHopAction {
    fn to_wire(self) -> wire::NexthopAction {
        let mut action = wire::NexthopAction::default();
        match self {
            Self::Address(address) => action.address = address.to_string(),
            Self::SelfAddress => action.self_ = true,
            Self::Unchanged => action.unchanged = true,
            Self::PeerAddress => action.peer_address = true,
            Self::Other => {}
        }
        action
    }

    fn from_wire(action: &wire::NexthopAction) -> Self {
        match (action.self_, action.unchanged, action.peer_address) {
            (true, false, false) => Self::SelfAddress,
            (false, true, false) => Self::Unchanged,
            (false, false, true) => Self::PeerAddress,
            (false, false, false) => action.address.parse().map_or(Self::Other, Self::Address),
            _ => Self::Other,
        }
    }
}
