//! The server's schemas as a client needs them: which commands there are,
//! which flags they take, which columns they print.
//!
//! They are read from `GET /gohan/v0.1/schemas`, leniently: a newer server's
//! additions must not stop an older client.

use serde::Deserialize;
use serde_json::{Map, Value};

/// One kind of resource.
#[derive(Clone, Debug, Deserialize)]
pub struct Kind {
    /// E.g. `router`: the command's name.
    pub id: String,
    /// Wraps one row in a body.
    pub singular: String,
    /// Wraps a list in a body.
    pub plural: String,
    /// For people.
    #[serde(default)]
    pub title: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// E.g. `/v2.0`.
    #[serde(default)]
    pub prefix: String,
    /// Custom actions by name.
    #[serde(default)]
    pub actions: Map<String, Value>,
    /// The properties.
    pub schema: Properties,
}

/// The part of a schema that lists the properties.
#[derive(Clone, Debug, Deserialize)]
pub struct Properties {
    /// By name.
    pub properties: Map<String, Value>,
    /// In which order flags are shown.
    #[serde(rename = "propertiesOrder", default)]
    pub order: Vec<String>,
    /// Needed on create.
    #[serde(default)]
    pub required: Vec<String>,
    /// What the caller may do to rows, on some at least; where the server does
    /// not say, anything.
    #[serde(default)]
    pub permission: Option<Vec<String>>,
    /// Groups of properties; the unique ones help to find a row by name.
    #[serde(default)]
    pub indexes: Map<String, Value>,
}

/// One property, looked at through its JSON.
#[derive(Clone, Copy, Debug)]
pub struct Property<'a> {
    /// Its name and flag.
    pub name: &'a str,
    source: &'a Value,
}

/// When a property may be given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// On create.
    Create,
    /// On update.
    Update,
}

impl Kind {
    /// The collection's path, e.g. `/v2.0/routers`.
    pub fn url(&self) -> String {
        format!("{}/{}", self.prefix, self.plural)
    }

    /// Every property in display order.
    pub fn properties(&self) -> Vec<Property<'_>> {
        let known = &self.schema.properties;
        let ordered = self
            .schema
            .order
            .iter()
            .filter_map(|n| known.get_key_value(n));
        let rest = known.iter().filter(|(n, _)| !self.schema.order.contains(n));
        ordered
            .chain(rest)
            .map(|(name, source)| Property { name, source })
            .collect()
    }

    /// Whether the caller may do this (`create`, `update`, `delete`) to rows of
    /// it, to some at least.
    pub fn allows(&self, action: &str) -> bool {
        let permission = self.schema.permission.as_ref();
        permission.is_none_or(|actions| actions.iter().any(|allowed| allowed == action))
    }

    /// Whether a worker puts its rows on a router.
    pub fn has_status(&self) -> bool {
        self.computes("status")
    }

    /// Whether its rows are BGP sessions.
    pub fn has_session(&self) -> bool {
        self.computes("session_state")
    }

    fn computes(&self, property: &str) -> bool {
        let source = self.schema.properties.get(property);
        source.is_some_and(|source| source["computed"] == true)
    }

    /// Properties by which a person names a row: `name`, then what is unique,
    /// then what is unique within something, as an address is within its router.
    pub fn name_properties(&self) -> Vec<&str> {
        let unique = self
            .properties()
            .into_iter()
            .filter(|p| p.flag("unique", false))
            .map(|p| p.name);
        let grouped = self
            .schema
            .indexes
            .values()
            .filter(|index| {
                index["unique"] == true
                    || index["type"]
                        .as_str()
                        .is_some_and(|t| t.eq_ignore_ascii_case("unique"))
            })
            .filter_map(|index| match index["columns"].as_array()?.as_slice() {
                [_scope, name] => name.as_str(),
                _ => None,
            });
        let mut names = Vec::new();
        for name in std::iter::once("name").chain(unique).chain(grouped) {
            if name != "id" && !names.contains(&name) && self.schema.properties.contains_key(name) {
                names.push(name);
            }
        }
        names
    }
}

