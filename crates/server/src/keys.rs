//! Every key that the server has in the store, made and read in one place.
//!
//! `/config`, `/state` and `/monitoring` keep Gohan's layout, which others may
//! watch; the rest is ours. Ids never contain a slash (the catalog sees to
//! it); names of daemon objects and unique values may, and stand last.

use sdwan_model::plan::{OwnedKey, OwnedKind};

/// Everything lives under this; the mirror watches it.
pub const ALL: &str = "/";
/// The store's format, a number in text.
pub const FORMAT: &str = "/meta/format";
/// The id of the key that the secrets are sealed with.
pub const KEY: &str = "/meta/key";
/// How often what the store holds was restored from a dump, a number in text;
/// absent: never.
pub const EPOCH: &str = "/meta/epoch";
/// There from a restore's first commit to its last.
pub const RESTORING: &str = "/meta/restoring";
/// Written by a server that has to see how far the store is.
pub const SYNC: &str = "/meta/sync";
/// What the store knows of itself.
pub const META: &str = "/meta/";
/// What servers that share a store tell each other; nothing that lasts.
pub const CLUSTER: &str = "/cluster/";

const CONFIG: &str = "/config/v2.0/";
const STATE: &str = "/state/v2.0/";
const MONITORING: &str = "/monitoring/v2.0/";
const DELETING: &str = "/deleting/";
const OWNED: &str = "/owned/";
const REACHABILITY: &str = "/reachability/";
const HOLD: &str = "/hold/";
/// The tokens that this store itself knows callers by.
pub const TOKENS: &str = "/auth/tokens/";
const UNIQUE: &str = "/index/unique/";
const REFERENCE: &str = "/index/reference/";
/// The servers that share the store.
pub const MEMBERS: &str = "/cluster/members/";
/// Which of them looks after which router.
pub const CLAIMS: &str = "/cluster/claims/";
/// Who has or had which router.
pub const KEEPERS: &str = "/cluster/keepers/";

/// Whom a hold is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Every router, also ones to come.
    All,
    /// One, by id.
    Router(String),
}

