//! What `sdwan` decides, as functions from values to values.
//!
//! No I/O, no clock, no randomness, no async: a simulation or a test can own
//! all of those. The way through: [`schema`] says what kinds there are,
//! [`validate`] and [`rules`] say whether a write is right, [`compile`] turns
//! one router's rows into a [`config::RouterConfig`], [`plan`] finds the
//! steps from what gobgpd has to that, [`status`] folds what is known of a
//! row into the one word that users see.

pub mod action;
pub mod compile;
pub mod config;
pub mod document;
pub mod format;
pub mod observed;
pub mod plan;
pub mod policy;
pub mod resource;
pub mod rules;
pub mod schema;
pub mod status;
pub mod validate;
pub mod zebra;

mod value;
