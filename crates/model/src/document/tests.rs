//! Documents: values, places, and what is refused.

use super::*;
use proptest::prelude::*;
use serde_json::json;

fn parse(text: &str) -> Value {
    Document::parse("f.yaml", text).unwrap().value
}

fn refusal(text: &str) -> String {
    Document::parse("f.yaml", text).unwrap_err().to_string()
}

#[test]
fn scalars_are_yaml_1_2() {
    let text = "{a: 1, b: -2, c: 1.5, d: true, e: null, f: ~, g: , h: no, i: '1', j: 0x10, \
                k: 10.0.0.1, l: 1e3, m: 192.168.0.0/24, n: !!str 7, o: !!int '8'}";
    let value = parse(text);
    let expected = json!({
        "a": 1, "b": -2, "c": 1.5, "d": true, "e": null, "f": null, "g": null, "h": "no",
        "i": "1", "j": 16, "k": "10.0.0.1", "l": 1000.0, "m": "192.168.0.0/24", "n": "7",
        "o": "8",
    });
    assert_eq!(value, expected);
}

#[test]
fn json_is_yaml() {
    let value = json!({"a": [1, {"b": "c\n\u{1F600}"}], "d": {"e": null}});
    assert_eq!(parse(&serde_json::to_string_pretty(&value).unwrap()), value);
}

#[test]
fn an_empty_file_is_null() {
    for text in ["", "\n", "# nothing\n", "---\n"] {
        assert_eq!(parse(text), Value::Null, "{text:?}");
    }
}

#[test]
fn order_is_kept() {
    let value = parse("b: 1\na: 2\nc: 3\n");
    let keys: Vec<&String> = value.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["b", "a", "c"]);
}

#[test]
fn aliases_are_written_out() {
    let value = parse("base: &b {x: [1, 2]}\nmore: *b\nlist: [*b, *b]\n");
    let base = json!({"x": [1, 2]});
    assert_eq!(
        value,
        json!({"base": base, "more": base, "list": [base, base]})
    );
}

#[test]
fn errors_name_file_line_and_column() {
    let cases = [
        (
            "a: 1\na: 2\n",
            r#"f.yaml:2:1: the key "a" stands here again, first in line 1"#,
        ),
        (
            "x:\n  - {k: 1, j: 2, k: 3}\n",
            r#"f.yaml:2:18: the key "k" stands here again, first in line 2"#,
        ),
        (
            "a: 1\n---\nb: 2\n",
            "f.yaml:2:1: a second document: one is allowed in a file",
        ),
        (
            "[a, b]: 1\n",
            "f.yaml:1:1: a key must be plain text, not a list or a mapping",
        ),
        ("a: .inf\n", "f.yaml:1:4: JSON has neither infinity nor NaN"),
        (
            "a: !!int x\n",
            "f.yaml:1:4: this is not a value of type !!int",
        ),
        (
            "a: &x [*x]\n",
            "f.yaml:1:8: an alias of the very node that it stands in",
        ),
    ];
    for (text, expected) in cases {
        let found = refusal(text);
        assert!(found.starts_with(expected), "{text:?} gave {found}");
    }
}

#[test]
fn syntax_errors_have_a_place() {
    for text in ["a: [1, 2", "a: 'x", "a: *nobody", "a: b: c", "%YAML"] {
        let error = Document::parse("f.yaml", text).unwrap_err();
        assert!(
            error.line >= 1 && error.column >= 1,
            "{text:?} gave {error}"
        );
        assert!(!error.message.is_empty());
    }
}

#[test]
fn alias_bombs_are_refused() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let below = format!("*a{}", level - 1);
        let row = vec![below; 9].join(", ");
        text += &format!("a{level}: &a{level} [{row}]\n");
    }
    let found = refusal(&text);
    assert!(
        found.contains("aliases add more than 10000 nodes"),
        "{found}"
    );
}

#[test]
fn depth_is_refused_written_or_aliased() {
    let deep = format!("{}x{}", "[".repeat(100), "]".repeat(100));
    assert!(refusal(&deep).contains("nested deeper than 64 levels"));
    let block: String = (0..100).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
    assert!(refusal(&block).contains("nested deeper than 64 levels"));
    let half = format!("{}x{}", "[".repeat(40), "]".repeat(40));
    let twice = format!("a: &a {half}\nb: {}*a{}\n", "[".repeat(40), "]".repeat(40));
    assert!(refusal(&twice).contains("nested deeper than 64 levels"));
}