/// What a key is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Key<'a> {
    /// A declared row.
    Config(&'a str, &'a str),
    /// What the configuring side said of it.
    State(&'a str, &'a str),
    /// What the watching side said of it.
    Monitoring(&'a str, &'a str),
    /// A row that its router has not let go of yet.
    Deleting(&'a str, &'a str),
    /// An object of ours on a router.
    Owned(&'a str, OwnedKey),
    /// Whether a router answers.
    Reachability(&'a str),
    /// A router, or all, not to be touched.
    Hold(Scope),
    /// A token that callers are known by.
    Token(&'a str),
    /// A server that shares the store, while its lease lives.
    Member(&'a str),
    /// The member that looks after a router, while its lease lives.
    Claim(&'a str),
    /// The member that looks after a router, or that did last.
    Keeper(&'a str),
    /// The store's format.
    Format,
    /// How often the store was restored.
    Epoch,
    /// A unique value and who holds it.
    Unique,
    /// A row's reference to another.
    Reference {
        /// The row that is referred to: plural and id.
        to: (&'a str, &'a str),
        /// The row that refers.
        by: (&'a str, &'a str),
    },
    /// The store's own matters, or nothing that this server knows.
    Other,
}

impl<'a> Key<'a> {
    /// What this key is about.
    pub fn parse(key: &'a str) -> Self {
        let row = |rest: &'a str| rest.split_once('/');
        if let Some((plural, id)) = key.strip_prefix(CONFIG).and_then(row) {
            Self::Config(plural, id)
        } else if let Some((plural, id)) = key.strip_prefix(STATE).and_then(row) {
            Self::State(plural, id)
        } else if let Some((plural, id)) = key.strip_prefix(MONITORING).and_then(row) {
            Self::Monitoring(plural, id)
        } else if let Some((plural, id)) = key.strip_prefix(DELETING).and_then(row) {
            Self::Deleting(plural, id)
        } else if let Some(rest) = key.strip_prefix(OWNED) {
            owned_key(rest).map_or(Self::Other, |(router, key)| Self::Owned(router, key))
        } else if let Some(router) = key.strip_prefix(REACHABILITY) {
            Self::Reachability(router)
        } else if let Some(router) = key.strip_prefix(HOLD) {
            Self::Hold(match router {
                "*" => Scope::All,
                id => Scope::Router(id.to_owned()),
            })
        } else if let Some(token) = key.strip_prefix(TOKENS) {
            Self::Token(token)
        } else if let Some(member) = key.strip_prefix(MEMBERS) {
            Self::Member(member)
        } else if let Some(router) = key.strip_prefix(CLAIMS) {
            Self::Claim(router)
        } else if let Some(router) = key.strip_prefix(KEEPERS) {
            Self::Keeper(router)
        } else if key == FORMAT {
            Self::Format
        } else if key == EPOCH {
            Self::Epoch
        } else if key.starts_with(UNIQUE) {
            Self::Unique
        } else {
            parse_reference(key).unwrap_or(Self::Other)
        }
    }
}

fn parse_reference(key: &str) -> Option<Key<'_>> {
    let mut parts = key.strip_prefix(REFERENCE)?.split('/');
    let mut row = || Some((parts.next()?, parts.next()?));
    let (to, by) = (row()?, row()?);
    Some(Key::Reference { to, by })
}

fn owned_key(rest: &str) -> Option<(&str, OwnedKey)> {
    let (router, rest) = rest.split_once('/')?;
    let (kind, name) = rest.split_once('/')?;
    let kind = match kind {
        "peer" => OwnedKind::Peer,
        "policy" => OwnedKind::Policy,
        "neighbor-set" => OwnedKind::NeighborSet,
        "zebra" => OwnedKind::Zebra,
        _ => return None,
    };
    let name = name.to_owned();
    Some((router, OwnedKey { kind, name }))
}

/// `/config/v2.0/PLURAL/ID`.
pub fn config(plural: &str, id: &str) -> String {
    format!("{CONFIG}{plural}/{id}")
}

/// Every declared row of a kind.
pub fn configs(plural: &str) -> String {
    format!("{CONFIG}{plural}/")
}

/// `/state/v2.0/PLURAL/ID`.
pub fn state(plural: &str, id: &str) -> String {
    format!("{STATE}{plural}/{id}")
}

/// `/monitoring/v2.0/PLURAL/ID`.
pub fn monitoring(plural: &str, id: &str) -> String {
    format!("{MONITORING}{plural}/{id}")
}

/// `/deleting/PLURAL/ID`.
pub fn deleting(plural: &str, id: &str) -> String {
    format!("{DELETING}{plural}/{id}")
}

/// `/owned/ROUTER/KIND/NAME`.
pub fn owned(router: &str, key: &OwnedKey) -> String {
    let kind = match key.kind {
        OwnedKind::Peer => "peer",
        OwnedKind::Policy => "policy",
        OwnedKind::NeighborSet => "neighbor-set",
        OwnedKind::Zebra => "zebra",
    };
    format!("{OWNED}{router}/{kind}/{}", key.name)
}

/// `/reachability/ROUTER`.
pub fn reachability(router: &str) -> String {
    format!("{REACHABILITY}{router}")
}

/// `/hold/ROUTER`, or `/hold/*` for all.
pub fn hold(scope: &Scope) -> String {
    match scope {
        Scope::All => format!("{HOLD}*"),
        Scope::Router(id) => format!("{HOLD}{id}"),
    }
}

/// `/auth/tokens/TOKEN`.
pub fn token(id: &str) -> String {
    format!("{TOKENS}{id}")
}

/// `/cluster/members/MEMBER`.
pub fn member(member: &str) -> String {
    format!("{MEMBERS}{member}")
}

/// `/cluster/claims/ROUTER`.
pub fn claim(router: &str) -> String {
    format!("{CLAIMS}{router}")
}

/// `/cluster/keepers/ROUTER`.
pub fn keeper(router: &str) -> String {
    format!("{KEEPERS}{router}")
}

/// `/index/unique/PLURAL/LABEL/VALUE`; its value is the holder's id.
pub fn unique(plural: &str, label: &str, value: &str) -> String {
    format!("{UNIQUE}{plural}/{label}/{value}")
}

/// `/index/reference/PLURAL/ID/BY_PLURAL/BY_ID`: the second row refers to the
/// first.
pub fn reference(plural: &str, id: &str, by_plural: &str, by_id: &str) -> String {
    format!("{REFERENCE}{plural}/{id}/{by_plural}/{by_id}")
}

/// Every reference to a row.
pub fn references_to(plural: &str, id: &str) -> String {
    format!("{REFERENCE}{plural}/{id}/")
}

/// Every reference to a row by rows of one kind.
pub fn references_by(plural: &str, id: &str, by_plural: &str) -> String {
    format!("{REFERENCE}{plural}/{id}/{by_plural}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_read_back() {
        let owned_key = OwnedKey {
            kind: OwnedKind::NeighborSet,
            name: "p/export/s".into(),
        };
        let zebra = OwnedKey::new(OwnedKind::Zebra, "global");
        for (key, parsed) in [
            (config("routers", "1"), Key::Config("routers", "1")),
            (state("routers", "1"), Key::State("routers", "1")),
            (
                monitoring("neighbors", "1"),
                Key::Monitoring("neighbors", "1"),
            ),
            (deleting("neighbors", "1"), Key::Deleting("neighbors", "1")),
            (owned("1", &owned_key), Key::Owned("1", owned_key.clone())),
            (owned("1", &zebra), Key::Owned("1", zebra.clone())),
            (reachability("1"), Key::Reachability("1")),
            (hold(&Scope::All), Key::Hold(Scope::All)),
            (
                hold(&Scope::Router("1".into())),
                Key::Hold(Scope::Router("1".into())),
            ),
            (token("1"), Key::Token("1")),
            (unique("nets", "cidr", "10.0.0.0/8"), Key::Unique),
            (
                reference("routers", "1", "neighbors", "2"),
                Key::Reference {
                    to: ("routers", "1"),
                    by: ("neighbors", "2"),
                },
            ),
            (member("m"), Key::Member("m")),
            (claim("1"), Key::Claim("1")),
            (keeper("1"), Key::Keeper("1")),
            (FORMAT.to_owned(), Key::Format),
            (KEY.to_owned(), Key::Other),
            (EPOCH.to_owned(), Key::Epoch),
            ("/meta/unheard-of".to_owned(), Key::Other),
            ("/owned/1/unheard-of/x".to_owned(), Key::Other),
        ] {
            assert_eq!(Key::parse(&key), parsed, "{key}");
        }
    }
}
