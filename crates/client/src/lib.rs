//! The command-line client.
//!
//! Why it is more than an HTTP client: it knows no kind of resource. Commands,
//! flags, columns and names all come from the server's schemas, so an
//! operator's own kinds are at home here from the moment the server has them.

mod cache;
mod command;
mod error;
mod http;
mod kinds;
mod output;
mod resolve;
mod run;
mod settings;
mod table;
pub mod verbs;
mod wait;

pub use error::Error;
pub use http::Http;
pub use run::{Stop, run, tree};
pub use settings::{Format, Settings};
