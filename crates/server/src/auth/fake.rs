//! Gohan's fake Keystone: a few tokens that everybody knows, for trying out
//! roles and tenants where there is no Keystone. It proves nothing.

use sdwan_model::policy::{Caller, Tenant};
use std::sync::Arc;

const DEMO: (&str, &str) = ("fc394f2ab2df4114bde39905f800dc57", "demo");
const OTHER: (&str, &str) = ("acf5662bbff44060b93ac3db3c25a590", "other");

/// Token, user, role, tenant: as in Gohan.
const CALLERS: [(&str, &str, &str, (&str, &str)); 3] = [
    ("admin_token", "admin", "admin", DEMO),
    ("demo_token", "demo", "Member", DEMO),
    ("power_user_token", "power_user", "Member", OTHER),
];

/// The callers, by their tokens.
pub(crate) struct Fake(Vec<(&'static str, Arc<Caller>)>);

impl Fake {
    pub(crate) fn new() -> Self {
        let caller = |(token, user, role, (id, name)): (&'static str, &str, &str, (&str, &str))| {
            let caller = Caller {
                id: user.to_owned(),
                name: user.to_owned(),
                roles: vec![role.to_owned()],
                tenant: Some(Tenant {
                    id: id.to_owned(),
                    name: name.to_owned(),
                }),
            };
            (token, Arc::new(caller))
        };
        Self(CALLERS.into_iter().map(caller).collect())
    }

    pub(crate) fn identify(&self, token: &str) -> Option<&Arc<Caller>> {
        let found = self.0.iter().find(|(known, _)| *known == token);
        found.map(|(_, caller)| caller)
    }
}
