//! The command line, built from the server's schemas: kinds are commands,
//! verbs their subcommands, properties their flags. One table makes parser,
//! help and completions.

mod invocation;

pub use invocation::{Invocation, Verb, WaitFor, invocation};

use crate::cloud::CloudArguments;
use crate::kinds::{Kind, Property, When};
use crate::settings::Format;
use clap::builder::EnumValueParser;
use clap::{Arg, ArgAction, Args as _, Command};

/// How long `--wait` waits unless `--timeout` says otherwise.
const WAIT: u64 = 120;

/// The `client` command without kinds: for help and for the options that are
/// needed before the server can be asked. `program` is what it is called by.
pub fn skeleton(program: &str) -> Command {
    CloudArguments::augment_args(Command::new("client"))
        .mut_args(|arg| arg.global(true))
        .bin_name(format!("{program} client"))
        .max_term_width(100)
        .about("Resources of the server: routers, neighbors, policies and your own kinds")
        .after_help(
            "Kinds and their flags come from the server's schemas.\n\n\
             Environment: GOHAN_ENDPOINT_URL, GOHAN_SCHEMA_URL, GOHAN_CACHE_SCHEMAS,\n\
             GOHAN_CACHE_TIMEOUT, GOHAN_CACHE_PATH, GOHAN_OUTPUT_FORMAT, GOHAN_VERBOSITY,\n\
             GOHAN_FIELDS; GOHAN_SERVICE_NAME and GOHAN_REGION to look the server up in Keystone's\n\
             catalog; OS_* to log in to Keystone, OS_TOKEN for a token as it is.\n\n\
             Exit codes: 0 done, 1 refused, 2 wrong command line, 3 no answer, 4 not found,\n\
             5 conflict, 6 --wait was in vain.",
        )
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .args(common())
}

/// Options of every command, wherever they stand on the line.
fn common() -> Vec<Arg> {
    // In help texts they stand after a command's own.
    const LAST: usize = 100;
    let global = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .global(true)
            .display_order(LAST)
            .help(help)
    };
    vec![
        global("endpoint", "URL", "The server; also GOHAN_ENDPOINT_URL"),
        global("output-format", "FORMAT", Format::HELP)
            .short('o')
            .value_parser(EnumValueParser::<Format>::new())
            .hide_possible_values(true),
        global("verbosity", "0-3", "Show requests on stderr")
            .value_parser(clap::value_parser!(u8).range(0..=3)),
        global("fields", "A,B,..", "Print only these properties"),
    ]
}

/// The whole `client` command of the program called `program`.
pub fn build(program: &str, kinds: &[Kind]) -> Command {
    kinds.iter().fold(skeleton(program), |command, kind| {
        command.subcommand(kind_command(kind))
    })
}

fn kind_command(kind: &Kind) -> Command {
    let about = if kind.description.is_empty() {
        &kind.title
    } else {
        &kind.description
    };
    let mut command = Command::new(kind.id.clone())
        .about(about.clone())
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommand(list_command(kind))
        .subcommand(
            Command::new("show")
                .visible_alias("get")
                .about(format!("Show one {}", kind.singular))
                .arg(name_arg(true)),
        )
        .subcommand(create_command(kind))
        .subcommand(set_command(kind))
        .subcommand(delete_command(kind));
    let taken: Vec<String> = command
        .get_subcommands()
        .map(|c| c.get_name().to_owned())
        .collect();
    for (action, description) in kind
        .actions
        .iter()
        .filter(|(name, _)| !taken.contains(name))
    {
        let on_row = description["path"]
            .as_str()
            .unwrap_or_default()
            .contains(":id");
        let mut sub = Command::new(action.clone())
            .about(
                description["description"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
            )
            .arg(
                Arg::new("input")
                    .long("input")
                    .value_name("JSON")
                    .help("The action's input"),
            );
        if on_row {
            sub = sub.arg(name_arg(true));
        }
        command = command.subcommand(sub);
    }
    command
}

fn name_arg(required: bool) -> Arg {
    Arg::new("ID|NAME")
        .required(required)
        .help("Its id, or its name where that is unambiguous")
}

fn list_command(kind: &Kind) -> Command {
    let own = [
        ("limit", "NUMBER", "At most so many"),
        ("offset", "NUMBER", "Leave out so many at the start"),
        ("sort_key", "PROPERTY", "Order by this one (default id)"),
        ("sort_order", "asc|desc", "Smallest or largest first"),
    ];
    let mut command = Command::new("list").about(format!("List {}", kind.plural));
    for property in filters(kind) {
        let filter = flag(&property).action(ArgAction::Append);
        command = command.arg(filter.help_heading("Filters, given twice they add up"));
    }
    for (name, value, help) in own {
        if !kind.schema.properties.contains_key(name) {
            let option = Arg::new(name).long(name).value_name(value).help(help);
            command = command.arg(option.allow_hyphen_values(true));
        }
    }
    command
}

/// What a list can be narrowed by: nothing is found by a secret.
fn filters(kind: &Kind) -> impl Iterator<Item = Property<'_>> {
    kind.properties().into_iter().filter(|p| !p.secret())
}

