//! `sdwan audit`: searching a server's, and checking files of one.

use crate::arguments::{Audit, AuditVerb};
use anyhow::{Context, bail};
use sdwan_client::audit::Search;
use sdwan_client::{Error, Format, Http};
use sdwan_server::audit::{Key, check};
use sdwan_server::secrets::SecretBox;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

/// How often who follows asks.
const PACE: Duration = Duration::from_secs(1);

/// What is searched for, and whether to stay.
pub(crate) fn search(arguments: &Audit) -> (Search, bool) {
    let search = Search {
        since: arguments.since.clone(),
        until: arguments.until.clone(),
        caller: arguments.caller.clone(),
        kind: arguments.kind.clone(),
        id: arguments.id.clone(),
        outcome: arguments.outcome.clone(),
        limit: arguments.limit,
    };
    (search, arguments.follow)
}

/// Prints what there is, then what comes, until nobody reads any more.
///
/// # Errors
/// As [`Search::lines`].
pub(crate) async fn follow(http: &Http, search: &Search, format: Format) -> Result<String, Error> {
    let mut after = None;
    loop {
        let (lines, last) = search.lines(http, after, format).await?;
        let mut out = std::io::stdout().lock();
        match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
            Err(e) if e.kind() == ErrorKind::BrokenPipe => return Ok(String::new()),
            Err(e) => return Err(Error::Local(format!("the result can't be written: {e}"))),
            Ok(()) => {}
        }
        drop(out);
        after = last;
        tokio::time::sleep(PACE).await;
    }
}

/// Checks files, and says what they hold.
///
/// # Errors
/// Where the chain breaks, and how.
pub(crate) fn verify(verb: &AuditVerb) -> anyhow::Result<String> {
    let AuditVerb::Verify {
        files,
        heads,
        key_file,
    } = verb;
    let key = key(key_file)?;
    let mut published = Vec::new();
    for path in heads {
        let name = || path.display().to_string();
        let text = std::fs::read(path).with_context(name)?;
        published.push(String::from_utf8_lossy(&text).into_owned());
    }
    let checked = check(&key, files, &published)?;
    let mut said = String::new();
    if checked.forged > 0 {
        said += &format!(
            "{} published heads were not said by this key: they were passed over\n",
            checked.forged
        );
    }
    let report = match checked.result {
        Ok(report) => report,
        Err(broken) => bail!("{said}{broken}"),
    };
    for note in &report.notes {
        said += &format!("{note}\n");
    }
    let (Some((first, from)), Some((last, to))) = (&report.first, &report.last) else {
        bail!("{said}there is no entry in these files");
    };
    said += &format!(
        "whole: {} entries of {}, {first} ({from}) to {last} ({to}); published heads that fit: {}\n",
        report.entries, report.server, report.heads
    );
    Ok(said)
}

/// Of a key file that is there: a new one would know nothing of these files.
fn key(path: &Path) -> anyhow::Result<Key> {
    if !path.try_exists()? {
        bail!(
            "{} is not there: name the server's key file with --key-file",
            path.display()
        );
    }
    Ok(Key::of(&SecretBox::from_file(path)?)?)
}
