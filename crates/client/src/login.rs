//! `sdwan login` and `sdwan logout`.

use crate::access::{Access, Finder, Found, keystone};
use crate::cloud::Proof;
use crate::error::Error;
use crate::http::Http;
use crate::kept::Kept;
use crate::settings::{DEFAULT_ENDPOINT, Settings};
use crate::tokens::{Keyring, Source};
use jiff::Timestamp;
use sdwan_http::Tls;
use sdwan_keystone::{Credentials, Session};
use secrecy::{ExposeSecret as _, SecretString};
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

/// Asks the person at the terminal for a secret, without showing it; none
/// where there is no terminal.
pub type Ask<'a> = &'a dyn Fn(&str) -> Option<SecretString>;

/// More is no token.
const MAX_TOKEN: u64 = 64 << 10;

/// Logs in, and keeps the token. It comes from `token_file` (`-` is stdin), or
/// else from Keystone for the credentials that there are, or else it is asked
/// for. Gives what to print.
///
/// # Errors
/// Where there is nothing to log in with, or it is refused by Keystone or by
/// the server: nothing is kept then.
pub async fn login(
    settings: &Settings,
    token_file: Option<&Path>,
    ask: Ask<'_>,
) -> Result<String, Error> {
    let mut finder = Finder::of(settings)?;
    finder.kept = false;
    let folder = finder.folder()?.clone();
    let tls = finder.cloud.tls.clone();
    let kept = match token_file {
        Some(path) => token_of(&finder, read(path)?).await?,
        None => match std::mem::take(&mut finder.cloud.proof) {
            Proof::Credentials(credentials) => of_keystone(finder, credentials).await?,
            Proof::WithoutPassword(credentials) => {
                let credentials = with_password(&finder, credentials, ask)?;
                of_keystone(finder, credentials).await?
            }
            Proof::Token { .. } => {
                return Err(Error::Usage(
                    "OS_TOKEN is sent as it is and needs no login: unset it to log in".to_owned(),
                ));
            }
            Proof::None => {
                let found = finder.server().await?;
                let token = ask(&format!("Token for {}: ", found.endpoint)).ok_or_else(|| {
                    Error::Usage(
                        "nothing to log in with: set Keystone's variables (OS_AUTH_URL, \
                         OS_USERNAME, ...), name a cloud, or give a token of the server's with \
                         --token-file"
                            .to_owned(),
                    )
                })?;
                kept(found, trimmed(&token)?)
            }
        },
    };
    try_out(settings, tls, &kept).await?;
    folder.keep(&kept)?;
    Ok(said(&kept))
}

/// Forgets the login at the server, and has Keystone forget it too. Gives what
/// to print.
///
/// # Errors
/// [`Error::Local`] where it can't be forgotten.
pub async fn logout(settings: &Settings) -> Result<String, Error> {
    let finder = Finder::of(settings)?;
    let folder = finder.folder()?;
    let endpoint = match (&settings.endpoint, &settings.service) {
        (Some(endpoint), _) => Some(endpoint.trim_end_matches('/').to_owned()),
        (None, Some(service)) => {
            let kept = folder.find_service(&finder.service(service))?;
            kept.map(|kept| kept.endpoint)
        }
        (None, None) => Some(DEFAULT_ENDPOINT.to_owned()),
    };
    let kept = match endpoint {
        Some(endpoint) => folder.forget(&endpoint)?,
        None => None,
    };
    let Some(kept) = kept else {
        return Ok("there was no login\n".to_owned());
    };
    let mut text = format!("logged out of {}\n", kept.endpoint);
    if let Some(from) = &kept.from
        && let Ok(url) = from.auth_url.parse()
        && let Err(error) = keystone(&url, &finder.cloud.tls)?.revoke(&kept.token).await
    {
        let until = until(kept.expires);
        text += &format!("the token is forgotten here, but good{until}: {error}\n");
    }
    Ok(text)
}

/// A token of the server's own.
async fn token_of(finder: &Finder<'_>, token: SecretString) -> Result<Kept, Error> {
    Ok(kept(finder.server().await?, trimmed(&token)?))
}

fn kept(found: Found, token: SecretString) -> Kept {
    Kept {
        endpoint: found.endpoint,
        token,
        expires: None,
        from: None,
    }
}

async fn of_keystone(mut finder: Finder<'_>, credentials: Credentials) -> Result<Kept, Error> {
    finder.cloud.proof = Proof::Credentials(credentials.clone());
    let found = finder.server().await?;
    let Session { token, expires, .. } = match found.session.clone() {
        Some(session) => session,
        None => finder.keystone()?.login(&credentials).await?,
    };
    Ok(Kept {
        token,
        expires: Some(expires),
        from: Some(finder.origin(&credentials, &found)),
        endpoint: found.endpoint,
    })
}

fn with_password(
    finder: &Finder<'_>,
    credentials: Credentials,
    ask: Ask<'_>,
) -> Result<Credentials, Error> {
    let url = finder.keystone()?.url();
    let question = format!("Password of {credentials} at {url}: ");
    let given = ask(&question).ok_or_else(|| {
        Error::Usage(format!(
            "no password is known for {credentials}: set OS_PASSWORD, or type it on a terminal"
        ))
    })?;
    Ok(match credentials {
        Credentials::Password { user, target, .. } => Credentials::Password {
            user,
            password: given,
            target,
        },
        other => other,
    })
}

fn read(path: &Path) -> Result<SecretString, Error> {
    let shown = path.display();
    let wrong = |error: std::io::Error| Error::Local(format!("{shown}: {error}"));
    let mut text = String::new();
    if path == Path::new("-") {
        let stdin = std::io::stdin().lock();
        stdin.take(MAX_TOKEN).read_to_string(&mut text)
    } else {
        let file = std::fs::File::open(path).map_err(wrong)?;
        file.take(MAX_TOKEN).read_to_string(&mut text)
    }
    .map_err(wrong)?;
    Ok(text.lines().next().unwrap_or_default().into())
}

fn trimmed(token: &SecretString) -> Result<SecretString, Error> {
    let text = token.expose_secret().trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Usage(
            "this is no token: it must be one word of plain characters".to_owned(),
        ));
    }
    Ok(text.into())
}

/// Keeping a token that the server does not take would only hide the mistake.
async fn try_out(settings: &Settings, tls: Tls, kept: &Kept) -> Result<(), Error> {
    let access = Access {
        endpoint: kept.endpoint.clone(),
        caller: kept.caller(),
        advice: "It is not kept.".to_owned(),
        tls,
        tokens: Arc::new(Keyring::new(Source::Given(kept.token.clone()), None)),
    };
    let http = Http::new(access, settings.verbosity)?;
    http.get(&settings.schema_url, &[]).await.map(drop)
}

fn said(kept: &Kept) -> String {
    let Kept {
        endpoint, expires, ..
    } = kept;
    let who = match &kept.from {
        Some(from) => format!(" as {}", from.who),
        None => String::new(),
    };
    format!("logged in to {endpoint}{who}{}\n", until(*expires))
}

fn until(expires: Option<Timestamp>) -> String {
    match expires {
        Some(expires) => format!(" until {expires:.0}"),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word() {
        let of = |text: &str| trimmed(&text.into()).map(|t| t.expose_secret().to_owned());
        assert_eq!(of("  abc\n").unwrap(), "abc");
        for wrong in ["", " \n", "two words", "naïve"] {
            let text = of(wrong).unwrap_err().to_string();
            assert!(text.contains("no token"), "{text}");
        }
    }
}