#[test]
fn hostile_depth_ends_early() {
    for bracket in ["[", "{a: ", "- ", "? "] {
        let found = refusal(&bracket.repeat(100_000));
        assert!(found.starts_with("f.yaml:"), "{found}");
    }
}

#[test]
fn places_are_those_of_keys_and_items() {
    let text = "top:\n  list:\n  - one\n  - two:   {in: 1}\n  'a/b~c': x\n";
    let document = Document::parse("f.yaml", text).unwrap();
    let place = |pointer: &str| {
        let error = document.error(pointer, "");
        (error.line, error.column)
    };
    assert_eq!(place("/top"), (1, 1));
    assert_eq!(place("/top/list"), (2, 3));
    assert_eq!(place("/top/list/0"), (3, 5));
    assert_eq!(place("/top/list/1/two/in"), (4, 13));
    assert_eq!(place("/top/a~1b~0c"), (5, 3));
    assert_eq!(place("/top/list/0/no/such"), (3, 5), "the nearest parent");
    assert_eq!(place("/nowhere"), (1, 1));
}

#[test]
fn unknown_keys_name_the_nearest() {
    let document = Document::parse("f.yaml", "adress: x\nzzz: y\ntls: z\n").unwrap();
    let errors = document.unknown_keys("", &["address", "tls"]);
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        errors,
        [
            r#"f.yaml:1:1: unknown key "adress", did you mean "address"?"#,
            r#"f.yaml:2:1: unknown key "zzz": known are address, tls"#,
        ]
    );
}

#[test]
fn nodes_say_what_they_must_be_but_not_what_stands_there() {
    let text = "password: 12345\nlist: x\nflag: 1\n";
    let document = Document::parse("f.yaml", text).unwrap();
    let root = document.root();
    let password = root.get("password").unwrap().text().unwrap_err();
    assert_eq!(
        password.to_string(),
        r#"f.yaml:1:1: "password" must be text, not a number"#
    );
    let list = root.get("list").unwrap().items().unwrap_err();
    assert_eq!(list.message, r#""list" must be a list, not text"#);
    let flag = root.get("flag").unwrap().flag().unwrap_err();
    assert_eq!(
        flag.message,
        r#""flag" must be true or false, not a number"#
    );
    let file = Document::parse("f.yaml", "- a").unwrap();
    let file = file.root().members().unwrap_err();
    assert_eq!(file.message, "the file must be a mapping, not a list");
}

#[test]
fn a_far_name_is_not_suggested() {
    assert_eq!(nearest("colour", ["color", "height"]), Some("color"));
    assert_eq!(nearest("x", ["id", "ip"]), None);
    assert_eq!(nearest("frobnicate", ["id", "name"]), None);
}

/// JSON of a bounded depth.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z~/]{0,6}", inner, 0..5)
                .prop_map(|m| Value::Object(m.into_iter().collect())),
        ]
    })
}

/// Every JSON pointer in a value.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Array(items) => {
            for (i, item) in items.iter().enumerate() {
                pointers(item, &format!("{at}/{i}"), found);
            }
        }
        Value::Object(members) => {
            for (key, member) in members {
                pointers(member, &child(at, key), found);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn parsing_never_panics(text in "\\PC{0,80}") {
        let _ = Document::parse("f", &text);
    }

    #[test]
    fn parsing_what_looks_like_yaml_never_panics(
        text in "([-?:,\\[\\]{}&*!|>'\"%@`# \n\ta1~]){0,60}",
    ) {
        let _ = Document::parse("f", &text);
    }

    #[test]
    fn any_json_reads_back(value in any_json()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        prop_assert_eq!(Document::parse("f", &text).unwrap().value, value);
    }

    /// Each member's place is where its key stands in the text, and every
    /// pointer has a place of its own.
    #[test]
    fn places_are_right(value in any_json()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let document = Document::parse("f", &text).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let mut all = Vec::new();
        pointers(&value, "", &mut all);
        for pointer in all {
            let (line, column) = document.places[&pointer];
            let rest: String = lines[line - 1].chars().skip(column - 1).collect();
            let parent = pointer.rfind('/').and_then(|cut| value.pointer(&pointer[..cut]));
            let name = pointer.rsplit('/').next().unwrap_or_default();
            let expected = match parent {
                Some(Value::Object(_)) => {
                    let name = name.replace("~1", "/").replace("~0", "~");
                    serde_json::to_string(&name).unwrap()
                }
                _ => serde_json::to_string(value.pointer(&pointer).unwrap())
                    .unwrap()
                    .chars()
                    .take(1)
                    .collect(),
            };
            prop_assert!(rest.starts_with(&expected), "{} at {}:{}", pointer, line, column);
        }
    }
}