impl<'a> Property<'a> {
    fn flag(&self, key: &str, default: bool) -> bool {
        self.source[key].as_bool().unwrap_or(default)
    }

    /// Filled in by the server alone, e.g. `status`.
    pub fn computed(&self) -> bool {
        self.flag("computed", false)
    }

    /// A column of default lists.
    pub fn in_lists(&self) -> bool {
        self.in_view("list").unwrap_or(self.flag("view", true))
    }

    /// A line of default single-row tables even when it has no value.
    pub fn in_details(&self) -> bool {
        let view = self.in_view("detail").unwrap_or(self.in_lists());
        self.flag("detail_view", view)
    }

    /// Whether the schema lists this view, where it lists any.
    fn in_view(&self, name: &str) -> Option<bool> {
        let views = self.source["view"].as_array()?;
        Some(views.iter().any(|view| view == name))
    }

    /// Whether it may be given then.
    pub fn accepted(&self, when: When) -> bool {
        let word = match when {
            When::Create => "create",
            When::Update => "update",
        };
        let fixed = self.computed() || (when == When::Update && self.name == "id");
        !fixed
            && self.source["permission"]
                .as_array()
                .is_none_or(|p| p.iter().any(|w| w == word))
    }

    /// The kind and property that its value names, where it is a relation.
    pub fn relation(&self) -> Option<&'a str> {
        self.source["relation"].as_str()
    }

    /// Whether the relation's value is the other row's id, rather than another
    /// of its properties such as a router's `host_name`.
    pub fn relation_by_id(&self) -> bool {
        self.source["relation_column"]
            .as_str()
            .is_none_or(|column| column == "id")
    }

    /// Never shown, so that nothing is found by it.
    pub fn secret(&self) -> bool {
        self.source["format"] == "secret"
    }

    /// For people.
    pub fn help(&self) -> String {
        let text = |key: &str| self.source[key].as_str().unwrap_or_default();
        let mut help = match text("description") {
            "" => text("title").to_owned(),
            description => description.to_owned(),
        };
        let items = &self.source["items"]["enum"];
        if let Some(words) = words(&self.source["enum"]).or_else(|| words(items)) {
            help += &format!(" [{}]", words.join(", "));
        }
        help.trim_start().to_owned()
    }

    /// What stands for a value in help texts.
    pub fn placeholder(&self) -> &'static str {
        match self {
            p if p.is("integer") || p.is("number") => "NUMBER",
            p if p.is("boolean") => "true|false",
            p if p.is("array") => "A,B,..",
            p if p.is("object") => "JSON",
            _ => "TEXT",
        }
    }

    fn is(&self, kind: &str) -> bool {
        match &self.source["type"] {
            Value::String(one) => one == kind,
            Value::Array(many) => many.iter().any(|t| t == kind),
            _ => false,
        }
    }

    /// A flag's text as the value to send. What is not of the property's type
    /// goes as text, so that the server's one set of words says what is wrong.
    pub fn value(&self, text: &str) -> Value {
        if text == "<null>" {
            return Value::Null;
        }
        let number = |v: &Value| v.is_number();
        let parsed = serde_json::from_str::<Value>(text).ok();
        let fits = |v: &Value| {
            (self.is("integer") || self.is("number")) && number(v)
                || self.is("boolean") && v.is_boolean()
                || self.is("array") && v.is_array()
                || self.is("object") && v.is_object()
        };
        match parsed {
            Some(value) if fits(&value) => value,
            _ if self.is("array") && !text.trim_start().starts_with('[') => text
                .split(',')
                .map(|item| Value::from(item.trim()))
                .collect(),
            _ => Value::from(text),
        }
    }
}

/// The allowed values, where they are listed.
fn words(values: &Value) -> Option<Vec<String>> {
    let word = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    Some(values.as_array()?.iter().map(word).collect())
}

