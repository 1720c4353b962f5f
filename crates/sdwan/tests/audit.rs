//! Who did what, with the real binaries: written, searched, checked, and not
//! lost to a kill or a full disk.

mod support;

use serde_json::Value;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use support::{Server, free_port, refused, stderr, stdout};

/// A folder with this configuration.
fn configured(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("gohan.yaml"), text).expect("a file");
    folder
}

fn audited(text: &str) -> Server {
    Server::start_with(configured(text), &["--config-file", "gohan.yaml"])
}

/// `router create`, and whether it was done.
fn create(server: &Server, number: u8) -> Result<(), String> {
    let address = format!("127.0.0.1:{}", free_port());
    let (name, id) = (format!("GoBGP-{number}"), format!("10.0.1.{number}"));
    let output = server.client(&[
        "router",
        "create",
        "--host_name",
        &name,
        "--router_id",
        &id,
        "--local_as",
        "65001",
        "--mgmt_addr",
        &address,
    ]);
    match output.status.success() {
        true => Ok(()),
        false => Err(stderr(&output)),
    }
}

fn verify(server: &Server, file: &Path, more: &[&str]) -> std::process::Output {
    let key = server.folder.path().join("sdwan.db.key");
    let file = file.display().to_string();
    let key = key.display().to_string();
    let words = ["audit", "verify", &file, "--key-file", &key];
    server.sdwan(&[&words[..], more].concat())
}

#[test]
fn what_was_done_is_listed_and_whole() {
    let server = audited("audit: {}\n");
    create(&server, 1).unwrap();
    create(&server, 1).unwrap_err();
    let table = stdout(&server.sdwan(&["audit", "--kind", "router"]));
    let lines: Vec<&str> = table.lines().collect();
    assert!(
        lines[1].starts_with("|           TIME           | CALLER |"),
        "{table}"
    );
    assert!(lines[3].contains("| create router GoBGP-1 |"), "{table}");
    assert!(lines[3].contains("| 201    | done    |"), "{table}");
    assert!(lines[4].contains("| 409    | refused |"), "{table}");
    let json = stdout(&server.sdwan(&["audit", "--outcome", "refused", "-o", "json"]));
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["entries"].as_array().unwrap().len(), 1);
    let none = stdout(&server.sdwan(&["audit", "--until", "3d"]));
    assert_eq!(none.trim_end().lines().count(), 4, "{none}");
    let wide = stdout(&server.sdwan(&["audit", "-o", "wide", "--since", "1h"]));
    assert!(
        wide.contains("DETAIL") && wide.contains("127.0.0.1:"),
        "{wide}"
    );

    let file = server.folder.path().join("sdwan.db.audit");
    let whole = verify(&server, &file, &[]);
    assert!(whole.status.success(), "{}", stderr(&whole));
    assert!(stdout(&whole).starts_with("whole: "), "{}", stdout(&whole));
    let text = std::fs::read_to_string(&file).unwrap();
    let forged = server.folder.path().join("forged");
    std::fs::write(&forged, text.replace("GoBGP-1", "GoBGP-2")).unwrap();
    let broken = verify(&server, &forged, &[]);
    assert_eq!(broken.status.code(), Some(1));
    assert!(
        stderr(&broken).contains("forged:2: entry 2 was changed"),
        "{}",
        stderr(&broken)
    );
    let nothing = server.sdwan(&["audit", "verify", "x", "--key-file", "/nowhere"]);
    assert!(
        stderr(&nothing).contains("--key-file"),
        "{}",
        stderr(&nothing)
    );
    assert!(!Path::new("/nowhere").exists());
}

#[test]
fn what_was_answered_is_there_after_a_kill_and_the_chain_goes_on() {
    let server = audited("audit: {file: who.log}\n");
    for number in 1..20 {
        create(&server, number).unwrap();
    }
    let folder = server.kill();
    let count = |folder: &Path| {
        let text = std::fs::read_to_string(folder.join("who.log")).unwrap();
        text.lines()
            .filter(|line| line.contains("\"status\":201"))
            .count()
    };
    assert_eq!(count(folder.path()), 19);
    let server = Server::start_with(folder, &["--config-file", "gohan.yaml"]);
    create(&server, 20).unwrap();
    assert_eq!(count(server.folder.path()), 20);
    // The log has the head that it began with.
    let log = server.folder.path().join("server.log");
    let log = log.display().to_string();
    let checked = verify(
        &server,
        &server.folder.path().join("who.log"),
        &["--heads", &log],
    );
    assert!(checked.status.success(), "{}", stderr(&checked));
    assert!(
        stdout(&checked).contains("published heads that fit: 1"),
        "{}",
        stdout(&checked)
    );
}

