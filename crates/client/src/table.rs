//! Tables as Gohan prints them, byte for byte: scripts and eyes are used to
//! them. Headings are centred with the odd space on the right, which no table
//! crate at hand does, so the frame is drawn here.

use serde_json::{Map, Value};
use unicode_width::UnicodeWidthStr;

/// A cell's text and on which side it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Cell {
    text: String,
    right: bool,
}

impl Cell {
    /// Numbers stand right, all else left.
    fn of(value: &Value) -> Self {
        Self {
            text: plain(value),
            right: value.is_number(),
        }
    }

    fn left(text: &str) -> Self {
        Self {
            text: printable(text),
            right: false,
        }
    }
}

/// One row of a kind: PROPERTY and VALUE, sorted by property.
pub fn single(properties: &[(String, Value)]) -> String {
    let mut sorted: Vec<_> = properties.iter().collect();
    sorted.sort_by(|a, b| a.0.cmp(&b.0));
    let rows = sorted
        .iter()
        .map(|(name, value)| vec![Cell::left(name), Cell::of(value)])
        .collect();
    draw(&["PROPERTY".to_owned(), "VALUE".to_owned()], rows)
}

/// Many rows of a kind: a column for each of `columns`, which are sorted by
/// name; the rows stand as they are given.
pub fn list(columns: &[String], rows: &[Map<String, Value>]) -> String {
    let mut sorted = columns.to_vec();
    sorted.sort();
    let headings: Vec<_> = sorted
        .iter()
        .map(|c| c.to_uppercase().replace('_', " "))
        .collect();
    let cells = rows
        .iter()
        .map(|row| {
            sorted
                .iter()
                .map(|c| Cell::of(row.get(c).unwrap_or(&Value::Null)))
                .collect()
        })
        .collect();
    draw(&headings, cells)
}

/// Anything else: columns in the order of their headings, all of it text.
pub(crate) fn plain_list(headings: &[&str], rows: &[Vec<String>]) -> String {
    let headings: Vec<String> = headings.iter().copied().map(str::to_owned).collect();
    let cells = |row: &Vec<String>| row.iter().map(|text| Cell::left(text)).collect();
    draw(&headings, rows.iter().map(cells).collect())
}

/// A value as a person reads it: null is empty, arrays and objects are JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => printable(text),
        other => printable(&other.to_string()),
    }
}

/// Control characters would let a stored text move the terminal's cursor or
/// break the frame: they are shown escaped.
pub(crate) fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars()
        .flat_map(|c| {
            let escaped: Box<dyn Iterator<Item = char>> = if c.is_control() {
                Box::new(c.escape_default())
            } else {
                Box::new(std::iter::once(c))
            };
            escaped
        })
        .collect()
}

fn draw(headings: &[String], rows: Vec<Vec<Cell>>) -> String {
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(i, h)| {
            rows.iter()
                .map(|r| r[i].text.width())
                .max()
                .unwrap_or(0)
                .max(h.width())
        })
        .collect();
    let rule: String = widths
        .iter()
        .map(|w| format!("+{}", "-".repeat(w + 2)))
        .collect::<String>()
        + "+\n";
    let mut out = rule.clone();
    for (heading, width) in headings.iter().zip(&widths) {
        let free = width - heading.width();
        out += &format!("| {}{heading}{} ", pad(free / 2), pad(free - free / 2));
    }
    out += "|\n";
    out += &rule;
    for row in &rows {
        for (cell, width) in row.iter().zip(&widths) {
            let free = pad(width - cell.text.width());
            let (before, after) = if cell.right {
                (free.as_str(), "")
            } else {
                ("", free.as_str())
            };
            out += &format!("| {before}{}{after} ", cell.text);
        }
        out += "|\n";
    }
    out += &rule;
    out.push('\n');
    out
}

fn pad(count: usize) -> String {
    " ".repeat(count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_created_router_is_printed_as_in_the_transcript() {
        let row = object(json!({
            "id": "0483728d-546a-47d7-99ce-6734aa853c1e", "host_name": "GoBGP-1",
            "mgmt_addr": "192.168.200.103", "router_id": "10.0.1.1", "local_as": 65001,
            "status": "PENDING_CREATE",
        }));
        let rows: Vec<_> = row.into_iter().collect();
        assert_eq!(
            single(&rows),
            "\
+-----------+--------------------------------------+
| PROPERTY  |                VALUE                 |
+-----------+--------------------------------------+
| host_name | GoBGP-1                              |
| id        | 0483728d-546a-47d7-99ce-6734aa853c1e |
| local_as  |                                65001 |
| mgmt_addr | 192.168.200.103                      |
| router_id | 10.0.1.1                             |
| status    | PENDING_CREATE                       |
+-----------+--------------------------------------+

"
        );
    }

    #[test]
    fn a_list_of_neighbors_is_printed_as_in_the_transcript() {
        let columns: Vec<String> = [
            "id",
            "host_name",
            "mgmt_addr",
            "neighbor_addr",
            "peer_as",
            "status",
        ]
        .map(str::to_owned)
        .into();
        let row = |host: &str, id: &str, mgmt: &str, addr: &str, peer: u32, status: &str| {
            object(json!({"host_name": host, "id": id, "mgmt_addr": mgmt,
                "neighbor_addr": addr, "peer_as": peer, "status": status}))
        };
        let rows = [
            row(
                "GoBGP-2",
                "91f8e478-d3cc-459c-adf4-3f6cc4f2ba03",
                "192.168.200.104",
                "192.168.1.1",
                65000,
                "UP",
            ),
            row(
                "GoBGP-1",
                "bc402892-b43b-43b6-8975-9e6dfbace901",
                "192.168.200.103",
                "192.168.0.1",
                65000,
                "DOWN",
            ),
        ];
        assert_eq!(
            list(&columns, &rows),
            "\
+-----------+--------------------------------------+-----------------+---------------+---------+--------+
| HOST NAME |                  ID                  |    MGMT ADDR    | NEIGHBOR ADDR | PEER AS | STATUS |
+-----------+--------------------------------------+-----------------+---------------+---------+--------+
| GoBGP-2   | 91f8e478-d3cc-459c-adf4-3f6cc4f2ba03 | 192.168.200.104 | 192.168.1.1   |   65000 | UP     |
| GoBGP-1   | bc402892-b43b-43b6-8975-9e6dfbace901 | 192.168.200.103 | 192.168.0.1   |   65000 | DOWN   |
+-----------+--------------------------------------+-----------------+---------------+---------+--------+

"
        );
    }

    #[test]
    fn a_heading_that_can_not_be_centred_leans_left() {
        let rows = [object(json!({"exist": "Existing"}))];
        assert!(list(&["exist".to_owned()], &rows).contains("|  EXIST   |"));
    }

    #[test]
    fn wide_characters_keep_the_frame_straight_and_control_characters_are_shown() {
        let out = single(&[
            ("description".to_owned(), json!("東京\u{1b}[2J\n")),
            ("n".to_owned(), json!(1)),
        ]);
        let widths: Vec<usize> = out.trim_end().lines().map(UnicodeWidthStr::width).collect();
        assert!(widths.windows(2).all(|w| w[0] == w[1]), "{out}");
        assert!(out.contains(r"\u{1b}[2J\n"), "{out}");
    }
}