/// Reads the answer of `GET /gohan/v0.1/schemas`.
///
/// # Errors
/// In plain words, where it is not such an answer.
pub fn parse(answer: Value) -> Result<Vec<Kind>, String> {
    let Value::Object(mut object) = answer else {
        return Err("the schemas are not a JSON object".to_owned());
    };
    let schemas = object
        .remove("schemas")
        .ok_or("the answer has no \"schemas\"")?;
    serde_json::from_value(schemas).map_err(|e| format!("the schemas are not understood: {e}"))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use serde_json::json;

    pub(crate) fn sample() -> Kind {
        let mut kinds = parse(json!({"schemas": [{
            "id": "neighbor", "singular": "neighbor", "plural": "neighbors", "prefix": "/v2.0",
            "description": "A BGP neighbor", "later_addition": 1,
            "actions": {"reset": {"path": "/:id/reset", "method": "POST"}},
            "schema": {
                "type": "object",
                "propertiesOrder": ["id", "host_name"],
                "required": ["host_name", "neighbor_addr", "peer_as"],
                "properties": {
                    "peer_as": {"type": "integer", "description": "AS of the neighbor"},
                    "id": {"type": "string", "permission": ["create"]},
                    "host_name": {"type": "string", "permission": ["create"], "relation": "router"},
                    "neighbor_addr": {"type": "string"},
                    "passive": {"type": ["boolean", "null"], "view": false, "detail_view": false},
                    "families": {"type": ["array", "null"], "items": {"type": "string"}, "view": false},
                    "status": {"type": "string", "computed": true},
                    "session_state": {"type": "string", "computed": true, "view": false},
                },
                "indexes": {"by_router": {"columns": ["host_name", "neighbor_addr"], "unique": true}},
            },
        }]}))
        .unwrap();
        kinds.remove(0)
    }

    fn property<'a>(kind: &'a Kind, name: &str) -> Property<'a> {
        kind.properties()
            .into_iter()
            .find(|p| p.name == name)
            .unwrap()
    }

    #[test]
    fn properties_stand_in_the_schemas_order() {
        let kind = sample();
        let names: Vec<_> = kind.properties().iter().map(|p| p.name).collect();
        assert_eq!(names[..3], ["id", "host_name", "peer_as"]);
    }

    #[test]
    fn a_flags_text_becomes_a_value_of_the_propertys_type() {
        let kind = sample();
        let value = |name: &str, text: &str| property(&kind, name).value(text);
        assert_eq!(value("peer_as", "65000"), json!(65000));
        assert_eq!(value("peer_as", "many"), json!("many"));
        assert_eq!(value("neighbor_addr", "10"), json!("10"));
        assert_eq!(value("passive", "true"), json!(true));
        assert_eq!(value("passive", "<null>"), Value::Null);
        assert_eq!(
            value("families", "ipv4-unicast,ipv6-unicast"),
            json!(["ipv4-unicast", "ipv6-unicast"])
        );
        assert_eq!(
            value("families", r#"["ipv4-unicast"]"#),
            json!(["ipv4-unicast"])
        );
    }

    #[test]
    fn flags_and_columns_follow_the_schema() {
        let kind = sample();
        assert!(property(&kind, "host_name").accepted(When::Create));
        assert!(!property(&kind, "host_name").accepted(When::Update));
        assert!(!property(&kind, "status").accepted(When::Create));
        assert!(property(&kind, "status").in_lists());
        assert!(!property(&kind, "passive").in_lists());
        assert!(!property(&kind, "families").in_details());
        let mut listed = kind.clone();
        listed.schema.properties["peer_as"]["view"] = json!(["detail", "create"]);
        assert!(!property(&listed, "peer_as").in_lists());
        assert!(property(&listed, "peer_as").in_details());
        assert_eq!(kind.name_properties(), ["neighbor_addr"]);
        assert_eq!(kind.url(), "/v2.0/neighbors");
    }
}
