//! The command-line client.
//!
//! Why it is more than an HTTP client: it knows no kind of resource. Commands,
//! flags, columns and names all come from the server's schemas, so an
//! operator's own kinds are at home here from the moment the server has them.

mod access;
pub mod audit;
mod cache;
mod caller;
mod cloud;
mod command;
mod error;
mod http;
pub mod issued;
mod kept;
mod kinds;
mod login;
mod output;
mod refusal;
mod resolve;
mod run;
mod settings;
mod table;
mod tokens;
pub mod verbs;
mod wait;

pub use access::Access;
pub use cloud::CloudArguments;
pub use error::Error;
pub use http::Http;
pub use login::{Ask, login, logout};
pub use run::{Stop, run, tree};
pub use settings::{Format, Settings};
