//! TLS, as far as it is the same for everybody: certificates and keys in PEM,
//! and what a handshake that failed says of what to do.
//!
//! Why it is a crate: the API's server and the clients of gobgpd, of etcd and
//! of HTTP servers read the same files and meet the same failures. What is
//! taken and what is said is to be decided once.

mod failure;
mod pem;

pub use failure::{Failure, reason, root};
pub use pem::{Error, Identity, authorities, certificates, private_key};
