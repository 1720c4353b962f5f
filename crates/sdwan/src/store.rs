//! `sdwan store`: which store, which file, which words; what is done is in
//! the server's `upkeep`.

use crate::arguments::{Place, Store as Verb};
use crate::storage::{self, Storage};
use anyhow::{Context, bail};
use sdwan_server::config::Config;
use sdwan_server::server::schemas;
use sdwan_server::upkeep::{self, Dump, Restore};
use sdwan_store::{Listing, sqlite};
use std::fs::{File, OpenOptions};
use std::io::{BufReader, BufWriter, ErrorKind, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use uuid::Uuid;

/// Does it, and answers what to print.
///
/// # Errors
/// Whatever keeps it from being done, and what a check finds.
pub(crate) fn run(verb: &Verb) -> anyhow::Result<String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime can't start")?;
    runtime.block_on(async {
        match verb {
            Verb::Backup { database, to } => {
                sqlite::backup(database, to)?;
                Ok(String::new())
            }
            Verb::Dump { place, to } => dump(&config(place)?, to.as_deref()).await,
            Verb::Restore { place, from } => restore(&config(place)?, from.as_deref()).await,
            Verb::Check { place } => check(&config(place)?).await,
        }
    })
}

/// The configuration, and what the command line says over it.
fn config(place: &Place) -> anyhow::Result<Config> {
    let mut config = match &place.config_file {
        // Nobody listens here.
        Some(file) => Config::load(file, true, None)?.config,
        None => Config::default(),
    };
    storage::choose(&mut config, place.database.as_ref(), place.etcd.as_ref())?;
    Ok(config)
}

/// Everything in the store; a server that runs on it goes on.
async fn read(config: &Config) -> anyhow::Result<Listing> {
    Ok(match &config.etcd {
        None => sqlite::list(&config.database, "/")?,
        Some(_) => Storage::open(config).await?.store().list("/").await?,
    })
}

async fn dump(config: &Config, to: Option<&Path>) -> anyhow::Result<String> {
    let dump = Dump::of(&read(config).await?, now())?;
    match to {
        None => write(&dump, std::io::stdout().lock()).context("stdout")?,
        Some(path) => {
            let name = path.display();
            let file = create(path).with_context(|| name.to_string())?;
            let written = write(&dump, &file).and_then(|()| file.sync_all());
            if let Err(error) = written {
                // Of no use, and its name is free again.
                let _ = std::fs::remove_file(path);
                bail!("{name}: {error}");
            }
        }
    }
    say(&format!(
        "{} entries at revision {}. Secrets stay sealed: take {} along.",
        dump.entries.len(),
        dump.header.revision,
        config.secrets_key().display(),
    ));
    Ok(String::new())
}

fn write(dump: &Dump, out: impl Write) -> std::io::Result<()> {
    let mut out = BufWriter::new(out);
    dump.write(&mut out)?;
    out.flush()
}

/// For its owner only: it is the whole network's configuration.
fn create(path: &Path) -> anyhow::Result<File> {
    let mut options = OpenOptions::new();
    match options.write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!("exists already: name another file for the dump")
        }
        file => Ok(file?),
    }
}

async fn restore(config: &Config, from: Option<&Path>) -> anyhow::Result<String> {
    // Before the store is touched, or made.
    let dump = match from {
        Some(path) => {
            let name = path.display();
            let file = File::open(path).with_context(|| name.to_string())?;
            Dump::read(&mut BufReader::new(file)).with_context(|| name.to_string())?
        }
        None if std::io::stdin().is_terminal() => bail!("name the dump: --from FILE"),
        None => Dump::read(&mut std::io::stdin().lock())?,
    };
    let storage = Storage::open(config).await?;
    let store = storage.store();
    let restore = Restore {
        store: &*store,
        ids: &Uuid::new_v4,
        now: now(),
        progress: &progress,
    };
    let restored = restore.run(&dump).await;
    drop(store);
    storage.close().await;
    let restored = restored?;
    let key = config.secrets_key();
    let cleared = if restored.again {
        "what an earlier restore had left was cleared away; "
    } else {
        ""
    };
    Ok(format!(
        "{cleared}{} entries restored; this is epoch {}. The key file of the store that was \
         dumped has to be {}. Every router is on hold: start the server, look at \
         `sdwan plan`, then `sdwan resume`.\n",
        restored.entries,
        restored.epoch,
        key.display(),
    ))
}

async fn check(config: &Config) -> anyhow::Result<String> {
    let checked = upkeep::check(&read(config).await?, schemas(config)?.0);
    let kinds: Vec<String> = checked
        .rows
        .iter()
        .map(|(plural, rows)| format!("{rows} {plural}"))
        .collect();
    let kinds = match kinds.as_slice() {
        [] => "no rows".to_owned(),
        kinds => kinds.join(", "),
    };
    let summary = format!(
        "{kinds}; {} entries at revision {}, epoch {}",
        checked.entries, checked.revision, checked.epoch
    );
    if checked.problems.is_empty() {
        return Ok(format!("sound: {summary}\n"));
    }
    let problems = checked.problems.join("\n");
    bail!(
        "{} problems ({summary}):\n{problems}",
        checked.problems.len()
    )
}

/// How far it is, for whoever watches.
#[expect(clippy::print_stderr, reason = "progress is no result")]
fn progress(done: usize, all: usize) {
    if std::io::stderr().is_terminal() {
        let end = if done == all { "\n" } else { "" };
        eprint!("\r{done} of {all} entries{end}");
    }
}

#[expect(clippy::print_stderr, reason = "the result is the dump")]
fn say(words: &str) {
    eprintln!("{words}");
}

/// RFC 3339, in whole seconds.
fn now() -> String {
    format!("{:.0}", jiff::Timestamp::now())
}
