//! `sdwan audit`: who did what, as a table or as it was written.

use crate::error::Error;
use crate::http::Http;
use crate::output;
use crate::settings::Format;
use crate::table;
use serde_json::Value;

/// Where the audit is.
const AUDIT: &str = "/sdwan/v1/audit";
/// The most entries in an answer.
const MOST: u16 = 1000;

/// Which entries; each as the server's parameter of that name.
#[derive(Clone, Debug, Default)]
pub struct Search {
    /// Not before, RFC 3339.
    pub since: Option<String>,
    /// Not after, RFC 3339.
    pub until: Option<String>,
    /// Id or name of who did it.
    pub caller: Option<String>,
    /// What kind it was done to.
    pub kind: Option<String>,
    /// Id or name of what it was done to.
    pub id: Option<String>,
    /// How it ended.
    pub outcome: Option<String>,
    /// The newest so many.
    pub limit: Option<u16>,
}

impl Search {
    /// The entries that fit, oldest first.
    ///
    /// # Errors
    /// As [`Http::get`].
    pub async fn text(&self, http: &Http, format: Format) -> Result<String, Error> {
        let answer = http.get(AUDIT, &self.query(None)).await?.body;
        if matches!(format, Format::Json | Format::Yaml) {
            return Ok(output::document(&answer, format));
        }
        let rows: Vec<Vec<String>> = entries(&answer).map(|entry| row(entry, format)).collect();
        let headings = match format {
            Format::Wide => &HEADINGS[..],
            _ => &HEADINGS[..USUAL],
        };
        Ok(table::plain_list(headings, &rows) + &elsewhere(&answer))
    }

    /// The same as lines, after entry `after`; and the number of the last one
    /// there is.
    ///
    /// # Errors
    /// As [`Http::get`].
    pub async fn lines(
        &self,
        http: &Http,
        after: Option<u64>,
        format: Format,
    ) -> Result<(String, Option<u64>), Error> {
        let answer = http.get(AUDIT, &self.query(after)).await?.body;
        let last = answer["last"].as_u64();
        let line = |entry: &Value| match format {
            Format::Table | Format::Wide => table::printable(&in_line(row(entry, format))),
            Format::Json => entry.to_string(),
            Format::Yaml => format!("---\n{}", output::document(entry, format)),
        };
        let lines = entries(&answer).map(|entry| line(entry).trim_end().to_owned() + "\n");
        Ok((lines.collect(), last.or(after)))
    }

    fn query(&self, after: Option<u64>) -> Vec<(String, String)> {
        let limit = match after {
            // As many as have come meanwhile.
            Some(_) => Some(MOST),
            None => self.limit,
        };
        let limit = limit.map(|limit| limit.to_string());
        let parameters = [
            ("since", &self.since),
            ("until", &self.until),
            ("caller", &self.caller),
            ("kind", &self.kind),
            ("id", &self.id),
            ("outcome", &self.outcome),
            ("limit", &limit),
            ("after", &after.map(|after| after.to_string())),
        ];
        let given = parameters.into_iter();
        given
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .collect()
    }
}

/// The columns, and how many of them a usual table has.
const HEADINGS: [&str; 9] = [
    "TIME", "CALLER", "FROM", "REQUEST", "CHANGED", "STATUS", "OUTCOME", "NUMBER", "DETAIL",
];
const USUAL: usize = 7;

/// Which servers have entries besides.
fn elsewhere(answer: &Value) -> String {
    let others = answer["others"].as_array().into_iter().flatten();
    let words = |name: &Value| table::printable(name.as_str().unwrap_or("?"));
    let one = |other: &Value| format!("{} ({})", words(&other["id"]), words(&other["address"]));
    let others: Vec<String> = others.map(one).collect();
    if others.is_empty() {
        return String::new();
    }
    format!(
        "These are the entries of {} alone. Each server has its own, ask these too: {}\n",
        words(&answer["server"]),
        others.join(", ")
    )
}

fn entries(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["entries"].as_array().into_iter().flatten()
}

fn row(entry: &Value, format: Format) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let caller = &entry["caller"];
    let asked = || format!("{} {}", text(&entry["method"]), text(&entry["path"]));
    let request = match entry["event"].as_str() {
        Some("request") => asked(),
        Some("rest") => format!("{} (went on)", asked()),
        Some("repeated") => format!("{} more like it", entry["times"]),
        Some("lost") => format!("{} entries lost", entry["entries"]),
        Some(other) => format!("({other})"),
        None => String::new(),
    };
    let mut row = vec![
        text(&entry["time"]),
        text(match &caller["name"] {
            Value::Null => &caller["id"],
            name => name,
        }),
        text(&entry["from"]),
        request,
        changed(entry),
        text(&entry["status"]),
        text(&entry["outcome"]),
    ];
    if format == Format::Wide {
        row.push(text(&entry["seq"]));
        let detail = match &entry["detail"] {
            Value::Null => &entry["note"],
            detail => detail,
        };
        row.push(text(detail));
    }
    row
}

/// A row where no heading says which cell is empty.
fn in_line(cells: Vec<String>) -> String {
    let shown = cells.into_iter().map(|cell| match cell.is_empty() {
        true => "-".to_owned(),
        false => cell,
    });
    shown.collect::<Vec<_>>().join("  ")
}

/// What was changed, in a few words.
fn changed(entry: &Value) -> String {
    let changes = entry["changes"].as_array().map_or(&[][..], Vec::as_slice);
    let words = |change: &Value| {
        let word = |name: &str| change[name].as_str().unwrap_or_default();
        let name = change["name"].as_str().unwrap_or(word("id"));
        format!("{} {} {name}", word("op"), word("kind"))
    };
    match changes {
        [] => String::new(),
        [one] => words(one),
        [first, rest @ ..] => format!("{} and {} more", words(first), rest.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_entry_is_told_in_one_row() {
        let entry = json!({
            "seq": 7, "time": "2026-11-23T10:00:00.000Z", "server": "gw1", "event": "request",
            "caller": {"id": "1", "name": "anna", "roles": []}, "from": "192.0.2.1:4711",
            "method": "POST", "path": "/v2.0/routers", "status": 201, "outcome": "done",
            "changes": [
                {"op": "create", "kind": "router", "id": "2", "name": "GoBGP-1"},
                {"op": "create", "kind": "neighbor", "id": "3"},
            ],
        });
        let told = row(&entry, Format::Table).join("|");
        let wanted = "2026-11-23T10:00:00.000Z|anna|192.0.2.1:4711|POST /v2.0/routers|\
                      create router GoBGP-1 and 1 more|201|done";
        assert_eq!(told, wanted);
        assert_eq!(row(&entry, Format::Wide).len(), HEADINGS.len());
        let repeated =
            json!({"event": "repeated", "times": 480, "status": 401, "from": "192.0.2.1"});
        assert_eq!(row(&repeated, Format::Table)[3], "480 more like it");
        let line = in_line(row(&repeated, Format::Table));
        assert_eq!(line, "-  -  192.0.2.1  480 more like it  -  401  -");
    }

    #[test]
    fn whose_entries_they_are_is_told_where_there_are_others() {
        let one = json!({"server": "gw1", "others": [], "entries": []});
        assert_eq!(elsewhere(&one), "");
        let other = json!([{"id": "b", "address": "10.0.0.2:9998"}]);
        let told = elsewhere(&json!({"server": "gw1", "others": other, "entries": []}));
        let wanted = "These are the entries of gw1 alone. Each server has its own, ask these \
                      too: b (10.0.0.2:9998)\n";
        assert_eq!(told, wanted);
    }
}
