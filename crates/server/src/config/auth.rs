//! Who is listened to: `auth`, `tokens`, `keystone`.

use super::section::Section;
use super::{Keystone, keys, keystone};
use std::path::Path;
use std::time::Duration;

/// Whose tokens are taken; where nobody's are, nobody is asked who calls.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Auth {
    /// Tokens of our own.
    pub tokens: Option<Tokens>,
    /// Another service's, which knows who has them.
    pub identity: Option<Identity>,
}

/// How tokens of our own are taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tokens {
    /// A server that has not heard from its store for longer refuses them, as
    /// it may have missed that one was revoked. At least 10 s.
    pub max_age: Duration,
    /// Every admin's token is lost: one more is made when the server starts.
    pub new_admin: bool,
}

impl Tokens {
    /// What `tokens.max_age` may be.
    const AGES: std::ops::RangeInclusive<u64> = 10..=86_400;
}

impl Default for Tokens {
    /// A minute.
    fn default() -> Self {
        Self {
            max_age: Duration::from_secs(60),
            new_admin: false,
        }
    }
}

/// A service that knows who has its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// A Keystone.
    Keystone(Box<Keystone>),
    /// Gohan's fake Keystone, whose tokens everybody knows.
    Fake,
}

impl Auth {
    /// Tokens of our own alone.
    #[must_use]
    pub fn by_tokens() -> Self {
        Self {
            tokens: Some(Tokens::default()),
            identity: None,
        }
    }

    /// Whether nobody is asked who calls.
    pub fn is_none(&self) -> bool {
        self.tokens.is_none() && self.identity.is_none()
    }

    /// Whether nobody gets in who has no secret.
    pub fn protects(&self) -> bool {
        !self.is_none() && self.identity != Some(Identity::Fake)
    }

    /// As `auth: none` and `auth: tokens` have it, with the rest as it is.
    ///
    /// # Errors
    /// Any other word.
    pub fn choose(&mut self, word: &str) -> Result<(), String> {
        self.tokens = match word {
            "none" if self.identity.is_some() => {
                return Err("\"none\" contradicts \"keystone\": take one of them out".to_owned());
            }
            "none" => None,
            "tokens" => Some(self.tokens.take().unwrap_or_default()),
            _ => return Err(format!("{word:?} is neither none nor tokens")),
        };
        Ok(())
    }
}

/// Reads the sections; `folder` is where relative paths start.
pub(super) fn auth(top: &Section<'_>, folder: &Path) -> Auth {
    let mut auth = Auth {
        tokens: None,
        identity: identity(top, folder),
    };
    if let Some(word) = top.text("auth") {
        let chosen = auth.choose(word);
        chosen.unwrap_or_else(|why| top.error("auth", why));
    }
    let tokens = top.section("tokens", &keys::TOKENS);
    let max_age = tokens.get("max_age").map(|node| node.value().as_u64());
    match (&mut auth.tokens, max_age) {
        (_, None) => {}
        (Some(tokens), Some(Some(seconds))) if Tokens::AGES.contains(&seconds) => {
            tokens.max_age = Duration::from_secs(seconds);
        }
        (Some(_), Some(_)) => {
            tokens.error("max_age", "it must be whole seconds, from 10 to 86400");
        }
        (None, Some(_)) => {
            top.warn("tokens", "\"tokens\" is not used: \"auth\" is not tokens");
        }
    }
    auth
}

fn identity(top: &Section<'_>, folder: &Path) -> Option<Identity> {
    let section = top.section("keystone", &keys::KEYSTONE);
    let on = section.flag("use_keystone");
    let off = section.get("use_keystone").is_some() && !on;
    let fake = section.flag("fake");
    if fake && off {
        section.warn("fake", "\"fake\" is not used: \"use_keystone\" is false");
        return None;
    }
    if fake {
        return Some(Identity::Fake);
    }
    if !on {
        return None;
    }
    keystone::keystone(&section, folder).map(|keystone| Identity::Keystone(Box::new(keystone)))
}
