//! The child process: commits, and tells on its standard output what became
//! of each, one line as soon as it is known.

use sdwan_store::sqlite::{Options, Sqlite};
use sdwan_store::{Commit, Entry, Error, Op, Outcome, Revision, Store};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use uuid::Uuid;

/// The database to write; set in the child only.
const PATH: &str = "SDWAN_STORE_CHILD";
/// How many commits, one after the other; without it without end, several at
/// once.
const COMMITS: &str = "SDWAN_STORE_COMMITS";
/// Keeps the names of one child's commits apart from another's.
const NAME: &str = "SDWAN_STORE_NAME";

const WRITERS: usize = 4;

/// The command that starts `test` once more, as the child that writes.
pub(crate) fn arguments(test: &str) -> (PathBuf, [String; 4]) {
    let options = ["--exact", test, "--nocapture", "--test-threads=1"];
    (std::env::current_exe().unwrap(), options.map(String::from))
}

pub(crate) fn environment<'a>(
    command: &'a mut Command,
    path: &Path,
    name: &str,
    commits: Option<usize>,
) -> &'a mut Command {
    command.env(PATH, path).env(NAME, name);
    match commits {
        Some(commits) => command.env(COMMITS, commits.to_string()),
        None => command,
    }
}

/// In the child: writes, and answers true when done.
pub(crate) async fn ran() -> bool {
    let Some(path) = std::env::var_os(PATH) else {
        return false;
    };
    let name = std::env::var(NAME).unwrap();
    // Ends the line that the test harness has begun.
    tell("");
    let store = Sqlite::open(PathBuf::from(path), Options::default())
        .await
        .unwrap();
    match std::env::var(COMMITS) {
        Ok(commits) => {
            for n in 0..commits.parse().unwrap() {
                write(&store, &format!("{name}-{n}")).await;
            }
            let entries = store.list("/").await.unwrap().entries;
            tell(&format!("listed {}", entries.len()));
        }
        Err(_) => {
            let writers = (0..WRITERS).map(|writer| write_on(&store, format!("{name}-{writer}")));
            futures::future::join_all(writers).await;
        }
    }
    true
}

async fn write_on(store: &Sqlite, name: String) {
    for n in 0.. {
        write(store, &format!("{name}-{n}")).await;
    }
}

async fn write(store: &Sqlite, name: &str) {
    let commit = Commit {
        id: Uuid::new_v4(),
        when: vec![],
        then: vec![
            Op::put(format!("/one/{name}"), name),
            Op::put(format!("/two/{name}"), vec![b'x'; 3000]),
        ],
    };
    let id = commit.id;
    match store.commit(commit).await {
        Ok(Outcome::Committed(revision)) => tell(&format!("ack {name} {revision}")),
        Ok(Outcome::Unknown) => {
            tell(&format!("unknown {name}"));
            // Nobody may be told that it is not there.
            let asked = store.committed(id).await;
            assert!(matches!(asked, Err(Error::Unavailable(_))), "{asked:?}");
        }
        Ok(Outcome::Conflict) => panic!("there is no condition"),
        Err(error) => tell(&format!("refused {name} {error}")),
    }
}

/// One write call a line, so that no line is half there.
fn tell(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// What a child told, by the commit's name.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) acknowledged: BTreeMap<String, Revision>,
    pub(crate) unknown: Vec<String>,
    /// Name and reason.
    pub(crate) refused: Vec<(String, String)>,
    /// In the order of the lines.
    pub(crate) words: Vec<String>,
}

impl Told {
    pub(crate) fn line(&mut self, line: &str) {
        let mut parts = line.splitn(3, ' ');
        let (Some(word), Some(name)) = (parts.next(), parts.next()) else {
            return;
        };
        let rest = parts.next().unwrap_or_default();
        match word {
            "ack" => {
                let revision = Revision(rest.parse().unwrap());
                self.acknowledged.insert(name.into(), revision);
            }
            "unknown" => self.unknown.push(name.into()),
            "refused" => self.refused.push((name.into(), rest.into())),
            "listed" => {}
            // The test harness's own.
            _ => return,
        }
        self.words.push(word.into());
    }

    pub(crate) fn lines(text: &str) -> Self {
        let mut told = Self::default();
        text.lines().for_each(|line| told.line(line));
        told
    }
}

/// Opens the file anew and checks it against what was told: everything that
/// was acknowledged is there at its revision, nothing is there by half.
/// Answers the names of the commits that are there.
pub(crate) async fn check(path: &Path, acknowledged: &BTreeMap<String, Revision>) -> Vec<String> {
    let store = Sqlite::open(path, Options::default()).await.unwrap();
    let ones = store.list("/one/").await.unwrap();
    let twos = store.list("/two/").await.unwrap();
    let name = |entry: &Entry| (entry.key["/one/".len()..].to_owned(), entry.modified);
    let there: BTreeMap<_, _> = ones.entries.iter().map(name).collect();
    let halves: BTreeMap<_, _> = twos.entries.iter().map(name).collect();
    assert_eq!(there, halves, "a commit is there by half");
    for (name, revision) in acknowledged {
        assert_eq!(there.get(name), Some(revision), "{name} was acknowledged");
    }
    // Each commit made one revision and two keys.
    assert_eq!(ones.revision.0, there.len() as u64);
    store.close().await;
    there.into_keys().collect()
}
