//! One command from its words to its printed result.

use crate::cloud::CloudArguments;
use crate::command::{self, Invocation, Verb, WaitFor};
use crate::error::Error;
use crate::http::{Http, segment};
use crate::kinds::Kind;
use crate::output::{self, Detail};
use crate::settings::Settings;
use crate::{cache, resolve, wait};
use clap::Command;
use reqwest::Method;
use serde_json::{Map, Value};
use std::ffi::OsString;

/// Runs `client` with the words behind it and gives what belongs on stdout.
///
/// # Errors
/// What stopped it; see [`Error::exit_code`]. Help and usage texts come as
/// `Err(Stop::Usage)`, ready to print.
///
/// `program` is what the whole is called by, e.g. `sdwan`.
pub async fn run(
    program: &str,
    words: &[OsString],
    mut settings: Settings,
) -> Result<String, Stop> {
    let early = early_options(words)?;
    if let Some(endpoint) = early.endpoint {
        settings.endpoint = Some(endpoint);
    }
    if let Some(verbosity) = early.verbosity {
        settings.verbosity = verbosity;
    }
    settings.cloud = early.cloud;
    let opened = async {
        let http = Http::open(&settings).await?;
        let kinds = cache::kinds(&http, &settings, false).await?;
        Ok((http, kinds))
    };
    let (http, mut kinds) = match opened.await {
        Ok(opened) => opened,
        // Help must be had without a server, and by who is not let in.
        Err(error) if early.asks_help => {
            let help = parse(command::skeleton(program), words).err();
            return Err(
                match help.filter(|help| !help.use_stderr() || words.is_empty()) {
                    Some(help) => {
                        without_kinds(&error);
                        Stop::Usage(help)
                    }
                    // A kind's own help is the server's to give.
                    None => error.into(),
                },
            );
        }
        Err(error) => return Err(error.into()),
    };
    let read = |kinds: &[Kind]| -> Result<Invocation, Stop> {
        let matches = parse(command::build(program, kinds), words).map_err(Stop::Usage)?;
        Ok(command::invocation(&matches, kinds, &settings)?)
    };
    let invocation = match read(&kinds) {
        Err(_) if settings.cache.is_some() && !early.asks_help => {
            // Since the cache was written, the server may have learned new
            // kinds, or let the caller do more.
            kinds = cache::kinds(&http, &settings, true).await?;
            read(&kinds)?
        }
        read => read?,
    };
    Ok(execute(&http, &kinds, invocation).await?)
}

#[expect(clippy::print_stderr, reason = "what the help lacks is not part of it")]
fn without_kinds(error: &Error) {
    eprintln!("{error}\nKinds are left out.\n");
}

/// The `client` command with the kinds of the server: for completions.
///
/// # Errors
/// As [`Http::get`].
pub async fn tree(program: &str, settings: &Settings) -> Result<Command, Error> {
    let http = Http::open(settings).await?;
    let kinds = cache::kinds(&http, settings, false).await?;
    Ok(command::build(program, &kinds))
}

