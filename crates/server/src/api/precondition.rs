//! `If-Match` and `If-None-Match` of a write: only at the version that the
//! caller has seen.

use super::problem::Problem;
use http::header::{IF_MATCH, IF_NONE_MATCH};
use http::{HeaderMap, HeaderName, StatusCode};

/// What must hold of the row before it is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Precondition {
    /// Nothing.
    None,
    /// `If-Match: *`: it is there.
    Exists,
    /// `If-None-Match: *`: it is not there.
    Absent,
    /// `If-Match: "3"`: it is at one of these versions. A tag that is none of
    /// ours is no version and matches nothing.
    At(Vec<u64>),
}

impl Precondition {
    /// # Errors
    /// 400 where the headers ask for what can't be promised.
    pub(crate) fn of(headers: &HeaderMap) -> Result<Self, Problem> {
        let matching = list(headers, &IF_MATCH);
        let absent = list(headers, &IF_NONE_MATCH);
        match (matching.as_slice(), absent.as_slice()) {
            ([], []) => Ok(Self::None),
            ([one], []) if one == "*" => Ok(Self::Exists),
            ([], [one]) if one == "*" => Ok(Self::Absent),
            (tags, []) => Ok(Self::At(tags.iter().filter_map(|t| version(t)).collect())),
            ([], _) => Err(Problem::bad_request("If-None-Match takes only * here")),
            _ => Err(Problem::bad_request(
                "If-Match and If-None-Match contradict each other",
            )),
        }
    }

    /// Holds it against the row's version; `None` where there is no row.
    /// Answers the version that the write must still find.
    ///
    /// # Errors
    /// 412.
    pub(crate) fn check(&self, version: Option<u64>) -> Result<Option<u64>, Problem> {
        let failed = |why: String| Err(Problem::new(StatusCode::PRECONDITION_FAILED, why));
        match (self, version) {
            (Self::None, _) | (Self::Absent, None) => Ok(None),
            (Self::Exists, Some(version)) => Ok(Some(version)),
            (Self::At(versions), Some(version)) if versions.contains(&version) => Ok(Some(version)),
            (Self::At(versions), Some(version)) => failed(format!(
                "it is at version {version}, not {}: read it again",
                join(versions)
            )),
            (Self::Exists | Self::At(_), None) => failed("it is not there".into()),
            (Self::Absent, Some(_)) => failed("it is there already".into()),
        }
    }
}

fn list(headers: &HeaderMap, name: &HeaderName) -> Vec<String> {
    let values = headers.get_all(name).iter();
    values
        .flat_map(|v| v.to_str().unwrap_or_default().split(','))
        .map(|tag| tag.trim().to_owned())
        .filter(|tag| !tag.is_empty())
        .collect()
}

/// Proxies that compress make tags weak, and people leave out the quotes.
fn version(tag: &str) -> Option<u64> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag);
    tag.trim_matches('"').parse().ok()
}

fn join(versions: &[u64]) -> String {
    match versions {
        [] => "what If-Match says".into(),
        some => some
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(" or "),
    }
}
