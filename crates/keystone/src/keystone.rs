//! The shell: requests to one Keystone.

use crate::catalog::Catalog;
use crate::credentials::Credentials;
use crate::discovery::{self, Known};
use crate::error::Error;
use crate::token::Token;
use jiff::Timestamp;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::OnceCell;

/// The largest answer that is read: a catalog of a big cloud has some 100 KiB.
const MAX_ANSWER: usize = 4 << 20;
/// The longest token that Keystone is asked about; Fernet's have some 200
/// bytes, PKI's had some thousands.
const MAX_TOKEN: usize = 8 << 10;

/// How to reach a Keystone.
#[derive(Clone, Debug)]
pub struct Options {
    /// For each request as a whole.
    pub timeout: Duration,
    /// Certificates (PEM) of the authorities that may have signed Keystone's;
    /// the system's where none is named.
    pub ca_file: Option<PathBuf>,
    /// Where Keystone asks for it: a certificate, and its private key (PEM).
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(10),
            ca_file: None,
            identity: None,
        }
    }
}

/// A login.
#[derive(Clone, Debug)]
pub struct Session {
    /// What to send as `X-Auth-Token`.
    pub token: SecretString,
    /// It is not valid any more from then on.
    pub expires: Timestamp,
    /// What Keystone says of it.
    pub token_data: Token,
}

/// A Keystone. See the crate.
pub struct Keystone {
    http: reqwest::Client,
    known: Known,
    /// The base of v3, once it is found.
    base: OnceCell<Url>,
    warnings: Vec<String>,
}

impl Keystone {
    /// Prepares; the first request finds out which versions there are, where
    /// the URL does not name v3.
    ///
    /// # Errors
    /// [`Error::Url`]; [`Error::Client`] where `ca_file` is of no use.
    pub fn new(auth_url: &Url, options: Options) -> Result<Self, Error> {
        let known = discovery::known(auth_url)
            .map_err(|()| Error::Url(auth_url.origin().ascii_serialization()))?;
        let tls = sdwan_http::Tls {
            ca_file: options.ca_file,
            identity: options.identity,
        };
        let http = sdwan_http::client(auth_url, &tls, options.timeout)?;
        let mut warnings = Vec::new();
        if let Known::Ask {
            url,
            old: Some(old),
        } = &known
        {
            warnings.push(format!(
                "the URL of Keystone names {old}, which is gone since 2020: v3 is spoken instead; \
                 write {}v3",
                url
            ));
        }
        Ok(Self {
            http,
            known,
            base: OnceCell::new(),
            warnings,
        })
    }

    /// What the operator should know, to be told once.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Where it is, as far as known: for `WWW-Authenticate` and for words.
    pub fn url(&self) -> &Url {
        match (&self.known, self.base.get()) {
            (_, Some(base)) | (Known::V3(base), None) => base,
            (Known::Ask { url, .. }, None) => url,
        }
    }

    /// Logs in.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::Away`], [`Error::NotKeystone`].
    pub async fn login(&self, credentials: &Credentials) -> Result<Session, Error> {
        let url = self.path("auth/tokens").await?;
        let request = self.http.post(url).json(&credentials.body());
        let answer = self.send(request).await?;
        match answer.status {
            StatusCode::CREATED => {
                let token = answer
                    .headers
                    .get("x-subject-token")
                    .and_then(|value| value.to_str().ok())
                    .ok_or_else(|| self.not_keystone("a login gave no X-Subject-Token"))?;
                let token_data = self.parse(&answer.body)?;
                Ok(Session {
                    token: token.into(),
                    expires: token_data.expires,
                    token_data,
                })
            }
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::BAD_REQUEST
                if answer.is_keystones() =>
            {
                Err(Error::Refused {
                    url: self.url().to_string(),
                    who: credentials.to_string(),
                    reason: answer.why(credentials),
                })
            }
            _ => Err(self.unexpected(&answer)),
        }
    }

    /// The catalog that a token has, without making another one.
    ///
    /// # Errors
    /// As [`Keystone::login`].
    pub async fn catalog(&self, token: &SecretString) -> Result<Catalog, Error> {
        let url = self.path("auth/catalog").await?;
        let refused = |reason: &str| Error::Refused {
            url: self.url().to_string(),
            who: "the token".to_owned(),
            reason: reason.to_owned(),
        };
        let token = header(token).ok_or_else(|| refused("it is no token at all"))?;
        let request = self.http.get(url).header("X-Auth-Token", token);
        let answer = self.send(request).await?;
        match answer.status {
            StatusCode::OK => Catalog::parse(&answer.body).map_err(|why| self.not_keystone(&why)),
            StatusCode::UNAUTHORIZED => Err(refused("it has expired or was revoked")),
            StatusCode::FORBIDDEN => Err(refused("it is for no project, so has no catalog")),
            _ => Err(self.unexpected(&answer)),
        }
    }