/// Why a command ended without a result.
#[derive(Debug)]
pub enum Stop {
    /// Help, or a command line that the parser did not take.
    Usage(clap::Error),
    /// A failure.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

struct Early {
    endpoint: Option<String>,
    verbosity: Option<u8>,
    cloud: CloudArguments,
    asks_help: bool,
}

/// The options that are needed before the kinds are known.
fn early_options(words: &[OsString]) -> Result<Early, Stop> {
    let text: Vec<_> = words.iter().map(|w| w.to_string_lossy()).collect();
    let after = |name: &str| {
        let joined = format!("{name}=");
        text.iter().enumerate().find_map(|(i, word)| {
            if *word == name {
                text.get(i + 1).map(ToString::to_string)
            } else {
                word.strip_prefix(&joined).map(str::to_owned)
            }
        })
    };
    Ok(Early {
        endpoint: after("--endpoint"),
        verbosity: after("--verbosity").and_then(|v| v.parse().ok()),
        cloud: CloudArguments {
            os_cloud: after("--os-cloud"),
            os_project_name: after("--os-project-name"),
            os_region_name: after("--os-region-name"),
            os_cacert: after("--os-cacert"),
        },
        asks_help: text.is_empty() || text.iter().any(|w| w == "--help" || w == "-h"),
    })
}

fn parse(command: Command, words: &[OsString]) -> Result<clap::ArgMatches, clap::Error> {
    let program = OsString::from("client");
    command.try_get_matches_from(std::iter::once(&program).chain(words))
}

async fn execute(http: &Http, kinds: &[Kind], call: Invocation) -> Result<String, Error> {
    let kind = kinds
        .iter()
        .find(|k| k.id == call.kind)
        .ok_or_else(|| Error::Usage(format!("no kind {:?}", call.kind)))?;
    match call.verb.clone() {
        Verb::List { mut query } => {
            resolve::filters(http, kinds, kind, &mut query).await?;
            query.extend(
                call.fields
                    .iter()
                    .map(|f| ("_fields".to_owned(), f.clone())),
            );
            let rows = resolve::list(kind, http.get(&kind.url(), &query).await?.body)?;
            Ok(output::rows(kind, &rows, call.format, &call.fields))
        }
        Verb::Show { name } => {
            let found = resolve::find(http, kind, &name).await?;
            Ok(output::row(
                kind,
                &found.row,
                Detail::All,
                call.format,
                &call.fields,
            ))
        }
        Verb::Create { mut body } => {
            resolve::relations(http, kinds, kind, &mut body).await?;
            write(http, kind, &call, Method::POST, &kind.url(), body).await
        }
        Verb::Set { name, mut patch } => {
            let found = resolve::find(http, kind, &name).await?;
            resolve::relations(http, kinds, kind, &mut patch).await?;
            write(http, kind, &call, Method::PATCH, &found.path, patch).await
        }
        Verb::Delete { name, mut query } => {
            let found = resolve::find(http, kind, &name).await?;
            query.extend(dry_run(&call));
            let delete = http.send(Method::DELETE, &found.path, &query, None);
            let answer = delete.await?;
            if let (Some((_, timeout)), false) = (call.wait, call.dry_run) {
                let path = answer.then(&found.path);
                wait::until_gone(http, kind, &path, timeout).await?;
            }
            Ok(String::new())
        }
        Verb::Action {
            action,
            name,
            input,
        } => act(http, kind, &call, &action, name.as_deref(), input).await,
    }
}

/// Sends one row and prints what became of it.
async fn write(
    http: &Http,
    kind: &Kind,
    call: &Invocation,
    method: Method,
    path: &str,
    body: Map<String, Value>,
) -> Result<String, Error> {
    let wrapped = Value::Object(Map::from_iter([(
        kind.singular.clone(),
        Value::Object(body),
    )]));
    let query: Vec<_> = dry_run(call).into_iter().collect();
    let answer = http.send(method, path, &query, Some(&wrapped)).await?;
    let mut row = resolve::unwrap(kind, answer.body.clone())?;
    if let (Some((what, timeout)), false) = (call.wait, call.dry_run) {
        let id = row.get("id").and_then(Value::as_str).unwrap_or_default();
        let path = answer.then(&format!("{}/{}", kind.url(), segment(id)));
        row = wait::until(http, kind, &path, what, timeout).await?;
    }
    Ok(output::row(
        kind,
        &row,
        Detail::Declared,
        call.format,
        &call.fields,
    ))
}

fn dry_run(call: &Invocation) -> Option<(String, String)> {
    call.dry_run
        .then(|| ("dry_run".to_owned(), "true".to_owned()))
}

async fn act(
    http: &Http,
    kind: &Kind,
    call: &Invocation,
    action: &str,
    name: Option<&str>,
    input: Option<Value>,
) -> Result<String, Error> {
    let description = kind
        .actions
        .get(action)
        .ok_or_else(|| Error::Usage(format!("{} has no action {action:?}", kind.id)))?;
    let mut path = description["path"].as_str().unwrap_or_default().to_owned();
    if let Some(name) = name {
        let found = resolve::find(http, kind, name).await?;
        let id = found
            .row
            .get("id")
            .and_then(Value::as_str)
            .unwrap_or_default();
        path = path.replace(":id", &segment(id));
    }
    let method = description["method"]
        .as_str()
        .unwrap_or("GET")
        .to_uppercase();
    let method = Method::from_bytes(method.as_bytes())
        .map_err(|_| Error::Refused(format!("the action {action:?} has the method {method:?}")))?;
    let path = format!("{}/{}", kind.url(), path.trim_start_matches('/'));
    let answer = http.send(method, &path, &[], input.as_ref()).await?;
    Ok(output::document(&answer.body, call.format))
}

/// The word that a row shows when the wait is over.
pub(crate) fn reached(row: &Map<String, Value>, what: WaitFor) -> Option<Result<(), String>> {
    let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default();
    match (text("status"), what) {
        ("FAILED", _) => Some(Err(text("status_reason").to_owned())),
        ("UP", _) | ("ACTIVE" | "DOWN" | "", WaitFor::Applied) | ("ACTIVE" | "", WaitFor::Up) => {
            Some(Ok(()))
        }
        _ => None,
    }
}
