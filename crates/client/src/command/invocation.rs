//! A matched command line, read: what is to be done.

use super::{WAIT, filters};
use crate::error::Error;
use crate::kinds::{Kind, Property};
use crate::settings::{Format, Settings, fields};
use clap::ArgMatches;
use serde_json::{Map, Value};
use std::time::Duration;

/// What `--wait` waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum WaitFor {
    /// The router has it.
    Applied,
    /// The session is established.
    Up,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq)]
pub enum Verb {
    /// Many rows.
    List {
        /// Query parameters: filters, order, paging.
        query: Vec<(String, String)>,
    },
    /// One row.
    Show {
        /// Id or name.
        name: String,
    },
    /// A new row.
    Create {
        /// Its properties.
        body: Map<String, Value>,
    },
    /// Changes to a row.
    Set {
        /// Id or name.
        name: String,
        /// The new values.
        patch: Map<String, Value>,
    },
    /// A row goes.
    Delete {
        /// Id or name.
        name: String,
        /// `cascade`, `force`.
        query: Vec<(String, String)>,
    },
    /// One of the kind's own actions.
    Action {
        /// Its name.
        action: String,
        /// Id or name, where the action is on a row.
        name: Option<String>,
        /// Its input.
        input: Option<Value>,
    },
}

/// A parsed command line.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The kind's id.
    pub kind: String,
    /// What to do.
    pub verb: Verb,
    /// How to print.
    pub format: Format,
    /// Only these columns; empty for the default ones.
    pub fields: Vec<String>,
    /// Judge, but store nothing.
    pub dry_run: bool,
    /// Come back only when this holds, or when the time is over.
    pub wait: Option<(WaitFor, Duration)>,
}

/// Reads a command line that [`super::build`]'s command has matched.
///
/// # Errors
/// [`Error::Usage`] for an action's input that is no JSON, [`Error::Refused`]
/// for what the caller may do to no row.
pub fn invocation(
    matches: &ArgMatches,
    kinds: &[Kind],
    settings: &Settings,
) -> Result<Invocation, Error> {
    let missing = || Error::Usage("which kind, and what to do with it? See --help".to_owned());
    let (kind_id, of_kind) = matches.subcommand().ok_or_else(missing)?;
    let (verb_name, args) = of_kind.subcommand().ok_or_else(missing)?;
    let kind = kinds.iter().find(|k| k.id == kind_id).ok_or_else(missing)?;
    let action = match verb_name {
        "set" => "update",
        other => other,
    };
    if ["create", "update", "delete"].contains(&action) && !kind.allows(action) {
        let plural = &kind.plural;
        return Err(Error::Refused(format!(
            "no policy lets you {action} {plural}"
        )));
    }
    let name = || text(args, "ID|NAME").unwrap_or_default();
    let verb = match verb_name {
        "list" => Verb::List {
            query: list_query(kind, args),
        },
        "show" => Verb::Show { name: name() },
        "create" => Verb::Create {
            body: body(kind, args),
        },
        "set" => Verb::Set {
            name: name(),
            patch: body(kind, args),
        },
        "delete" => Verb::Delete {
            name: name(),
            query: ["cascade", "force"]
                .into_iter()
                .filter(|switch| optional(args, switch).unwrap_or(false))
                .map(|switch| (switch.to_owned(), "true".to_owned()))
                .collect(),
        },
        action => Verb::Action {
            action: action.to_owned(),
            name: text(args, "ID|NAME"),
            input: text(args, "input")
                .map(|t| serde_json::from_str(&t))
                .transpose()
                .map_err(|e| Error::Usage(format!("--input is no JSON: {e}")))?,
        },
    };
    Ok(Invocation {
        kind: kind.id.clone(),
        verb,
        format: optional(args, "output-format").unwrap_or(settings.format),
        fields: text(args, "fields").map_or_else(|| settings.fields.clone(), |f| fields(&f)),
        dry_run: optional(args, "dry-run").unwrap_or(false),
        wait: wait_for(args).map(|what| {
            let seconds = optional(args, "timeout").unwrap_or(WAIT);
            (what, Duration::from_secs(seconds))
        }),
    })
}

/// What to wait for; a deletion has one thing only.
fn wait_for(args: &ArgMatches) -> Option<WaitFor> {
    let gone = optional::<bool>(args, "wait").filter(|wait| *wait);
    optional(args, "wait").or(gone.map(|_| WaitFor::Applied))
}

/// The option's value, where this verb has such an option and it was given.
fn optional<T: Clone + Send + Sync + 'static>(args: &ArgMatches, name: &str) -> Option<T> {
    args.try_get_one::<T>(name).ok().flatten().cloned()
}

fn text(args: &ArgMatches, name: &str) -> Option<String> {
    optional(args, name)
}

fn body(kind: &Kind, args: &ArgMatches) -> Map<String, Value> {
    let given = |p: Property<'_>| {
        let text = text(args, &format!("property {}", p.name))?;
        Some((p.name.to_owned(), p.value(&text)))
    };
    kind.properties().into_iter().filter_map(given).collect()
}

fn list_query(kind: &Kind, args: &ArgMatches) -> Vec<(String, String)> {
    let filters = filters(kind).flat_map(|p| {
        args.get_many::<String>(&format!("property {}", p.name))
            .into_iter()
            .flatten()
            .map(move |value| (p.name.to_owned(), value.clone()))
    });
    let paging = ["limit", "offset", "sort_key", "sort_order"]
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), text(args, name)?)));
    filters.chain(paging).collect()
}