    /// Asks about somebody's token: `None` for one that is bad, expired or
    /// revoked. The catalog is left out.
    ///
    /// # Errors
    /// [`Error::OwnToken`] where `own` is refused itself; [`Error::Forbidden`],
    /// [`Error::Away`], [`Error::NotKeystone`].
    pub async fn validate(
        &self,
        own: &SecretString,
        subject: &SecretString,
    ) -> Result<Option<Token>, Error> {
        let Some(subject) = header(subject) else {
            return Ok(None);
        };
        let mut url = self.path("auth/tokens").await?;
        url.set_query(Some("nocatalog"));
        let answer = self.about(Method::GET, url, own, subject).await?;
        match answer.status {
            StatusCode::OK => self.parse(&answer.body).map(Some),
            StatusCode::NOT_FOUND if answer.message().is_some() => Ok(None),
            StatusCode::UNAUTHORIZED => Err(Error::OwnToken {
                url: self.url().to_string(),
            }),
            StatusCode::FORBIDDEN => Err(Error::Forbidden {
                url: self.url().to_string(),
                reason: answer.message().unwrap_or_default(),
            }),
            _ => Err(self.unexpected(&answer)),
        }
    }

    /// Makes a token of one's own worth nothing. One that is so already is fine.
    ///
    /// # Errors
    /// As [`Keystone::validate`].
    pub async fn revoke(&self, token: &SecretString) -> Result<(), Error> {
        let Some(subject) = header(token) else {
            return Ok(());
        };
        let url = self.path("auth/tokens").await?;
        let answer = self.about(Method::DELETE, url, token, subject).await?;
        match answer.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED => Ok(()),
            _ => Err(self.unexpected(&answer)),
        }
    }

    /// A request about a token.
    async fn about(
        &self,
        method: Method,
        url: Url,
        own: &SecretString,
        subject: HeaderValue,
    ) -> Result<Answer, Error> {
        let own = header(own).ok_or_else(|| Error::OwnToken {
            url: self.url().to_string(),
        })?;
        let request = self.http.request(method, url);
        let request = request.header("X-Auth-Token", own);
        self.send(request.header("X-Subject-Token", subject)).await
    }

    async fn path(&self, path: &str) -> Result<Url, Error> {
        let mut url = self.base().await?.clone();
        url.set_path(&format!("{}/{path}", url.path()));
        Ok(url)
    }

    /// The base of v3; asked for until it has been found once.
    async fn base(&self) -> Result<&Url, Error> {
        let found = self.base.get_or_try_init(|| async {
            let url = match &self.known {
                Known::V3(base) => return Ok(base.clone()),
                Known::Ask { url, .. } => url,
            };
            let answer = self.send(self.http.get(url.clone())).await?;
            match answer.status {
                // Several versions are "multiple choices".
                StatusCode::OK | StatusCode::MULTIPLE_CHOICES => {
                    discovery::v3(url, &answer.body).map_err(|why| self.not_keystone(&why))
                }
                _ => Err(self.unexpected(&answer)),
            }
        });
        found.await
    }

    async fn send(&self, request: RequestBuilder) -> Result<Answer, Error> {
        let away = |error: reqwest::Error| Error::Away {
            url: self.url().to_string(),
            reason: sdwan_http::reason(&error),
        };
        let mut response = request.send().await.map_err(away)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(self.not_keystone("its answer is too long"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer::of(&response, body))
    }

    fn parse(&self, body: &[u8]) -> Result<Token, Error> {
        Token::parse(body).map_err(|why| self.not_keystone(&why.to_string()))
    }

    /// Too busy and broken ones may recover; what answers otherwise will not.
    fn unexpected(&self, answer: &Answer) -> Error {
        let status = answer.status;
        let reason = match answer.message() {
            Some(message) => format!("it answered {status}: {message}"),
            None => format!("it answered {status}"),
        };
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            let url = self.url().to_string();
            return Error::Away { url, reason };
        }
        self.not_keystone(&reason)
    }

    fn not_keystone(&self, reason: &str) -> Error {
        Error::NotKeystone {
            url: self.url().to_string(),
            reason: reason.to_owned(),
        }
    }
}

/// A token as a header; none for what can't be a token.
fn header(token: &SecretString) -> Option<HeaderValue> {
    let text = token.expose_secret();
    let fits = !text.is_empty() && text.len() <= MAX_TOKEN;
    if !fits || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// An answer, read whole.
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn of(response: &Response, body: Vec<u8>) -> Self {
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            body,
        }
    }

    /// Keystone's own words, in one line; none where it is not Keystone's.
    fn message(&self) -> Option<String> {
        let body: Value = serde_json::from_slice(&self.body).ok()?;
        let message = body["error"]["message"].as_str()?;
        let plain = message.chars().map(|c| match c.is_control() {
            true => ' ',
            false => c,
        });
        Some(plain.take(300).collect())
    }

    /// Whether Keystone refuses, and nothing else that wants to know who asks.
    fn is_keystones(&self) -> bool {
        self.message().is_some() || self.asks_more()
    }

    /// Whether it asks for a further factor.
    fn asks_more(&self) -> bool {
        self.headers.contains_key("openstack-auth-receipt")
    }

    /// Why a login was refused.
    fn why(&self, credentials: &Credentials) -> String {
        if self.asks_more() {
            return "it asks for a further factor, which this program does not have: use an \
                    application credential"
                .to_owned();
        }
        match self.message() {
            // What it says of every refusal.
            Some(message) if !message.starts_with("The request you have made requires") => message,
            _ => credentials.doubt(),
        }
    }
}
