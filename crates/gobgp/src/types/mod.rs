//! GoBGP's objects as plain Rust values, the same for versions 3 and 4.
//! Names and meanings are GoBGP's own.

mod actions;
mod conditions;
mod defined_set;
mod family;
mod global;
mod peer;
mod policy;
mod settings;

pub use actions::{
    Actions, AsPrepend, CommunityAction, CommunityActionType, MedAction, MedActionType,
    NextHopAction, Origin,
};
pub use conditions::{Comparison, Conditions, Count, MatchSet, MatchType, RouteType, Validation};
pub use defined_set::{DefinedSet, DefinedType, Prefix};
pub use family::Family;
pub use global::Global;
pub use peer::{
    AddPaths, AdminState, AfiSafi, DisconnectReason, EbgpMultihop, GracefulRestart, MessageCounts,
    Messages, Peer, PeerConf, PeerEvent, PeerEventKind, PeerState, PeerType, PrefixLimit,
    RemovePrivate, ResetDirection, RouteReflector, RouteServer, SessionState, Timers, Transport,
    TtlSecurity,
};
pub use policy::{Policy, PolicyAssignment, PolicyDirection, RouteAction, Statement};
pub use settings::{AfiSafiSettings, GracefulRestartSettings, PeerSettings};

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

        impl $name {
            pub(crate) fn from_number(number: i32) -> Self {
                match number {
                    $($number => Self::$variant,)+
                    other => Self::Other(other),
                }
            }

            #[allow(dead_code, reason = "some are only ever read")]
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
