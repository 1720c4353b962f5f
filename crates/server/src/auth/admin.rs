//! The first token: where tokens are asked for and the store has none, nobody
//! could make one. So the server does, for an admin, and leaves it in a file
//! that only its owner reads.

use super::Tokens;
use super::local::{Made, Wish};
use crate::catalog;
use crate::secrets::sync_folder;
use secrecy::ExposeSecret;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Its name among the tokens.
const NAME: &str = "admin";
/// Who is said to have made it.
pub(super) const MAKER: &str = "the server";

/// Why there is no first token.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file can't be written; nothing was stored.
    #[error("the first admin's token can't be put into {file}: {reason}")]
    File {
        /// Which.
        file: String,
        /// The system's words.
        reason: String,
    },
    /// The store.
    #[error(transparent)]
    Catalog(#[from] catalog::Error),
}

fn wish(name: String) -> Wish {
    Wish {
        name,
        roles: vec!["admin".to_owned()],
        tenant: None,
        lifetime: None,
    }
}

fn unwritten(file: &Path) -> impl Fn(io::Error) -> Error {
    |error| Error::File {
        file: file.display().to_string(),
        reason: error.to_string(),
    }
}

/// Makes the first token, if there is none, and leaves it in `file`.
pub(super) async fn first(tokens: &Tokens, file: &Path) -> Result<(), Error> {
    let unwritten = unwritten(file);
    // Written before it is stored: a token that nobody has would lock
    // everybody out. Under a name of its own: another server beside this one
    // may be as far, and only one of them gets its token stored.
    let mut written = None;
    let wish = wish(NAME.to_owned());
    let made = tokens.first(&wish, |made| {
        let place = beside(file, &made.id);
        write(&place, made).map_err(&unwritten)?;
        written = Some(place);
        Ok::<(), Error>(())
    });
    let made = made.await;
    let Some(place) = written else {
        return made.map(drop);
    };
    match made {
        Ok(Some(_)) => settle(&place, file),
        Ok(None) => std::fs::remove_file(&place).map_err(unwritten),
        // Whether it was stored may be unknown, so it stays.
        Err(error) => Err(error),
    }
}

/// Makes one more, under a name of its own, and leaves it in `file`: every
/// other is lost.
pub(super) async fn another(tokens: &Tokens, file: &Path) -> Result<(), Error> {
    let name = format!("{NAME}-{}", tokens.now());
    let made = tokens.create(&wish(name), MAKER).await?;
    let place = beside(file, &made.id);
    write(&place, &made).map_err(unwritten(file))?;
    settle(&place, file)
}

/// In its place, and said where that is.
fn settle(place: &Path, file: &Path) -> Result<(), Error> {
    let moved = std::fs::rename(place, file).and_then(|()| sync_folder(file));
    moved.map_err(unwritten(file))?;
    tracing::info!(
        file = %file.display(),
        "an admin's token is made: take it out of the file, make tokens for everybody with \
         `sdwan token create`, then revoke it"
    );
    Ok(())
}

fn beside(file: &Path, id: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{id}"));
    name.into()
}

fn write(path: &Path, made: &Made) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    writeln!(file, "{}", made.text.expose_secret())?;
    file.sync_all()
}
