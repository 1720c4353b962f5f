//! What a statement asks of a route.

use super::{Family, wire_enum};
use crate::dialect::Api;
use crate::wire;

/// Conditions; all that are set must hold.
///
/// Newer versions have one on ORIGIN too, which none of them lists: a
/// statement with it can't be told from one without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// The route's prefix.
    pub prefix_set: Option<MatchSet>,
    /// The neighbor it came from (import) or goes to (export).
    pub neighbor_set: Option<MatchSet>,
    /// AS_PATH's length.
    pub as_path_length: Option<Count>,
    /// AS_PATH.
    pub as_path_set: Option<MatchSet>,
    /// Communities.
    pub community_set: Option<MatchSet>,
    /// Extended communities.
    pub ext_community_set: Option<MatchSet>,
    /// Large communities.
    pub large_community_set: Option<MatchSet>,
    /// Origin validation (RFC 6811).
    pub rpki_result: Option<Validation>,
    /// Where the route comes from.
    pub route_type: Option<RouteType>,
    /// Next hops, as prefixes.
    pub next_hop_in_list: Vec<String>,
    /// Address families.
    pub afi_safi_in: Vec<Family>,
    /// The number of communities; from 3.36 on.
    pub community_count: Option<Count>,
    /// LOCAL_PREF; version 4.
    pub local_pref_eq: Option<u32>,
    /// MULTI_EXIT_DISC; version 4.
    pub med_eq: Option<u32>,
}

/// A defined set and how it is matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MatchSet {
    /// How.
    pub match_type: MatchType,
    /// The set's name.
    pub name: String,
}

wire_enum! {
    /// How a set is matched.
    MatchType {
        /// One of its members.
        Any = 0,
        /// All of its members.
        All = 1,
        /// None of its members.
        Invert = 2,
    }
}

/// A number and how it is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How.
    pub comparison: Comparison,
    /// With what.
    pub value: u32,
}

wire_enum! {
    /// How numbers are compared.
    Comparison {
        /// The same.
        Eq = 0,
        /// The same or greater.
        Ge = 1,
        /// The same or less.
        Le = 2,
    }
}

wire_enum! {
    /// Origin validation's outcome.
    Validation {
        /// Not done.
        None = 0,
        /// No ROA covers the prefix.
        NotFound = 1,
        /// A ROA matches.
        Valid = 2,
        /// ROAs cover the prefix and none matches.
        Invalid = 3,
    }
}

wire_enum! {
    /// Where a route comes from.
    RouteType {
        /// iBGP.
        Internal = 1,
        /// eBGP.
        External = 2,
        /// This router.
        Local = 3,
    }
}

impl MatchSet {
    /// Matches any member of the set.
    pub fn any(name: impl Into<String>) -> Self {
        Self {
            match_type: MatchType::Any,
            name: name.into(),
        }
    }

    fn to_wire(&self, api: Api) -> wire::MatchSet {
        wire::MatchSet {
            r#type: api.shift(self.match_type.number()),
            name: self.name.clone(),
        }
    }

    fn from_wire(set: wire::MatchSet, api: Api) -> Self {
        Self {
            match_type: MatchType::from_number(api.unshift(set.r#type)),
            name: set.name,
        }
    }
}

impl Conditions {
    pub(crate) fn to_wire(&self, api: Api) -> wire::Conditions {
        let set = |set: &Option<MatchSet>| set.as_ref().map(|set| set.to_wire(api));
        let equals = |value: Option<u32>| value.map(|value| wire::Equals { value });
        let comparison = |count: &Count| api.shift(count.comparison.number());
        wire::Conditions {
            prefix_set: set(&self.prefix_set),
            neighbor_set: set(&self.neighbor_set),
            as_path_length: self.as_path_length.map(|count| wire::AsPathLength {
                r#type: comparison(&count),
                length: count.value,
            }),
            as_path_set: set(&self.as_path_set),
            community_set: set(&self.community_set),
            ext_community_set: set(&self.ext_community_set),
            rpki_result: match self.rpki_result {
                // "Unspecified" in both versions: version 3 drops -1 and 0.
                None => 0,
                Some(result) => api.shift(result.number()),
            },
            route_type: self.route_type.map_or(0, RouteType::number),
            large_community_set: set(&self.large_community_set),
            next_hop_in_list: self.next_hop_in_list.clone(),
            afi_safi_in: self
                .afi_safi_in
                .iter()
                .map(|family| family.to_wire())
                .collect(),
            community_count: self.community_count.map(|count| wire::CommunityCount {
                r#type: comparison(&count),
                count: count.value,
            }),
            local_pref_eq: equals(self.local_pref_eq),
            med_eq: equals(self.med_eq),
        }
    }

    pub(crate) fn from_wire(conditions: wire::Conditions, api: Api) -> Self {
        let set = |set: Option<wire::MatchSet>| set.map(|set| MatchSet::from_wire(set, api));
        let count = |kind: i32, value: u32| Count {
            comparison: Comparison::from_number(api.unshift(kind)),
            value,
        };
        let nonzero = |number: i32| Some(number).filter(|number| *number != 0);
        // -1 is "none" in both versions once version 4's shift is undone;
        // version 3 writes it, version 4's "unspecified" becomes it.
        let rpki = Some(api.unshift(conditions.rpki_result)).filter(|number| *number != -1);
        Self {
            prefix_set: set(conditions.prefix_set),
            neighbor_set: set(conditions.neighbor_set),
            as_path_length: conditions.as_path_length.map(|c| count(c.r#type, c.length)),
            as_path_set: set(conditions.as_path_set),
            community_set: set(conditions.community_set),
            ext_community_set: set(conditions.ext_community_set),
            large_community_set: set(conditions.large_community_set),
            rpki_result: rpki.map(Validation::from_number),
            route_type: nonzero(conditions.route_type).map(RouteType::from_number),
            next_hop_in_list: conditions.next_hop_in_list,
            afi_safi_in: conditions
                .afi_safi_in
                .iter()
                .filter_map(Family::from_wire)
                .collect(),
            community_count: conditions.community_count.map(|c| count(c.r#type, c.count)),
            local_pref_eq: conditions.local_pref_eq.map(|equals| equals.value),
            med_eq: conditions.med_eq.map(|equals| equals.value),
        }
    }
}
