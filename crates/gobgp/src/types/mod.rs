//! GoBGP's objects as plain Rust values, the same for versions 3 and 4.
//! Names and meanings are GoBGP's own.

mod actions;
mod conditions;
mod defined_set;
mod family;
mod global;
mod path;
mod peer;
mod peer_decode;
mod peer_state;
mod policy;
mod route;
mod settings;
mod zebra;

pub use actions::{
    Actions, AsPrepend, CommunityAction, CommunityActionType, MedAction, MedActionType,
    NextHopAction, Origin,
};
pub use conditions::{Comparison, Conditions, Count, MatchSet, MatchType, RouteType, Validation};
pub use defined_set::{DefinedSet, DefinedType, Prefix};
pub use family::Family;
pub use global::Global;
pub use path::{Destination, LookupType, Path, PathFilter, PathId, TableType};
pub use peer::{
    AddPaths, AfiSafi, EbgpMultihop, GracefulRestart, Peer, PeerConf, PeerFilter, PeerType,
    PrefixLimit, RemovePrivate, RouteReflector, RouteServer, Timers, Transport, TtlSecurity,
};
pub use peer_state::{
    AdminState, MessageCounts, Messages, PeerEvent, PeerEventKind, PeerState, ResetDirection,
    SessionState,
};
pub use policy::{Policy, PolicyAssignment, PolicyDirection, RouteAction, Statement};
pub use route::{BestChange, BestPath, RouteEvent};
pub use settings::{AfiSafiSettings, GracefulRestartSettings, PeerSettings};
pub use zebra::Zebra;

/// An enum of the wire: named values, and the numbers that nobody named yet.
macro_rules! wire_enum {
    ($(#[$meta:meta])* $name:ident { $($(#[$vmeta:meta])* $variant:ident = $number:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$vmeta])* $variant,)+
            /// A number that this crate has no name for.
            Other(i32),
        }

        #[allow(dead_code, reason = "some are only read, some only written")]
        impl $name {
            pub(crate) fn from_number(number: i32) -> Self {
                match number {
                    $($number => Self::$variant,)+
                    other => Self::Other(other),
                }
            }

            pub(crate) fn number(self) -> i32 {
                match self {
                    $(Self::$variant => $number,)+
                    Self::Other(other) => other,
                }
            }
        }
    };
}
use wire_enum;

/// Text for an address that may not be there: version 4 writes "invalid IP"
/// then, version 3 in places "<nil>".
pub(crate) fn address_text(text: String) -> String {
    match text.as_str() {
        "invalid IP" | "<nil>" => String::new(),
        _ => text,
    }
}
