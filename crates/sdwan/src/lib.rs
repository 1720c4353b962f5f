//! The program behind both names, `sdwan` and `gohan`: arguments and
//! composition, nothing else.

mod agent;
mod arguments;
mod audit;
mod logging;
mod server;
mod storage;
mod store;
mod terminal;

use arguments::{Arguments, Command, Remote, Token};
use clap::{CommandFactory, Parser};
use sdwan_client::{Error, Http, Settings, Stop, issued, verbs};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Server(arguments) => report(server::run(&arguments)),
        Command::Agent(arguments) => match agent::run(&arguments) {
            Ok(Some(outcome)) => {
                print(&outcome.text);
                ExitCode::from(outcome.code)
            }
            Ok(None) => ExitCode::SUCCESS,
            Err(error) => report(Err(error)),
        },
        Command::Store(what) => match store::run(&what) {
            Ok(text) => print(&text),
            Err(error) => report(Err(error)),
        },
        Command::Token(what) => token(what),
        Command::Completions { shell } => completions(shell),
        Command::Client { words } => client(&words),
        Command::Plan {
            router,
            output,
            remote,
        } => ask(remote, async |http, format| {
            let format = output.output_format.unwrap_or(format);
            verbs::plan(http, router.as_deref(), format).await
        }),
        Command::Rib {
            router,
            prefix,
            output,
            remote,
        } => ask(remote, async |http, format| {
            let format = output.output_format.unwrap_or(format);
            verbs::rib(http, &router, prefix.as_deref(), format).await
        }),
        Command::Hold {
            router,
            why,
            remote,
        } => ask(remote, async |http, _| {
            verbs::hold(http, router.as_deref(), why.as_deref()).await
        }),
        Command::Cluster { output, remote } => ask(remote, async |http, format| {
            verbs::cluster(http, output.output_format.unwrap_or(format)).await
        }),
        Command::Login { token_file, remote } => told(remote, async |settings| {
            sdwan_client::login(&settings, token_file.as_deref(), &terminal::asked).await
        }),
        Command::Logout { remote } => told(remote, async |settings| {
            sdwan_client::logout(&settings).await
        }),
        Command::Audit(arguments) => audit(arguments),
        Command::Resume { router, remote } => ask(remote, async |http, _| {
            verbs::resume(http, router.as_deref()).await
        }),
    }
}

fn token(what: Token) -> ExitCode {
    match what {
        Token::Create {
            name,
            roles,
            tenant,
            expires,
            output,
            remote,
        } => ask(remote, async |http, format| {
            let format = output.output_format.unwrap_or(format);
            let wish = issued::Wish {
                name: &name,
                roles: &roles,
                tenant: tenant.as_deref(),
                lifetime: expires,
            };
            issued::create(http, &wish, format).await
        }),
        Token::List { output, remote } => ask(remote, async |http, format| {
            issued::list(http, output.output_format.unwrap_or(format)).await
        }),
        Token::Revoke { token, remote } => {
            ask(remote, async |http, _| issued::revoke(http, &token).await)
        }
    }
}

fn audit(arguments: arguments::Audit) -> ExitCode {
    if let Some(verify) = &arguments.verify {
        return match audit::verify(verify) {
            Ok(text) => print(&text),
            Err(error) => report(Err(error)),
        };
    }
    let (search, follow) = audit::search(&arguments);
    ask(arguments.remote, async |http, format| {
        let format = arguments.output.output_format.unwrap_or(format);
        match follow {
            true => audit::follow(http, &search, format).await,
            false => search.text(http, format).await,
        }
    })
}

fn client(words: &[std::ffi::OsString]) -> ExitCode {
    let result = environment()
        .map_err(Stop::from)
        .and_then(|settings| {
            let run = sdwan_client::run(program(), words, settings);
            Ok(runtime()?.block_on(run))
        })
        .and_then(|result| result);
    match result {
        Ok(text) => print(&text),
        Err(Stop::Usage(error)) => {
            // Help is a result and goes to stdout, a mistake to stderr; clap knows which.
            let _ = error.print();
            ExitCode::from(if error.use_stderr() { 2 } else { 0 })
        }
        Err(Stop::Failed(error)) => fail(&error),
    }
}

/// What the kinds and their flags are, only the server knows.
#[expect(clippy::print_stderr, reason = "a warning is no result")]
fn completions(shell: clap_complete::Shell) -> ExitCode {
    let tree = || -> Result<clap::Command, Error> {
        let settings = environment()?;
        runtime()?.block_on(sdwan_client::tree(program(), &settings))
    };
    let mut command = Arguments::command();
    match tree() {
        Ok(client) => command = command.mut_subcommand("client", |_| client),
        Err(error) => eprintln!("{error}\nKinds and their flags are left out."),
    }
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, program(), &mut script);
    print(&String::from_utf8_lossy(&script))
}

/// Which of its two names the program was called by.
fn program() -> &'static str {
    let called = std::env::args_os().next();
    let name = called.as_deref().map(Path::new).and_then(Path::file_name);
    match name.is_some_and(|name| name == "gohan") {
        true => "gohan",
        false => "sdwan",
    }
}

/// A verb that asks a server; it is told the environment's output format.
fn ask(
    remote: Remote,
    verb: impl AsyncFnOnce(&Http, sdwan_client::Format) -> Result<String, Error>,
) -> ExitCode {
    told(remote, async |settings| {
        let http = Http::open(&settings).await?;
        verb(&http, settings.format).await
    })
}

/// A verb that knows which server it is about.
fn told(remote: Remote, verb: impl AsyncFnOnce(Settings) -> Result<String, Error>) -> ExitCode {
    let answer = || -> Result<String, Error> {
        let mut settings = environment()?;
        settings.endpoint = remote.endpoint.or(settings.endpoint);
        settings.verbosity = remote.verbosity.unwrap_or(settings.verbosity);
        settings.cloud = remote.cloud;
        runtime()?.block_on(verb(settings))
    };
    match answer() {
        Ok(text) => print(&text),
        Err(error) => fail(&error),
    }
}

fn environment() -> Result<Settings, Error> {
    Settings::read(|name| std::env::var(name).ok())
}

fn runtime() -> Result<tokio::runtime::Runtime, Error> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::Local(format!("the runtime can't start: {e}")))
}

/// To stdout. A reader that has seen enough (`| head`) is no failure.
fn print(text: &str) -> ExitCode {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
            fail(&Error::Local(format!("the result can't be written: {e}")))
        }
        _ => ExitCode::SUCCESS,
    }
}

#[expect(clippy::print_stderr, reason = "errors belong on stderr")]
fn fail(error: &Error) -> ExitCode {
    eprintln!("{error}");
    error.exit_code()
}

#[expect(clippy::print_stderr, reason = "errors belong on stderr")]
fn report(result: anyhow::Result<()>) -> ExitCode {
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sdwan: {error:#}");
            ExitCode::FAILURE
        }
    }
}
