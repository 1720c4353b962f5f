//! The demo holds on the oldest and the newest gobgpd, from one command.

use std::process::Command;

fn holds_on(release: &str) {
    let output = Command::new(env!("CARGO_BIN_EXE_lab"))
        .args(["demo", "--gobgp", release])
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(out.contains("━━ The demo holds"), "{out}");
    assert!(out.contains("\n$ gohan client neighbor list\n"), "{out}");
}

#[test]
fn on_gobgpd_3_10() {
    holds_on("3.10");
}

#[test]
fn on_gobgpd_4_8() {
    holds_on("4.8");
}
