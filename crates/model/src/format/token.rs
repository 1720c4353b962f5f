//! Formats of short texts that are no addresses.

use crate::value::quote;

pub(super) fn mac(text: &str) -> Result<String, String> {
    let octets: Vec<&str> = text.split(':').collect();
    let right = octets.len() == 6 && octets.iter().all(|o| o.len() == 2 && is_hex(o));
    if !right {
        let text = quote(text);
        return Err(format!(
            "must be a MAC address such as 00:1b:21:0a:0b:0c, not {text}"
        ));
    }
    Ok(text.to_ascii_lowercase())
}

pub(super) fn regex(text: &str) -> Result<String, String> {
    match regex::Regex::new(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => {
            let reason = error.to_string();
            let reason = reason.lines().last().unwrap_or_default();
            let reason = reason.strip_prefix("error: ").unwrap_or(reason);
            Err(format!(
                "{} is not a regular expression: {reason}",
                quote(text)
            ))
        }
    }
}

/// With or without hyphens; hyphens are canonical.
pub(super) fn uuid(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if has_hyphens(&lower) {
        return Ok(lower);
    }
    if lower.len() == 32 && is_hex(&lower) {
        let (a, rest) = lower.split_at(8);
        let (b, rest) = rest.split_at(4);
        let (c, rest) = rest.split_at(4);
        let (d, e) = rest.split_at(4);
        return Ok(format!("{a}-{b}-{c}-{d}-{e}"));
    }
    Err(format!("must be a UUID, not {}", quote(text)))
}

pub(super) fn hyphenated(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if has_hyphens(&lower) && has_version(&lower, 14) {
        return Ok(lower);
    }
    Err(format!(
        "must be a UUID with hyphens (RFC 9562), not {}",
        quote(text)
    ))
}

pub(super) fn unhyphenated(text: &str) -> Result<String, String> {
    let lower = text.to_ascii_lowercase();
    if lower.len() == 32 && is_hex(&lower) && has_version(&lower, 12) {
        return Ok(lower);
    }
    Err(format!(
        "must be a UUID without hyphens (RFC 9562), not {}",
        quote(text)
    ))
}

fn has_hyphens(text: &str) -> bool {
    let groups: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = groups.iter().map(|g| g.len()).collect();
    lengths == [8, 4, 4, 4, 12] && groups.iter().all(|g| is_hex(g))
}

/// RFC 9562, 4.2: versions 1 to 8.
fn has_version(text: &str, at: usize) -> bool {
    text.as_bytes()
        .get(at)
        .is_some_and(|v| (b'1'..=b'8').contains(v))
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_hexdigit())
}

pub(super) fn port(text: &str) -> Result<String, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u16>() {
        Ok(port) if digits && port > 0 => {
            let right = port.to_string();
            if right == text {
                return Ok(right);
            }
            Err(format!("{} has leading zeros: write {right}", quote(text)))
        }
        _ => Err(format!("must be a port, 1 to 65535, not {}", quote(text))),
    }
}

/// One to three numbers, then `-pre.release` and `+build`; a `v` may lead.
pub(super) fn version(text: &str) -> Result<String, String> {
    if is_version(text, false) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "must be a version such as 1.2.3 or 1.2-rc1, not {}",
        quote(text)
    ))
}

fn is_version(text: &str, wildcards: bool) -> bool {
    let text = text.strip_prefix('v').unwrap_or(text);
    let (text, build) = cut(text, '+');
    let (numbers, pre) = cut(text, '-');
    let numbers: Vec<&str> = numbers.split('.').collect();
    let number = |n: &&str| {
        let digits = !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit());
        digits || (wildcards && matches!(*n, "x" | "X" | "*"))
    };
    let suffix = |s: Option<&str>| s.is_none_or(is_suffix);
    numbers.len() <= 3 && numbers.iter().all(number) && suffix(pre) && suffix(build)
}

fn cut(text: &str, at: char) -> (&str, Option<&str>) {
    match text.split_once(at) {
        Some((before, after)) => (before, Some(after)),
        None => (text, None),
    }
}

fn is_suffix(text: &str) -> bool {
    let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    text.split('.').all(part)
}

/// Alternatives (`||`) of conditions that all hold (`,` or a space), or of
/// ranges (`1.2 - 1.4`).
pub(super) fn constraint(text: &str) -> Result<String, String> {
    if text.split("||").all(is_alternative) {
        return Ok(text.to_owned());
    }
    let text = quote(text);
    Err(format!(
        "must be a version constraint such as >= 1.2, < 3 || ~4.1, not {text}"
    ))
}

fn is_alternative(text: &str) -> bool {
    if let Some((low, high)) = text.split_once(" - ") {
        return is_version(low.trim(), true) && is_version(high.trim(), true);
    }
    // An operator may stand apart from its version.
    let words: Vec<&str> = text
        .split(|c: char| c == ',' || c.is_whitespace())
        .filter(|w| !w.is_empty())
        .collect();
    let mut waiting = false;
    let mut versions = 0;
    for word in words {
        let bare = word.trim_start_matches(['=', '!', '<', '>', '~', '^']);
        let operator = &word[..word.len() - bare.len()];
        let known = [
            "", "=", "!=", ">", "<", ">=", "=>", "<=", "=<", "~", "~>", "^",
        ];
        if !known.contains(&operator) || (waiting && !operator.is_empty()) {
            return false;
        }
        if bare.is_empty() {
            waiting = true;
            continue;
        }
        if !is_version(bare, true) {
            return false;
        }
        waiting = false;
        versions += 1;
    }
    versions > 0 && !waiting
}
