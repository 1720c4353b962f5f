//! Who calls: what a request proves of its sender, before anything is done
//! for it.

use http::HeaderMap;
use sdwan_model::policy::Caller;
use std::sync::Arc;

/// Finds out who sent a request.
pub struct Authenticator {
    scheme: Scheme,
}

/// How.
enum Scheme {
    /// Nobody is asked: whoever reaches the address may do anything.
    None(Arc<Caller>),
}

impl Authenticator {
    /// Takes everybody for the same caller, who may do anything.
    pub fn none() -> Self {
        Self {
            scheme: Scheme::None(Arc::new(Caller::anyone())),
        }
    }

    /// Who sent a request with these headers.
    ///
    /// # Errors
    /// Why that can't be said.
    pub(crate) async fn identify(&self, _headers: &HeaderMap) -> Result<Arc<Caller>, Denied> {
        match &self.scheme {
            Scheme::None(anyone) => Ok(Arc::clone(anyone)),
        }
    }
}

/// Why a request is not listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Denied {}
