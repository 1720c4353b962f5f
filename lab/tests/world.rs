//! Nothing of a lab stays behind, however it ends.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]

use std::collections::BTreeSet;
use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sdwan_lab::tools::Release;
use sdwan_lab::wait::{self, Seen};
use sdwan_lab::wan::Wan;
use sdwan_lab::{harness, world};

const LAB: &str = env!("CARGO_BIN_EXE_lab");

/// Every process of a proof's lab inherits this variable with the proof's name.
const PROOF: &str = "SDWAN_LAB_PROOF";

/// What of the machine a lab could leave changed: interfaces, named namespaces, the mounts of the
/// kind that it makes.
fn machine() -> (BTreeSet<String>, BTreeSet<String>, Vec<String>) {
    let names = |folder| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    };
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let ours = [
        "/run/netns",
        "/run/lab",
        "/var/tmp",
        "/etc/passwd",
        "/etc/group",
    ];
    let mounts = mounts
        .lines()
        .filter(|line| ours.iter().any(|place| line.contains(place)));
    (
        names("/sys/class/net"),
        names("/run/netns"),
        mounts.map(str::to_owned).collect(),
    )
}

/// The processes, other than this one, that carry the proof's name.
fn processes(proof: &str) -> Vec<String> {
    let mark = format!("{PROOF}={proof}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment
            .split(|byte| *byte == 0)
            .any(|item| item == mark.as_bytes())
        {
            found.push(fs::read_to_string(entry.path().join("comm")).unwrap_or_default());
        }
    }
    found
}

/// A proof's name; other runs of these tests may be under way.
fn unique(name: &str) -> String {
    format!("{name}-{}", std::process::id())
}

/// Starts one of the bodies below in a lab.
fn start(body: &str, proof: &str) -> Child {
    let mut command = Command::new(LAB);
    command
        .arg("exec")
        .arg("--")
        .arg(std::env::current_exe().unwrap());
    command
        .args([body, "--exact", "--ignored", "--nocapture"])
        .env(PROOF, proof);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits for a number of daemons that shows the lab is up, or that it is gone.
fn wait_for(proof: &str, what: &str, fits: impl Fn(&[String]) -> bool) {
    wait::quietly(what, Duration::from_secs(60), || {
        let found = processes(proof);
        Ok(if fits(&found) {
            Seen::Yes(())
        } else {
            Seen::NotYet(format!("{found:?}"))
        })
    })
    .unwrap();
}

fn gobgpds(found: &[String]) -> usize {
    found
        .iter()
        .filter(|name| name.starts_with("gobgpd"))
        .count()
}

/// Not a test by itself: the lab of the proofs below.
#[test]
#[ignore = "run by the other tests, in a lab"]
fn a_lab_that_panics() {
    harness::inside(LAB, || {
        let _wan = Wan::up(Release::V4_8)?;
        assert_eq!(gobgpds(&processes(&std::env::var(PROOF)?)), 3);
        panic!("as planned");
    });
}

/// Not a test by itself: the lab of the proofs below.
#[test]
#[ignore = "run by the other tests, in a lab"]
fn a_lab_that_stays() {
    harness::inside(LAB, || {
        let mut wan = Wan::up(Release::V4_8)?;
        wait::until("the end", Duration::from_secs(600), || {
            wan.check()?;
            Ok(Seen::<()>::NotYet("it runs".to_owned()))
        })
    });
}

#[test]
fn a_panic_leaves_nothing_but_the_logs() {
    let before = machine();
    let proof = unique("panic");
    let output = start("a_lab_that_panics", &proof)
        .wait_with_output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("as planned"),
        "{said}"
    );
    // Without waiting: the lab's end is the end of all.
    assert_eq!(processes(&proof), Vec::<String>::new());
    assert_eq!(machine(), before);
    let kept = said
        .split("logs are kept in ")
        .nth(1)
        .expect("says where the logs are");
    let kept = std::path::Path::new(kept.lines().next().unwrap());
    let log = fs::read_to_string(kept.join("GoBGP-1.gobgpd.log")).unwrap();
    assert!(log.contains("gobgpd started"), "{log}");
    fs::remove_dir_all(kept).unwrap();
}

#[test]
fn a_signal_takes_everything_down() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let proof = &unique(signal.as_str());
        let before = machine();
        let lab = start("a_lab_that_stays", proof);
        wait_for(proof, "three gobgpds", |found| gobgpds(found) == 3);
        kill(Pid::from_raw(i32::try_from(lab.id()).unwrap()), signal).unwrap();
        let output = lab.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(128 + signal as i32));
        assert_eq!(processes(proof), Vec::<String>::new());
        assert_eq!(machine(), before);
    }
}

#[test]
fn even_sigkill_leaves_nothing() {
    let before = machine();
    let proof = &unique("sigkill");
    let mut lab = start("a_lab_that_stays", proof);
    wait_for(proof, "three gobgpds", |found| gobgpds(found) == 3);
    lab.kill().unwrap();
    lab.wait().unwrap();
    wait_for(
        proof,
        "the kernel to have taken it down",
        <[String]>::is_empty,
    );
    assert_eq!(machine(), before);
}

#[test]
fn a_programs_exit_code_is_passed_on() {
    let run = |program: &str| {
        let output = Command::new(LAB).args(["exec", "--", program]).output();
        output.unwrap().status
    };
    assert!(run("true").success());
    assert_eq!(run("false").code(), Some(1));
    assert!(!run("/nowhere/to/be/found").success());
}

#[test]
fn namespaces_are_made_inside_only() {
    assert!(!world::is_inside());
    let error = sdwan_lab::netns::Netns::create("outside")
        .unwrap_err()
        .to_string();
    assert!(error.contains("inside of a lab only"), "{error}");
}