fn create_command(kind: &Kind) -> Command {
    let mut command = Command::new("create").about(format!("Declare a new {}", kind.singular));
    if !kind.allows("create") {
        return forbidden(command);
    }
    let given = kind.properties().into_iter();
    for property in given.filter(|p| p.accepted(When::Create)) {
        let mut arg = flag(&property);
        if kind.schema.required.iter().any(|r| r == property.name) {
            let help = format!("{} (required)", property.help());
            arg = arg.help(help.trim_start().to_owned());
        }
        command = command.arg(arg);
    }
    writing(command, kind)
}

fn set_command(kind: &Kind) -> Command {
    let mut command = Command::new("set")
        .visible_alias("update")
        .about(format!("Change one {}", kind.singular));
    if !kind.allows("update") {
        return forbidden(command);
    }
    let given = kind.properties().into_iter();
    for property in given.filter(|p| p.accepted(When::Update)) {
        command = command.arg(flag(&property));
    }
    writing(command, kind).arg(name_arg(true))
}

fn delete_command(kind: &Kind) -> Command {
    let mut command = Command::new("delete").about(format!("Remove one {}", kind.singular));
    if !kind.allows("delete") {
        return forbidden(command);
    }
    command = command
        .arg(switch("dry-run", "Judge, but store nothing"))
        .arg(switch("cascade", "Also what refers to it"))
        .arg(name_arg(true));
    if kind.has_status() {
        command = command
            .arg(switch(
                "force",
                "Its router is gone for good: do not wait for it",
            ))
            .arg(switch("wait", "Come back when its router has let go of it"))
            .arg(timeout());
    }
    command
}

/// A verb that the caller may use on no row takes any words: he is told that,
/// not that the flags which he has read of are unknown.
fn forbidden(command: Command) -> Command {
    let words = Arg::new("words")
        .num_args(0..)
        .trailing_var_arg(true)
        .allow_hyphen_values(true)
        .hide(true);
    command.after_help("No policy lets you.").arg(words)
}

/// Options of every command that leaves a row.
fn writing(command: Command, kind: &Kind) -> Command {
    let command = command.arg(switch("dry-run", "Judge, but store nothing"));
    if !kind.has_status() {
        return command;
    }
    let help = match kind.has_session() {
        true => "Come back when the router has it; =up: when the session is established",
        false => "Come back when the router has it",
    };
    let wait = Arg::new("wait")
        .long("wait")
        .value_name("FOR")
        .num_args(0..=1)
        .require_equals(true)
        .default_missing_value("applied")
        .value_parser(EnumValueParser::<WaitFor>::new())
        .hide_possible_values(true)
        .help(help);
    command.arg(wait).arg(timeout())
}

fn switch(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

fn timeout() -> Arg {
    Arg::new("timeout")
        .long("timeout")
        .value_name("SECONDS")
        .value_parser(clap::value_parser!(u64).range(1..=86_400))
        .help(format!("How long --wait waits (default {WAIT})"))
}

/// Options that stand beside properties; a property of the same name is
/// given as `--property_NAME`.
const TAKEN: [&str; 10] = [
    "endpoint",
    "output-format",
    "verbosity",
    "fields",
    "dry-run",
    "wait",
    "timeout",
    "cascade",
    "force",
    "help",
];

fn flag(property: &Property<'_>) -> Arg {
    let long = if TAKEN.contains(&property.name) {
        format!("property_{}", property.name)
    } else {
        property.name.to_owned()
    };
    Arg::new(format!("property {}", property.name))
        .long(long)
        .value_name(property.placeholder())
        .allow_hyphen_values(true)
        .help_heading("Properties")
        .help(property.help())
}

#[cfg(test)]
mod tests;