#[test]
fn one_file_is_for_one_server() {
    let first = audited("audit: {file: who.log}\n");
    let path = first.folder.path().join("who.log");
    let second = configured(&format!("audit: {{file: {}}}\n", path.display()));
    let address = format!("127.0.0.1:{}", free_port());
    let said = refused(
        second.path(),
        &["--config-file", "gohan.yaml", "--address", &address],
    );
    assert!(said.contains("another server writes the audit"), "{said}");
}

#[test]
fn syslog_gets_entries_and_the_head_that_tells_a_cut() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("log");
    let daemon = UnixDatagram::bind(&socket).unwrap();
    daemon
        .set_read_timeout(Some(Duration::from_secs(60)))
        .unwrap();
    let server = audited(&format!(
        "audit: {{syslog: {}, heads: 1}}\n",
        socket.display()
    ));
    create(&server, 1).unwrap();
    let mut said = String::new();
    let mut buffer = [0; 16384];
    let mut entry = String::new();
    // The head of the entry, said within a second.
    while !said.contains("audit head server=") || !said.contains(" seq=2 ") {
        let length = daemon.recv(&mut buffer).unwrap();
        let message = std::str::from_utf8(&buffer[..length]).unwrap();
        if message.contains("\"status\":201") {
            message.clone_into(&mut entry);
        }
        said += &format!("{message}\n");
    }
    assert!(entry.contains(" sdwan-audit["), "{said}");
    let heads = folder.path().join("syslog");
    std::fs::write(&heads, &said).unwrap();
    let heads = heads.display().to_string();
    let file = server.folder.path().join("sdwan.db.audit");
    let whole = verify(&server, &file, &["--heads", &heads]);
    assert!(whole.status.success(), "{}", stderr(&whole));

    let text = std::fs::read_to_string(&file).unwrap();
    let cut = server.folder.path().join("cut");
    std::fs::write(&cut, text.lines().next().unwrap()).unwrap();
    let found = verify(&server, &cut, &["--heads", &heads]);
    assert_eq!(found.status.code(), Some(1));
    assert!(stderr(&found).contains("cut off"), "{}", stderr(&found));
}

/// On a disk of its own, so small that a test can fill it.
fn on_a_small_disk() -> Server {
    let folder = configured("audit: {file: disk/audit}\n");
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).expect("a folder");
    let mut command = Command::new("unshare");
    let script = "mount -t tmpfs -o size=128k tmpfs \"$0\" && exec \"$@\"";
    command
        .current_dir(folder.path())
        .args(["-Urm", "sh", "-c", script])
        .arg(&disk)
        .arg(env!("CARGO_BIN_EXE_sdwan"))
        .args(["server", "--config-file", "gohan.yaml"])
        .stdin(Stdio::null());
    Server::start_by(folder, command)
}

#[test]
fn on_a_full_disk_nothing_is_changed_and_nothing_is_lost() {
    let server = on_a_small_disk();
    // Its disk, as its process sees it.
    let folder = server.folder.path().display().to_string();
    let disk = Path::new("/proc").join(server.pid().to_string());
    let disk = disk
        .join("root")
        .join(folder.trim_start_matches('/'))
        .join("disk");
    create(&server, 1).unwrap();
    let filler = disk.join("filler");
    let full = std::fs::write(&filler, vec![0; 1 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    // What is in the file's last page has room still.
    let mut number = 1;
    let why = loop {
        number += 1;
        match create(&server, number) {
            Ok(()) => assert!(number < 50, "the disk is not full"),
            Err(why) => break why,
        }
    };
    assert!(why.contains("the audit can't be written"), "{why}");
    assert!(why.contains("No space left on device"), "{why}");
    let metrics = server.log();
    assert!(metrics.contains("the audit can't be written"), "{metrics}");

    std::fs::remove_file(&filler).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while create(&server, number).is_err() {
        assert!(
            Instant::now() < end,
            "it does not recover:\n{}",
            server.log()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
    let file = disk.join("audit");
    let checked = verify(&server, &file, &[]);
    assert!(checked.status.success(), "{}", stderr(&checked));
    let text = std::fs::read_to_string(&file).unwrap();
    let created = text.lines().filter(|line| line.contains("\"status\":201"));
    assert_eq!(
        created.count(),
        usize::from(number),
        "each that was answered is there"
    );
}
