//! A token of our own: the text that its bearer has, and what the store keeps
//! of it. The store never has the secret, only its hash: 256 random bits need
//! no salt and no slow hash, since there is nothing to guess.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jiff::Timestamp;
use sdwan_model::policy::{Caller, Tenant};
use secrecy::SecretString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// What every token of ours begins with: no other service's does.
pub(crate) const PREFIX: &str = "sdwan_";

/// Characters of 256 bits.
const ENCODED: usize = 43;

/// The text of a token, `sdwan_ID_SECRET`. `id` has no underscore.
pub(crate) fn text(id: &str, secret: &[u8; 32]) -> SecretString {
    format!("{PREFIX}{id}_{}", BASE64.encode(secret)).into()
}

/// The id and the secret of a token that was sent. The id is no secret.
pub(crate) fn parse(token: &str) -> Option<(&str, &str)> {
    token.strip_prefix(PREFIX)?.split_once('_')
}

/// A path with no token in it: who revokes one may name it by its text.
pub(crate) fn masked(path: &str) -> Cow<'_, str> {
    let is_token =
        |segment: &str| parse(segment).is_some_and(|(_, secret)| secret.len() >= ENCODED);
    if !path.split('/').any(is_token) {
        return Cow::Borrowed(path);
    }
    let shown = path.split('/').map(|segment| match is_token(segment) {
        true => "sdwan_..",
        false => segment,
    });
    Cow::Owned(shown.collect::<Vec<_>>().join("/"))
}

/// What a secret is known by.
#[derive(Clone)]
pub(crate) struct Hash([u8; 32]);

impl Hash {
    /// Of a secret as it stands in a token.
    pub(crate) fn of(secret: &str) -> Self {
        Self(Sha256::digest(secret).into())
    }

    /// Takes as long for any other hash.
    fn is(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("..")
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64.encode(self.0))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64.decode(text).ok().and_then(|b| b.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| serde::de::Error::custom("not a hash"))
    }
}

/// What stands at `/auth/tokens/ID`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// What people call it; no two that can be used have the same.
    pub(crate) name: String,
    /// Of its secret.
    pub(crate) hash: Hash,
    pub(crate) roles: Vec<String>,
    /// The tenant that its bearer calls for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tenant: Option<String>,
    pub(crate) created: Timestamp,
    /// From then on it is refused; `None` for never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires: Option<Timestamp>,
    /// The name of the caller that made it.
    pub(crate) created_by: String,
}

impl Stored {
    /// Whether nobody can use it any more.
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
}

/// A stored token, ready to be compared with.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) stored: Stored,
    /// Whom it proves.
    caller: Arc<Caller>,
}

impl Known {
    pub(crate) fn new(id: &str, stored: Stored) -> Self {
        let tenant = stored.tenant.as_ref().map(|tenant| Tenant {
            id: tenant.clone(),
            name: tenant.clone(),
        });
        let caller = Caller {
            id: id.to_owned(),
            name: stored.name.clone(),
            roles: stored.roles.clone(),
            tenant,
        };
        Self {
            stored,
            caller: Arc::new(caller),
        }
    }

    /// Whom this secret proves at this time, if anybody.
    pub(crate) fn proves(&self, secret: &str, now: Timestamp) -> Option<&Arc<Caller>> {
        let right = self.stored.hash.is(&Hash::of(secret));
        (right && !self.stored.expired(now)).then_some(&self.caller)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    const ID: &str = "0123456789abcdef";

    fn stored(secret: &[u8; 32], expires: Option<i64>) -> Stored {
        let text = text(ID, secret);
        let (_, secret) = parse(text.expose_secret()).unwrap();
        Stored {
            name: "ci".into(),
            hash: Hash::of(secret),
            roles: vec!["operator".into()],
            tenant: Some("blue".into()),
            created: Timestamp::UNIX_EPOCH,
            expires: expires.map(|s| Timestamp::from_second(s).unwrap()),
            created_by: "admin".into(),
        }
    }

    #[test]
    fn the_right_secret_proves_its_caller_until_it_expires() {
        let known = Known::new(ID, stored(&[7; 32], Some(10)));
        let text = text(ID, &[7; 32]);
        let (id, secret) = parse(text.expose_secret()).unwrap();
        assert_eq!(id, ID);
        let at = |second| Timestamp::from_second(second).unwrap();
        let caller = known.proves(secret, at(9)).unwrap();
        assert_eq!((caller.id.as_str(), caller.name.as_str()), (ID, "ci"));
        assert_eq!(caller.roles, ["operator"]);
        assert_eq!(caller.tenant.as_ref().unwrap().id, "blue");
        assert!(known.proves(secret, at(10)).is_none());
        for wrong in ["", &secret[1..], &format!("{secret}="), &"A".repeat(43)] {
            assert!(known.proves(wrong, at(0)).is_none(), "{wrong}");
        }
    }

    /// Base64 for URLs has underscores: only the first one ends the id.
    #[test]
    fn a_secret_may_have_underscores() {
        let text = text(ID, &[0xff; 32]);
        let (id, secret) = parse(text.expose_secret()).unwrap();
        assert_eq!(id, ID);
        assert!(secret.starts_with("____"), "{secret}");
        assert_eq!(parse("sdwan_"), None);
        assert_eq!(parse("sdwan_x"), None);
        assert_eq!(parse("SDWAN_x_y"), None);
    }

    #[test]
    fn a_path_is_shown_without_tokens() {
        let text = text(ID, &[0xff; 32]);
        let path = format!("/sdwan/v1/tokens/{}", text.expose_secret());
        assert_eq!(masked(&path), "/sdwan/v1/tokens/sdwan_..");
        assert_eq!(
            masked(&format!("{path}/more")),
            "/sdwan/v1/tokens/sdwan_../more"
        );
        let harmless = "/v2.0/sdwan_kind_things/sdwan_a_b";
        assert_eq!(masked(harmless), harmless);
    }

    #[test]
    fn what_is_stored_is_read_back_and_tells_nothing() {
        let json = serde_json::to_string(&stored(&[7; 32], None)).unwrap();
        let secret = BASE64.encode([7; 32]);
        assert!(!json.contains(&secret), "{json}");
        let back: Stored = serde_json::from_str(&json).unwrap();
        let known = Known::new(ID, back);
        assert!(known.proves(&secret, Timestamp::UNIX_EPOCH).is_some());
        let told = format!("{known:?}");
        assert!(told.contains("hash: .."), "{told}");
        let short = json.replace(&BASE64.encode(Sha256::digest(&secret)), "AAAA");
        assert!(serde_json::from_str::<Stored>(&short).is_err());
    }
}
