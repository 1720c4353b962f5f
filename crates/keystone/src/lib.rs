//! Keystone v3 as a client speaks it: versions, login, scope, catalog, and the
//! validation of somebody else's token.
//!
//! What is sent and what is understood are pure functions of values
//! ([`credentials`], [`token`], [`catalog`], [`discovery`]); [`Keystone`] is the
//! shell that carries them. It knows nothing of what is served or asked for
//! beyond that, so the server and the command line share it.

pub mod catalog;
pub mod credentials;
pub mod discovery;
mod error;
mod keystone;
pub mod token;

pub use catalog::{Catalog, Interface};
pub use credentials::Credentials;
pub use error::Error;
pub use keystone::{Keystone, Options, Session};
pub use token::Token;
