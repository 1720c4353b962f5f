//! The command line that a schema makes.

use super::*;
use crate::kinds::tests::sample;
use crate::settings::Settings;
use serde_json::{Value, json};
use std::time::Duration;

fn parse(line: &[&str]) -> Result<Invocation, String> {
    parse_of(sample(), line)
}

fn parse_of(kind: Kind, line: &[&str]) -> Result<Invocation, String> {
    let kinds = [kind];
    let settings = Settings::read(|_| None).unwrap();
    let matches = build("gohan", &kinds)
        .try_get_matches_from(std::iter::once(&"client").chain(line))
        .map_err(|e| e.to_string())?;
    invocation(&matches, &kinds, &settings).map_err(|e| e.to_string())
}

#[test]
fn the_transcripts_create_is_understood() {
    let invocation = parse(&[
        "neighbor",
        "create",
        "--host_name",
        "GoBGP-1",
        "--neighbor_addr",
        "192.168.0.1",
        "--peer_as",
        "65000",
    ])
    .unwrap();
    let Verb::Create { body } = invocation.verb else {
        panic!("not a create")
    };
    assert_eq!(
        Value::from(body),
        json!({"host_name": "GoBGP-1", "neighbor_addr": "192.168.0.1", "peer_as": 65000})
    );
    assert_eq!(invocation.wait, None);
}

#[test]
fn filters_repeat_and_options_may_stand_last() {
    let invocation = parse(&[
        "neighbor",
        "list",
        "--host_name",
        "a",
        "--host_name",
        "b",
        "--limit",
        "5",
        "-o",
        "json",
        "--fields",
        "id,status",
    ])
    .unwrap();
    assert_eq!(invocation.format, Format::Json);
    assert_eq!(invocation.fields, ["id", "status"]);
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        invocation.verb,
        Verb::List {
            query: vec![
                pair("host_name", "a"),
                pair("host_name", "b"),
                pair("limit", "5")
            ]
        }
    );
}

#[test]
fn set_takes_only_what_may_change() {
    assert!(parse(&["neighbor", "set", "--host_name", "x", "ID"]).is_err());
    let invocation = parse(&["neighbor", "set", "--passive", "<null>", "--wait=up", "ID"]).unwrap();
    assert_eq!(
        invocation.verb,
        Verb::Set {
            name: "ID".into(),
            patch: json!({"passive": null}).as_object().unwrap().clone()
        }
    );
    assert_eq!(
        invocation.wait,
        Some((WaitFor::Up, Duration::from_secs(120)))
    );
}

#[test]
fn wait_alone_does_not_swallow_the_name() {
    let invocation = parse(&["neighbor", "delete", "--wait", "ID"]).unwrap();
    assert_eq!(
        invocation.verb,
        Verb::Delete {
            name: "ID".into(),
            query: vec![]
        }
    );
    assert_eq!(invocation.wait.map(|w| w.0), Some(WaitFor::Applied));
}

#[test]
fn unknown_flags_name_the_nearest() {
    let error = parse(&["neighbor", "create", "--peer_ass", "1"]).unwrap_err();
    assert!(error.contains("--peer_as"), "{error}");
}

#[test]
fn the_parser_is_sound_for_every_verb() {
    build("gohan", &[sample()]).debug_assert();
}

fn help(line: &[&str]) -> String {
    let line = [&["client"], line, &["--help"]].concat();
    build("gohan", &[sample()])
        .try_get_matches_from(line)
        .unwrap_err()
        .to_string()
}

#[test]
fn help_names_the_program_and_keeps_properties_together() {
    let help = help(&["neighbor", "create"]);
    assert!(
        help.contains("Usage: gohan client neighbor create [OPTIONS]"),
        "{help}"
    );
    let (options, properties) = help.split_once("\nProperties:\n").unwrap();
    for option in ["--dry-run", "--wait", "--endpoint", "--output-format"] {
        assert!(options.contains(option), "{help}");
    }
    assert!(properties.contains("--peer_as <NUMBER>"), "{help}");
    assert!(
        properties.contains("AS of the neighbor (required)"),
        "{help}"
    );
    assert!(properties.contains("--passive <true|false>"), "{help}");
}

#[test]
fn nothing_is_offered_that_has_no_meaning() {
    let mut site = sample();
    site.schema.properties.remove("status");
    site.schema.properties["neighbor_addr"]["format"] = json!("secret");
    let offers = |line: &[&str]| {
        let line = [&["neighbor"], line].concat();
        parse_of(site.clone(), &line).is_ok()
    };
    assert!(offers(&["list", "--host_name", "x"]));
    assert!(offers(&["delete", "--cascade", "ID"]));
    assert!(!offers(&["delete", "--force", "ID"]), "no router has it");
    assert!(!offers(&["set", "--wait", "ID"]), "no router gets it");
    assert!(
        !offers(&["list", "--neighbor_addr", "x"]),
        "nothing is found by a secret"
    );
    assert!(
        parse(&["neighbor", "list", "--limit", "-1"]).is_ok(),
        "the server says what is wrong"
    );
}

#[test]
fn what_is_not_allowed_is_refused_whatever_its_flags() {
    let mut kind = sample();
    kind.schema.permission = Some(vec!["read".to_owned(), "update".to_owned()]);
    for line in [
        &["neighbor", "create"][..],
        &["neighbor", "create", "--peer_as", "1", "-x", "y"],
        &["neighbor", "delete", "--wait", "a"],
    ] {
        let told = parse_of(kind.clone(), line).unwrap_err();
        let wanted = format!("no policy lets you {} neighbors", line[1]);
        assert_eq!(told, wanted);
    }
    let set = ["neighbor", "set", "a", "--peer_as", "1"];
    assert!(parse_of(kind.clone(), &set).is_ok());
    let help = parse_of(kind, &["neighbor", "create", "--help"]).unwrap_err();
    assert!(help.contains("No policy lets you."), "{help}");
}
