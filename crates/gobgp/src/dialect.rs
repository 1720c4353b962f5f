//! What differs between versions 3 and 4 on the wire: the service's path, and
//! enums to which version 4 added a zero of its own.

use http::uri::PathAndQuery;

/// The management API's major version. No RPC tells more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Api {
    /// `apipb.GobgpApi`, GoBGP 3.
    V3,
    /// `api.GoBgpService`, GoBGP 4.
    V4,
}

impl Api {
    /// The number on the wire of a drifting enum's value; `number` is version 3's.
    pub(crate) fn shift(self, number: i32) -> i32 {
        match self {
            Self::V3 => number,
            Self::V4 => number.saturating_add(1),
        }
    }

    /// Version 3's number of a drifting enum's value; -1 is version 4's
    /// "unspecified", which version 3 can't say.
    pub(crate) fn unshift(self, wire: i32) -> i32 {
        match self {
            Self::V3 => wire,
            Self::V4 => wire.saturating_sub(1),
        }
    }
}

/// An RPC: its name and its path in each version.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rpc {
    pub(crate) name: &'static str,
    v3: &'static str,
    v4: &'static str,
}

impl Rpc {
    pub(crate) const fn new(name: &'static str, v3: &'static str, v4: &'static str) -> Self {
        Self { name, v3, v4 }
    }

    pub(crate) fn path(self, api: Api) -> PathAndQuery {
        PathAndQuery::from_static(match api {
            Api::V3 => self.v3,
            Api::V4 => self.v4,
        })
    }
}

/// `rpc!("GetBgp")`: the [`Rpc`] of that name.
macro_rules! rpc {
    ($name:literal) => {
        $crate::dialect::Rpc::new(
            $name,
            concat!("/apipb.GobgpApi/", $name),
            concat!("/api.GoBgpService/", $name),
        )
    };
}
pub(crate) use rpc;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_numbers_drift() {
        let rpc = rpc!("GetBgp");
        assert_eq!(rpc.path(Api::V3).as_str(), "/apipb.GobgpApi/GetBgp");
        assert_eq!(rpc.path(Api::V4).as_str(), "/api.GoBgpService/GetBgp");
        assert_eq!(Api::V3.shift(2), 2);
        assert_eq!(Api::V4.shift(2), 3);
        for api in [Api::V3, Api::V4] {
            assert_eq!(api.unshift(api.shift(5)), 5);
        }
        assert_eq!(Api::V4.unshift(0), -1);
        assert_eq!(Api::V4.unshift(i32::MIN), i32::MIN);
    }
}
