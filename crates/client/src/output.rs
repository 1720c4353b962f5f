//! Results, as they were asked for.

use crate::kinds::Kind;
use crate::settings::Format;
use crate::table;
use serde_json::{Map, Value};

/// How much of one row a table shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// After a write: what was declared.
    Declared,
    /// On show: also what is observed, where there is something.
    All,
}

/// One row.
pub fn row(
    kind: &Kind,
    row: &Map<String, Value>,
    detail: Detail,
    format: Format,
    fields: &[String],
) -> String {
    match format {
        Format::Json | Format::Yaml => document(&wrap(&kind.singular, pick(row, fields)), format),
        Format::Table | Format::Wide => {
            let shown: Vec<(String, Value)> = kind
                .properties()
                .iter()
                .filter(|p| {
                    if fields.is_empty() {
                        let hidden_but_set = row.get(p.name).is_some_and(|v| !is_empty(v))
                            && (detail == Detail::All || !p.computed());
                        p.in_details() || hidden_but_set
                    } else {
                        fields.iter().any(|f| f == p.name)
                    }
                })
                .map(|p| {
                    (
                        p.name.to_owned(),
                        row.get(p.name).cloned().unwrap_or(Value::Null),
                    )
                })
                .collect();
            table::single(&shown)
        }
    }
}

/// Many rows, in the server's order.
pub fn rows(kind: &Kind, rows: &[Map<String, Value>], format: Format, fields: &[String]) -> String {
    match format {
        Format::Json | Format::Yaml => {
            let picked: Vec<Value> = rows.iter().map(|r| pick(r, fields)).collect();
            document(&wrap(&kind.plural, picked.into()), format)
        }
        Format::Table | Format::Wide => {
            let has_value = |name: &str| {
                rows.iter()
                    .any(|r| r.get(name).is_some_and(|v| !is_empty(v)))
            };
            let columns: Vec<String> = kind
                .properties()
                .iter()
                .filter(|p| match (fields.is_empty(), format) {
                    (false, _) => fields.iter().any(|f| f == p.name),
                    (true, Format::Wide) => p.in_lists() || has_value(p.name),
                    (true, _) => p.in_lists(),
                })
                .map(|p| p.name.to_owned())
                .collect();
            table::list(&columns, rows)
        }
    }
}

/// Any other answer, as a document.
pub fn document(value: &Value, format: Format) -> String {
    let mut text = if format == Format::Yaml {
        yaml(value)
    } else {
        // Serialising a `Value` can't fail: its keys are text.
        serde_json::to_string_pretty(value).unwrap_or_default()
    };
    text.push('\n');
    text
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

fn wrap(name: &str, value: Value) -> Value {
    Value::Object(Map::from_iter([(name.to_owned(), value)]))
}

fn pick(row: &Map<String, Value>, fields: &[String]) -> Value {
    row.iter()
        .filter(|(name, _)| fields.is_empty() || fields.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect::<Map<_, _>>()
        .into()
}

/// JSON is data, YAML a way to write it: the emitter gets plain nodes.
fn yaml(value: &Value) -> String {
    fn node(value: &Value) -> saphyr::Yaml<'_> {
        use saphyr::{Scalar, Yaml};
        match value {
            Value::Null => Yaml::Value(Scalar::Null),
            Value::Bool(b) => Yaml::Value(Scalar::Boolean(*b)),
            Value::Number(n) => match n.as_i64() {
                Some(integer) => Yaml::Value(Scalar::Integer(integer)),
                None => {
                    Yaml::Representation(n.to_string().into(), saphyr::ScalarStyle::Plain, None)
                }
            },
            Value::String(s) => Yaml::Value(Scalar::String(s.as_str().into())),
            Value::Array(items) => Yaml::Sequence(items.iter().map(node).collect()),
            Value::Object(map) => Yaml::Mapping(
                map.iter()
                    .map(|(k, v)| (Yaml::Value(Scalar::String(k.as_str().into())), node(v)))
                    .collect(),
            ),
        }
    }
    let mut text = String::new();
    // Writing into a String can't fail.
    let _ = saphyr::YamlEmitter::new(&mut text).dump(&node(value));
    text.trim_start_matches("---\n").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::tests::sample;
    use serde_json::json;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn details_leave_out_hidden_properties_without_a_value() {
        let kind = sample();
        let mut shown = object(
            json!({"id": "1", "host_name": "a", "peer_as": 1, "passive": null, "session_state": "IDLE"}),
        );
        assert!(!row(&kind, &shown, Detail::Declared, Format::Table, &[]).contains("passive"));
        shown.insert("passive".into(), json!(true));
        let declared = row(&kind, &shown, Detail::Declared, Format::Table, &[]);
        assert!(declared.contains("| passive       | true  |"), "{declared}");
        assert!(!declared.contains("session_state"), "{declared}");
        let all = row(&kind, &shown, Detail::All, Format::Table, &[]);
        assert!(all.contains("| session_state | IDLE  |"), "{all}");
    }

    #[test]
    fn wide_adds_the_columns_that_have_values() {
        let kind = sample();
        let list = [object(
            json!({"id": "1", "host_name": "a", "passive": true}),
        )];
        assert!(!rows(&kind, &list, Format::Table, &[]).contains("PASSIVE"));
        let wide = rows(&kind, &list, Format::Wide, &[]);
        assert!(
            wide.contains("PASSIVE") && !wide.contains("FAMILIES"),
            "{wide}"
        );
    }

    #[test]
    fn yaml_says_the_same_as_json() {
        let value = json!({"neighbor": {"id": "1", "n": 65000, "on": "yes", "f": [1.5, null, true], "t": "a: b"}});
        let text = document(&value, Format::Yaml);
        assert_eq!(
            text,
            "neighbor:\n  id: \"1\"\n  n: 65000\n  \"on\": \"yes\"\n  f:\n    - 1.5\n    - ~\n    - true\n  t: \"a: b\"\n"
        );
    }
}
