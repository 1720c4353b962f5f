//! The servers' API as the test uses it: one request, and what its answer says of what was done.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use reqwest::{Method, StatusCode};
use serde_json::Value;

/// One server's API.
#[derive(Clone, Debug)]
pub struct Api {
    http: reqwest::Client,
    base: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// `X-Revision`.
    pub revision: Option<u64>,
    /// The version in `ETag`.
    pub version: Option<u64>,
    /// Its body as JSON; null where there is none.
    pub body: Value,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The server was never reached: it can't have done anything.
    NotSent(String),
    /// The request was on its way: it may have been done.
    Lost(String),
}

/// A request.
#[derive(Clone, Debug)]
pub struct Ask {
    /// GET, POST, ...
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// `If-Match`.
    pub version: Option<u64>,
    /// JSON.
    pub body: Option<Value>,
}

impl Ask {
    /// A GET.
    #[must_use]
    pub fn get(path: impl Into<String>) -> Self {
        Self {
            method: Method::GET,
            path: path.into(),
            version: None,
            body: None,
        }
    }
}

impl Api {
    /// The server at this address, whose answers may take this long.
    ///
    /// # Errors
    /// When there is no HTTP client to be had.
    pub fn at(address: SocketAddr, limit: Duration) -> Result<Self> {
        let http = sdwan_http::local()?.timeout(limit);
        Ok(Self {
            http: http.build()?,
            base: format!("http://{address}"),
        })
    }

    /// Sends a request.
    ///
    /// # Errors
    /// When no whole answer came.
    pub async fn send(&self, ask: &Ask) -> Result<Answer, Failure> {
        let url = format!("{}{}", self.base, ask.path);
        let mut request = self.http.request(ask.method.clone(), url);
        if let Some(version) = ask.version {
            request = request.header("If-Match", format!("\"{version}\""));
        }
        if let Some(body) = &ask.body {
            request = request.json(body);
        }
        let answer = request.send().await.map_err(|error| failure(&error))?;
        let status = answer.status();
        let number = |name: &str| {
            let value = answer.headers().get(name)?.to_str().ok()?;
            value.trim_matches('"').parse().ok()
        };
        let (revision, version) = (number("x-revision"), number("etag"));
        let text = answer.text().await.map_err(|error| failure(&error))?;
        // What is no JSON is a text of the API's, such as its metrics.
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer {
            status,
            revision,
            version,
            body,
        })
    }

    /// A GET that must be answered well; gives its body.
    ///
    /// # Errors
    /// When it isn't, with what was answered instead.
    pub async fn get(&self, path: &str) -> Result<Value> {
        let answer = self.ask(&Ask::get(path)).await?;
        Ok(answer.body)
    }

    /// A request that must be answered well.
    ///
    /// # Errors
    /// When it isn't, with what was answered instead.
    pub async fn ask(&self, ask: &Ask) -> Result<Answer> {
        let sent = self.send(ask).await;
        let said = || format!("{} {}{}", ask.method, self.base, ask.path);
        let answer = match sent {
            Ok(answer) => answer,
            Err(Failure::NotSent(why) | Failure::Lost(why)) => bail!("{}: {why}", said()),
        };
        if !answer.status.is_success() {
            bail!("{}: {}: {}", said(), answer.status, answer.body);
        }
        Ok(answer)
    }

    /// The rows of a kind, with these properties.
    ///
    /// # Errors
    /// When they are not to be had.
    pub async fn rows(&self, plural: &str, fields: &[&str]) -> Result<Vec<Value>> {
        let mut body = self.get(&list_path(plural, fields)).await?;
        let rows = body.get_mut(plural).map(Value::take);
        match rows {
            Some(Value::Array(rows)) => Ok(rows),
            _ => None.with_context(|| format!("{plural}: {body}")),
        }
    }
}

/// The path of a list with these properties alone.
#[must_use]
pub fn list_path(plural: &str, fields: &[&str]) -> String {
    let fields = fields.iter().map(|field| format!("_fields={field}"));
    let query = fields.collect::<Vec<_>>().join("&");
    format!("/v2.0/{plural}?{query}")
}

fn failure(error: &reqwest::Error) -> Failure {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    if error.is_connect() {
        Failure::NotSent(text)
    } else {
        Failure::Lost(text)
    }
}
