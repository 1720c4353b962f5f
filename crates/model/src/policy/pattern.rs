//! Which paths and tenants a policy is about: regular expressions that match
//! the whole text, never a part of it.

use regex::{Regex, RegexBuilder};
use regex_automata::hybrid::dfa::DFA;
use regex_automata::{Anchored, Input};
use std::collections::BTreeMap;

/// Bytes of a compiled pattern: enough for any path, too few to drown in.
const SIZE: usize = 1 << 18;

/// A set of paths.
#[derive(Clone, Debug)]
pub(super) enum Pattern {
    /// Every path.
    Any,
    /// Every path but these and what is below them.
    AnyBut(&'static [&'static str]),
    /// As written in a file.
    Written(Written),
}

/// A regular expression, and what it may match below the paths that there are.
#[derive(Clone, Debug)]
pub(super) struct Written {
    whole: Regex,
    text: String,
    /// By how the paths begin.
    below: BTreeMap<String, bool>,
}

impl Written {
    /// # Errors
    /// Why it is no pattern.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        // First on its own: inside of the group, `a)|(b` would break out of it.
        let alone = RegexBuilder::new(text).size_limit(SIZE).build();
        let wrapped = wrapped(text);
        let whole = alone.and_then(|_| RegexBuilder::new(&wrapped).size_limit(SIZE).build());
        Ok(Self {
            whole: whole.map_err(|error| explain(text, &error))?,
            text: text.to_owned(),
            below: BTreeMap::new(),
        })
    }

    /// As it was written.
    fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.whole.is_match(text)
    }

    fn may_match_below(&self, prefix: &str) -> bool {
        let known = self.below.get(prefix).copied();
        known.unwrap_or_else(|| may_begin(&self.text, prefix))
    }
}

fn wrapped(text: &str) -> String {
    format!(r"\A(?:{text})\z")
}

/// Whether anything that the pattern matches may begin so. Where that can't be
/// told, it may.
fn may_begin(text: &str, prefix: &str) -> bool {
    let config = DFA::config().skip_cache_capacity_check(true);
    let Ok(dfa) = DFA::builder().configure(config).build(&wrapped(text)) else {
        return true;
    };
    let mut cache = dfa.create_cache();
    let start = Input::new("").anchored(Anchored::Yes);
    let Ok(mut state) = dfa.start_state_forward(&mut cache, &start) else {
        return true;
    };
    for byte in prefix.bytes() {
        match dfa.next_state(&mut cache, state, byte) {
            Ok(next) if next.is_dead() => return false,
            Ok(next) if !next.is_quit() => state = next,
            _ => return true,
        }
    }
    true
}

impl Pattern {
    pub(super) fn matches(&self, path: &str) -> bool {
        match self {
            Self::Any => true,
            Self::AnyBut(paths) => !paths.iter().any(|but| is_below(path, but)),
            Self::Written(written) => written.matches(path),
        }
    }

    /// Finds out once for these beginnings of paths.
    pub(super) fn learn<'a>(&mut self, prefixes: impl Iterator<Item = &'a String>) {
        if let Self::Written(written) = self {
            let may = |prefix: &String| (prefix.clone(), may_begin(&written.text, prefix));
            written.below = prefixes.map(may).collect();
        }
    }

    /// Whether it may match a path that begins so.
    pub(super) fn may_match_below(&self, prefix: &str) -> bool {
        match self {
            Self::Any => true,
            Self::AnyBut(_) => self.matches(prefix),
            Self::Written(written) => written.may_match_below(prefix),
        }
    }

    /// Whether it may match this path or one below it.
    pub(super) fn may_match_at_or_below(&self, url: &str) -> bool {
        self.matches(url) || self.may_match_below(&format!("{url}/"))
    }

    /// Whether it matches whatever there is.
    pub(super) fn is_any(&self) -> bool {
        match self {
            Self::Any => true,
            Self::AnyBut(_) => false,
            Self::Written(written) => written.text() == ".*",
        }
    }
}

fn is_below(path: &str, top: &str) -> bool {
    path.strip_prefix(top)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The last line of the reason: those before draw the pattern with an arrow.
fn explain(text: &str, error: &regex::Error) -> String {
    let told = error.to_string();
    let why = told.lines().last().unwrap_or_default();
    let why = why.trim().trim_start_matches("error: ");
    format!(
        "{} is no regular expression: {why}",
        crate::value::quote(text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::Written(Written::new(text).unwrap())
    }

    #[test]
    fn a_pattern_matches_the_whole_path() {
        for (text, right, wrong) in [
            ("/v2.0/servers", "/v2.0/servers", "/v2.0/servers/1"),
            ("/v2.0/servers", "/v2.0/servers", "/x/v2.0/servers"),
            ("/v2.0/networks/?$", "/v2.0/networks", "/v2.0/networks/1"),
            (
                "/v2.0/networks/[^/]+/?$",
                "/v2.0/networks/1",
                "/v2.0/networks/1/ports",
            ),
            ("a|b", "b", "ab"),
            ("(?m)a$", "a", "a\nb"),
            (".*", "/anything", "/a\nb"),
        ] {
            let pattern = pattern(text);
            assert!(pattern.matches(right), "{text} {right}");
            assert!(!pattern.matches(wrong), "{text} {wrong:?}");
        }
    }

    #[test]
    fn nothing_breaks_out_of_the_whole() {
        for text in ["a)|(b", "(?x)a #", "a{1000}{1000}{1000}", "[", "\\"] {
            assert!(Written::new(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_may_lie_below_is_never_denied() {
        for (text, prefix, may) in [
            (".*", "/v2.0/a/", true),
            ("/v2.0/a", "/v2.0/a/", false),
            ("/v2.0/a.*", "/v2.0/a/", true),
            ("/v2.0/ab.*", "/v2.0/a/", false),
            ("/v2.0/a/one", "/v2.0/a/", true),
            ("/v2.0/a/?", "/v2.0/a/", true),
            (r"/v2\.0/b/.*", "/v2.0/a/", false),
            ("/v2.0/b?.*", "/v2.0/a/", true),
            ("/v2.0/b?", "/v2.0/a/", false),
            ("/v2.0/(a|b)/.*", "/v2.0/a/", true),
            ("(?i)/V2.0/A/.*", "/v2.0/a/", true),
            ("/v2.0/[ab]/x", "/v2.0/a/", true),
            (r"/v2.0/\w/x", "/v2.0/a/", true),
            (r"/v2.0/(b|ab)(/.*)?", "/v2.0/a/", false),
            (r"/v2.0/[^/]+", "/v2.0/a/", false),
            (r"\b.*", "/v2.0/a/", true),
        ] {
            assert_eq!(pattern(text).may_match_below(prefix), may, "{text}");
        }
    }
}
