//! What is known of a request before it is looked at: who sent it, and whether
//! it is to change anything.

use http::Method;
use sdwan_model::policy::Caller;
use std::net::SocketAddr;
use std::sync::Arc;

/// Who sent a request, and from where; among its extensions.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    /// Who.
    pub(super) caller: Arc<Caller>,
    /// Whether it has proved that: not where nobody is asked.
    pub(super) proved: bool,
    /// From where, as the connection says.
    pub(super) peer: Option<SocketAddr>,
    /// Whose certificate it has shown, where the server asks for one.
    pub(super) subject: Option<Arc<str>>,
}

/// Whether it changes nothing, whatever it is about.
pub(super) fn is_read(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}
