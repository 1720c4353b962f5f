//! The demo holds on the oldest and the newest gobgpd, from one command.

use std::process::{Command, Output};

fn demo(release: &str) -> std::io::Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command.args(["demo", "--gobgp", release]).output()
}

fn holds(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("━━ The demo holds"), "{out}");
    assert!(out.contains("\n$ gohan client neighbor list\n"), "{out}");
}

#[test]
fn on_gobgpd_3_10() {
    holds(&demo("3.10").unwrap());
}

#[test]
fn on_gobgpd_4_8() {
    holds(&demo("4.8").unwrap());
}
