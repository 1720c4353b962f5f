use super::*;

#[test]
fn the_embedded_schemas_load() {
    let schemas = Schemas::builtin();
    let ids: Vec<&str> = schemas.iter().map(|k| k.id.as_str()).collect();
    assert_eq!(ids, ["router", "neighbor", "policyinfo"]);
}
