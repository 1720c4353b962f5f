//! What SIGKILL can't show, as it leaves the kernel's page cache alone: that
//! commits are on the disk before they are acknowledged, and what happens
//! when the disk refuses. strace watches the system calls, and fails them.

use super::child::{self, Told};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

const COMMITS: usize = 40;

/// Runs `test` as the child under strace; answers what it told and the trace.
fn trace(test: &str, path: &Path, options: &[&str]) -> (Told, String) {
    let strace = std::env::var_os("SDWAN_STRACE").unwrap_or_else(|| OsString::from("strace"));
    let trace = path.with_extension("trace");
    let (program, arguments) = child::arguments(test);
    let mut command = Command::new(&strace);
    command
        .args(["-f", "-y", "-s", "16", "-o"])
        .arg(&trace)
        .args(options)
        .arg(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    let output = child::environment(&mut command, path, "n", Some(COMMITS)).output();
    let output = match output {
        Ok(output) => output,
        Err(error) if error.kind() == ErrorKind::NotFound => panic!(
            "{} is not there: install strace, or name it in SDWAN_STRACE",
            strace.display()
        ),
        Err(error) => panic!("{} does not start: {error}", strace.display()),
    };
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "the child failed: {told}");
    (Told::lines(&told), fs::read_to_string(trace).unwrap())
}

/// Whether the log was synced after it was last written.
#[derive(Default)]
struct Log {
    unsynced: bool,
    syncs: usize,
    /// Threads in the middle of a sync.
    syncing: HashSet<String>,
}

impl Log {
    /// Follows one line of the trace: `PID call(FD<FILE>, ...) = RESULT`, or
    /// in two lines `PID call(FD<FILE> <unfinished ...>` and
    /// `PID <... call resumed>) = RESULT`.
    fn follow(&mut self, thread: &str, call: &str) {
        let sync = call.contains("fsync") || call.contains("fdatasync");
        let resumed = call.starts_with("<...");
        let unfinished = call.ends_with("<unfinished ...>");
        let done = call.ends_with("= 0");
        match (sync, resumed, call.contains("-wal>")) {
            (true, false, true) if unfinished => {
                self.syncing.insert(thread.into());
            }
            (true, false, true) if done => self.synced(),
            (true, true, _) if self.syncing.remove(thread) && done => self.synced(),
            (false, false, true) => self.unsynced = true,
            _ => {}
        }
    }

    fn synced(&mut self) {
        self.unsynced = false;
        self.syncs += 1;
    }
}

#[tokio::test]
async fn each_commit_is_synced_before_it_is_acknowledged() {
    if child::ran().await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let (told, trace) = trace(
        "strace::each_commit_is_synced_before_it_is_acknowledged",
        &path,
        &["-e", "trace=fdatasync,fsync,pwrite64,write"],
    );
    assert_eq!(told.acknowledged.len(), COMMITS);
    let mut log = Log::default();
    let mut acks = 0;
    for line in trace.lines() {
        let (thread, call) = line.split_once(' ').unwrap();
        let call = call.trim();
        if call.starts_with("write(1<") && call.contains("\"ack ") {
            assert!(
                !log.unsynced,
                "acknowledged before it was synced: {line}\n{trace}"
            );
            assert!(
                log.syncs > acks,
                "acknowledged without a sync: {line}\n{trace}"
            );
            acks = log.syncs;
        }
        log.follow(thread, call);
    }
    assert!(acks >= COMMITS, "{acks} acknowledged commits in\n{trace}");
    child::check(&path, &told.acknowledged).await;
}

#[tokio::test]
async fn a_failed_sync_ends_all_commits() {
    if child::ran().await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    child::check(&path, &Default::default()).await;
    let (told, trace) = trace(
        "strace::a_failed_sync_ends_all_commits",
        &path,
        &[
            "-e",
            "trace=fdatasync,fsync",
            "-e",
            "inject=fdatasync,fsync:error=EIO:when=20+",
        ],
    );
    // Some went well, one is unknown, and from there on nothing is taken,
    // though reading goes on.
    let (good, unknown) = (told.acknowledged.len(), told.unknown.len());
    assert!(good > 0 && unknown == 1, "{told:?}\n{trace}");
    let refused = vec!["refused"; COMMITS - good - 1];
    let expected = [vec!["ack"; good], vec!["unknown"], refused, vec!["listed"]].concat();
    assert_eq!(told.words, expected);
    for (name, why) in &told.refused {
        assert!(
            why.contains("failed to sync") && why.contains("restart"),
            "{name}: {why}"
        );
    }
    // Whether the unknown one is there is known now; no refused one is.
    let there = child::check(&path, &told.acknowledged).await;
    assert!(
        there
            .iter()
            .all(|name| told.acknowledged.contains_key(name) || told.unknown.contains(name))
    );
}

#[tokio::test]
async fn a_full_disk_refuses_commits_and_breaks_none() {
    if child::ran().await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let log = folder.path().join("test.db-wal");
    child::check(&path, &Default::default()).await;
    let (told, trace) = trace(
        "strace::a_full_disk_refuses_commits_and_breaks_none",
        &path,
        &[
            "-P",
            log.to_str().unwrap(),
            "-e",
            "trace=pwrite64,write",
            "-e",
            "inject=pwrite64,write:error=ENOSPC:when=60..70",
        ],
    );
    assert!(told.unknown.is_empty(), "{told:?}\n{trace}");
    assert!(!told.refused.is_empty(), "{told:?}\n{trace}");
    for (name, why) in &told.refused {
        assert!(why.contains("no room left"), "{name}: {why}");
    }
    // It took commits before, and again when there was room.
    assert_eq!(told.words.first().map(String::as_str), Some("ack"));
    assert_eq!(
        told.words.iter().rev().nth(1).map(String::as_str),
        Some("ack"),
        "{told:?}"
    );
    let there = child::check(&path, &told.acknowledged).await;
    assert_eq!(there.len(), told.acknowledged.len());
}
