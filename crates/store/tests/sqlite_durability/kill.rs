//! SIGKILL at seeded moments.

use super::child::{self, Told};
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};

const ROUNDS: usize = 10;

fn start(test: &str, path: &Path, name: &str) -> Child {
    let (program, arguments) = child::arguments(test);
    let mut command = Command::new(program);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped());
    child::environment(&mut command, path, name, None)
        .spawn()
        .unwrap()
}

/// Lets the child write until so many commits are acknowledged and kills it;
/// what it told in the meantime counts as well.
fn kill_after(mut child: Child, acks: usize) -> Told {
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut told = Told::default();
    while told.acknowledged.len() < acks {
        let mut line = String::new();
        assert!(
            out.read_line(&mut line).unwrap() > 0,
            "the child ended by itself"
        );
        told.line(line.trim_end());
    }
    child.kill().unwrap();
    let mut rest = String::new();
    out.read_to_string(&mut rest).unwrap();
    rest.lines().for_each(|line| told.line(line));
    child.wait().unwrap();
    told
}

#[tokio::test]
async fn acknowledged_commits_survive_sigkill() {
    if child::ran().await {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("test.db");
    let mut acknowledged = std::collections::BTreeMap::new();
    for round in 0..ROUNDS {
        // Early and late, also beyond a checkpoint of the log.
        let acks = [1, 40, 3, 170, 11, 90, 2, 330, 25, 60][round];
        let name = format!("round{round}");
        let child = start("kill::acknowledged_commits_survive_sigkill", &path, &name);
        let told = kill_after(child, acks);
        assert!(
            told.refused.is_empty() && told.unknown.is_empty(),
            "{told:?}"
        );
        acknowledged.extend(told.acknowledged);
        child::check(&path, &acknowledged).await;
    }
}

#[tokio::test]
async fn a_store_killed_while_it_is_made_opens() {
    if child::ran().await {
        return;
    }
    for round in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        // A little further each time: the file, its pages, its log.
        let log = folder.path().join("test.db-wal");
        let mut child = start(
            "kill::a_store_killed_while_it_is_made_opens",
            &path,
            "first",
        );
        let seen = if round % 2 == 0 { &path } else { &log };
        while !seen.exists() {
            assert!(
                child.try_wait().unwrap().is_none(),
                "the child ended by itself"
            );
            std::thread::yield_now();
        }
        let told = kill_after(child, round / 4);
        child::check(&path, &told.acknowledged).await;
    }
}
