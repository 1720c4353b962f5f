//! What each fuzz target does with its input and what must hold of the
//! outcome. Plain functions of bytes, so that a stable test runs them too.

use sdwan_model::action::Action;
use sdwan_model::document::Document;
use sdwan_model::policy::{Caller, Policies};
use sdwan_model::resource::Body;
use sdwan_model::schema::{Kind, Schemas};
use sdwan_model::validate::{self, Violation};
use serde_json::Value;

/// A schema file loads, or every error stands somewhere in it; a kind that
/// loads can be shown and written to.
pub fn schema_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let lines = lines(text);
    let placed = |line: usize, column: usize| (1..=lines + 1).contains(&line) && column >= 1;
    let document = match Document::parse("fuzz.yaml", text) {
        Ok(document) => document,
        Err(error) => return assert!(placed(error.line, error.column), "{error}"),
    };
    match Schemas::load(&[document]) {
        Ok(schemas) => {
            for kind in schemas.iter() {
                assert!(kind.properties.contains_key("id"));
                assert!(kind.url().starts_with('/'));
                assert_eq!(kind.source["id"], *kind.id);
                writes(kind, Value::Object(Body::new()));
            }
        }
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert_eq!(error.file, "fuzz.yaml", "{error}");
                assert!(placed(error.line, error.column), "{error}");
            }
        }
    }
}

/// Policies are understood, or every error stands somewhere in the file; what
/// they come to is never more than an admin may do, and the same whichever
/// comes first.
pub fn policy_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let Ok(document) = Document::parse("fuzz.yaml", text) else {
        return;
    };
    let mut turned = document.clone();
    if let Some(Value::Array(list)) = turned.value.get_mut("policies") {
        list.reverse();
    }
    let schemas = Schemas::builtin();
    let lines = lines(text);
    let policies = match Policies::load(&[document], &schemas) {
        Ok((policies, _)) => policies,
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors {
                assert!((1..=lines + 1).contains(&error.line), "{error}");
            }
            return;
        }
    };
    let turned = Policies::load(&[turned], &schemas);
    let turned = turned.map_or_else(|_| unreachable!("the same policies"), |(turned, _)| turned);
    for role in ["admin", "operator", "reader", "member", "Nobody"] {
        let caller = Caller {
            roles: vec![role.to_owned()],
            ..Caller::nobody()
        };
        let (access, other) = (policies.access(&caller), turned.access(&caller));
        assert_eq!(access.is_everything(), other.is_everything());
        for action in ["create", "read", "update", "delete"] {
            for path in ["/metrics", "/sdwan/v1/tokens", "/v2.0/routers"] {
                let allowed = access.allows(action, path);
                assert_eq!(allowed, other.allows(action, path));
                assert!(!(allowed && access.denies(action, path)));
            }
            for kind in schemas.iter() {
                let fields = access.on(action, kind, "x").widest();
                assert_eq!(fields, other.on(action, kind, "x").widest());
            }
        }
        assert!(schemas.for_caller(&access).iter().count() <= schemas.iter().count());
    }
}

/// A body is taken or refused with places; one that is taken is right again.
/// The first byte picks the kind.
pub fn api_body(data: &[u8]) {
    let Some((pick, text)) = data.split_first() else {
        return;
    };
    let Ok(value) = serde_json::from_slice::<Value>(text) else {
        return;
    };
    let schemas = Schemas::builtin();
    let picked = usize::from(*pick) % schemas.iter().count();
    for kind in schemas.iter().skip(picked).take(1) {
        writes(kind, validate::unwrap(kind, value.clone()));
    }
}

/// What is right prints in one way, which reads as the same.
pub fn statement_action(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    match text.parse::<Action>() {
        Ok(action) => {
            let canonical = action.to_string();
            assert_eq!(canonical.parse(), Ok(action), "{canonical}");
        }
        Err(why) => assert!(!why.is_empty()),
    }
}

/// How many lines YAML sees: one ends with LF, CR or both.
fn lines(text: &str) -> usize {
    text.replace("\r\n", "\n").split(['\n', '\r']).count()
}

/// Creates, and updates what was created.
fn writes(kind: &Kind, value: Value) {
    let row = match validate::create(kind, value.clone()) {
        Ok(row) => row,
        Err(refused) => return placed(&refused.violations),
    };
    assert_eq!(validate::stored(kind, &row), []);
    let again = validate::create(kind, Value::Object(row.clone()));
    assert_eq!(again.as_ref(), Ok(&row));
    for replace in [false, true] {
        match validate::update(kind, &row, value.clone(), replace) {
            Ok(updated) => assert_eq!(validate::stored(kind, &updated), []),
            Err(refused) => placed(&refused.violations),
        }
    }
}

fn placed(violations: &[Violation]) {
    assert!(!violations.is_empty());
    for violation in violations {
        let pointer = &violation.pointer;
        assert!(
            pointer.is_empty() || pointer.starts_with('/'),
            "{violation:?}"
        );
        assert!(!violation.message.is_empty());
    }
}
