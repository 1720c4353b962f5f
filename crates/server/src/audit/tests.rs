//! The file, its chain and what is found of a hand at it.

use super::chain::Key;
use super::check::check;
use super::file::{Log, Settings, full_files};
use super::published::Published;
use super::verify::How;
use super::*;
use crate::secrets::SecretBox;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::sync::LazyLock;

const NOW: &str = "2026-11-23T10:00:00.000Z";

fn key() -> Key {
    Key::of(&SecretBox::from_key([7; 32])).unwrap()
}

/// A place for an audit.
struct Place {
    folder: tempfile::TempDir,
    max_size: u64,
    keep: usize,
}

impl Place {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            max_size: u64::MAX,
            keep: 100,
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("audit")
    }

    fn settings(&self) -> Settings {
        Settings {
            path: self.path(),
            max_size: self.max_size,
            keep: self.keep,
            server: "gw1".into(),
            new_chain: uuid::Uuid::new_v4().simple().to_string(),
        }
    }

    fn open(&self) -> (Log, Vec<String>) {
        Log::open(self.settings(), key(), NOW).unwrap()
    }

    /// A log that was begun in order.
    fn sound(&self) -> Log {
        let (log, warnings) = self.open();
        assert_eq!(warnings, [""; 0]);
        log
    }

    /// The file and the full ones.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = full_files(&self.path()).unwrap();
        files.push(self.path());
        files
    }

    fn check(&self) -> Result<Report, Break> {
        self.check_with(&[])
    }

    fn check_with(&self, heads: &[String]) -> Result<Report, Break> {
        check(&key(), &self.files(), heads).unwrap().result
    }

    fn text(&self) -> String {
        fs::read_to_string(self.path()).unwrap()
    }
}

/// Entries that say which they are.
fn say(log: &mut Log, numbers: std::ops::Range<u32>) {
    for number in numbers {
        let record = json!({"time": NOW, "server": "gw1", "event": "request", "n": number});
        log.append(&[record.to_string().as_bytes()], NOW).unwrap();
    }
}

#[test]
fn a_chain_is_whole_over_rotations_and_restarts() {
    let mut place = Place::new();
    place.max_size = 1000;
    for start in 0..5 {
        let mut log = place.sound();
        say(&mut log, start * 10..start * 10 + 10);
    }
    assert!(place.files().len() > 3, "{:?}", place.files());
    let report = place.check().unwrap();
    assert_eq!(report.first.unwrap().0, 1);
    assert_eq!(report.last.unwrap().0, report.entries);
    assert_eq!(report.notes, [""; 0]);
    // Every entry is there once.
    let texts = place
        .files()
        .into_iter()
        .map(|f| fs::read_to_string(f).unwrap());
    let lines: Vec<Value> = texts
        .flat_map(|text| {
            text.lines()
                .map(|l| serde_json::from_str(l).unwrap())
                .collect::<Vec<_>>()
        })
        .collect();
    let numbers: Vec<u64> = lines.iter().filter_map(|line| line["n"].as_u64()).collect();
    assert_eq!(numbers, (0..50).collect::<Vec<_>>());
}

#[test]
fn the_oldest_full_files_go_and_the_rest_says_so() {
    let mut place = Place::new();
    (place.max_size, place.keep) = (1000, 2);
    let mut log = place.sound();
    say(&mut log, 0..60);
    assert_eq!(place.files().len(), 3);
    let report = place.check().unwrap();
    assert!(report.first.unwrap().0 > 1);
    assert!(
        report.notes[0].contains("is not here"),
        "{:?}",
        report.notes
    );
}

#[test]
fn only_its_owner_reads_it_and_one_server_writes_it() {
    use std::os::unix::fs::MetadataExt;
    let place = Place::new();
    let log = place.sound();
    assert_eq!(fs::metadata(place.path()).unwrap().mode() & 0o777, 0o600);
    let second = Log::open(place.settings(), key(), NOW);
    assert!(matches!(second, Err(Error::Taken(_))));
    drop(log);
    place.sound();
}

#[test]
fn a_file_of_something_else_is_left_alone() {
    let place = Place::new();
    for text in ["dear diary\n", "{\"json\": true}\n", "one\ntwo\nthree"] {
        fs::write(place.path(), text).unwrap();
        let opened = Log::open(place.settings(), key(), NOW);
        assert!(matches!(opened, Err(Error::Strange(_))), "{text}");
        assert_eq!(place.text(), text);
    }
    let mut nowhere = place.settings();
    nowhere.path = "/dev/null".into();
    let opened = Log::open(nowhere, key(), NOW);
    assert!(matches!(opened, Err(Error::Strange(_))));
    // What a server that was killed at once may have left is not.
    for text in ["", "{\"seq\":1,\"time\":\"20"] {
        fs::write(place.path(), text).unwrap();
        say(&mut place.sound(), 0..3);
        place.check().unwrap();
        fs::remove_file(place.path()).unwrap();
    }
}

#[test]
fn a_torn_last_line_stays_and_is_explained() {
    let place = Place::new();
    say(&mut place.sound(), 0..5);
    let whole = fs::read(place.path()).unwrap();
    let last = whole[..whole.len() - 1]
        .iter()
        .rposition(|b| *b == b'\n')
        .unwrap()
        + 1;
    // Wherever it was torn, also within its end.
    for cut in last + 1..=whole.len() {
        fs::write(place.path(), &whole[..cut]).unwrap();
        let (mut log, warnings) = place.open();
        let torn = cut < whole.len() - 1;
        assert_eq!(warnings.len(), usize::from(torn), "{cut}: {warnings:?}");
        say(&mut log, 5..8);
        drop(log);
        let report = place.check().unwrap_or_else(|e| panic!("{cut}: {e}"));
        assert_eq!(report.notes.len(), usize::from(torn));
        assert!(fs::read(place.path()).unwrap().starts_with(&whole[..cut]));
        // Nobody can pass something off as torn.
        if torn {
            let text = fs::read(place.path()).unwrap();
            let mut forged = whole[..cut - 1].to_vec();
            forged.extend_from_slice(b"?");
            forged.extend_from_slice(&text[cut..]);
            fs::write(place.path(), forged).unwrap();
            let broken = place.check().unwrap_err();
            assert!(matches!(broken.how, How::Garbage), "{broken}");
        }
    }
}

#[test]
fn a_crash_between_the_names_of_a_rotation_loses_nothing() {
    let mut place = Place::new();
    place.max_size = 1000;
    let mut log = place.sound();
    say(&mut log, 0..20);
    drop(log);
    // The full file has its name, the new one not yet.
    let new = place.folder.path().join("audit.new");
    fs::rename(place.path(), &new).unwrap();
    say(&mut place.sound(), 20..40);
    place.check().unwrap();
    // The new one is written, and nothing is renamed.
    fs::copy(place.path(), &new).unwrap();
    say(&mut place.sound(), 40..60);
    place.check().unwrap();
    assert!(!new.exists());
}

#[test]
fn what_was_changed_while_nobody_ran_is_set_aside_and_told() {
    let place = Place::new();
    say(&mut place.sound(), 0..5);
    let forged = place.text().replace("\"n\":2", "\"n\":9");
    fs::write(place.path(), &forged).unwrap();
    let broken = place.check().unwrap_err();
    assert_eq!(broken.place.1, 4);
    assert_eq!(broken.how, How::Changed(4));
    let (mut log, warnings) = place.open();
    assert!(warnings[0].contains("entry 4 was changed"), "{warnings:?}");
    say(&mut log, 5..8);
    let report = place.check().unwrap();
    assert!(
        report.notes[0].contains("entry 4 was changed"),
        "{:?}",
        report.notes
    );
    let aside = place.folder.path().join("audit.broken-6-1");
    assert_eq!(fs::read_to_string(aside).unwrap(), forged);
    assert_eq!(report.first.unwrap().0, 7, "no number is used again");
}

#[test]
fn a_hand_at_the_file_of_a_running_server_is_found() {
    type Hand = fn(&Path);
    let hands: [(&str, Hand); 4] = [
        ("was written to", |path| {
            let mut file = fs::OpenOptions::new().append(true).open(path).unwrap();
            file.write_all(b"{}\n").unwrap();
        }),
        ("was written to", |path| {
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_len(10).unwrap();
        }),
        ("was taken away", |path| fs::remove_file(path).unwrap()),
        ("another file", |path| {
            let text = fs::read(path).unwrap();
            fs::remove_file(path).unwrap();
            fs::write(path, text).unwrap();
        }),
    ];
    for (told, hand) in hands {
        let place = Place::new();
        let mut log = place.sound();
        say(&mut log, 0..5);
        hand(&place.path());
        say(&mut log, 5..8);
        let report = place.check().unwrap();
        assert!(report.notes[0].contains(told), "{:?}", report.notes);
        assert_eq!(report.first.unwrap().0, 7, "what is gone is missed");
    }
}

#[test]
fn a_file_that_is_gone_at_the_start_is_missed() {
    let mut place = Place::new();
    place.max_size = 1000;
    let mut log = place.sound();
    say(&mut log, 0..20);
    let head = log.published().to_string();
    drop(log);
    fs::remove_file(place.path()).unwrap();
    let (mut log, warnings) = place.open();
    assert!(warnings[0].contains("was not there"), "{warnings:?}");
    say(&mut log, 20..60);
    let broken = place.check_with(&[head]).unwrap_err();
    assert!(matches!(broken.how, How::Rewritten(_)), "{broken}");
}

#[test]
fn another_key_begins_another_chain_and_leaves_the_old_one_whole() {
    let place = Place::new();
    say(&mut place.sound(), 0..5);
    let other = Key::of(&SecretBox::from_key([8; 32])).unwrap();
    let (mut log, warnings) = Log::open(place.settings(), other, NOW).unwrap();
    assert!(warnings[0].contains("under key"), "{warnings:?}");
    say(&mut log, 5..8);
    let files = place.files();
    let [old, new] = &files[..] else {
        panic!("{files:?}")
    };
    let old = [old.clone()];
    assert_eq!(check(&key(), &old, &[]).unwrap().result.unwrap().entries, 6);
    let other = Key::of(&SecretBox::from_key([8; 32])).unwrap();
    let report = check(&other, std::slice::from_ref(new), &[])
        .unwrap()
        .result
        .unwrap();
    assert_eq!(report.first.unwrap().0, 7);
    let wrong = check(&key(), std::slice::from_ref(new), &[])
        .unwrap()
        .result
        .unwrap_err();
    assert!(matches!(wrong.how, How::OtherKey(_)));
}

#[test]
fn cutting_off_the_end_is_found_against_a_published_head_alone() {
    let place = Place::new();
    let mut log = place.sound();
    say(&mut log, 0..5);
    let early = format!("Nov 23 10:00:00 gw1 sdwan-audit[1]: {}", log.published());
    say(&mut log, 5..10);
    let late = format!("{{\"message\":\"{}\"}}", log.published());
    drop(log);
    let both = format!("noise\n{early}\nnoise\n{late}\n");
    assert_eq!(
        place.check_with(std::slice::from_ref(&both)).unwrap().heads,
        2
    );

    let text = place.text();
    let cut: String = text
        .lines()
        .take(8)
        .map(|line| format!("{line}\n"))
        .collect();
    fs::write(place.path(), &cut).unwrap();
    assert_eq!(place.check().unwrap().entries, 8, "nothing else tells");
    assert_eq!(place.check_with(&[early]).unwrap().heads, 1);
    let broken = place.check_with(std::slice::from_ref(&both)).unwrap_err();
    let how = How::CutOff {
        last: 8,
        published: 11,
    };
    assert_eq!(broken.how, how);

    // Who has the key can write another end, but not take back a head.
    say(&mut place.sound(), 100..110);
    place.check().unwrap();
    let broken = place.check_with(&[both]).unwrap_err();
    assert_eq!(broken.how, How::Rewritten(11));
}

#[test]
fn a_whole_chain_that_is_taken_away_is_missed_by_its_head() {
    let place = Place::new();
    let mut log = place.sound();
    say(&mut log, 0..5);
    let head = log.published();
    drop(log);
    fs::remove_file(place.path()).unwrap();
    say(&mut place.sound(), 0..20);
    place.check().expect("nothing else tells");
    let broken = place.check_with(&[head.to_string()]).unwrap_err();
    let (chain, published) = (head.chain.clone(), 6);
    assert_eq!(broken.how, How::Gone { chain, published });
    // Another server's chain is nobody's loss here.
    let other = Published {
        server: "gw2".to_owned(),
        ..head
    };
    place.check_with(&[other.to_string()]).unwrap();
}

#[test]
fn cutting_off_the_end_is_found_also_where_another_chain_begins_after_it() {
    let place = Place::new();
    let mut log = place.sound();
    say(&mut log, 0..10);
    let head = log.published().to_string();
    drop(log);
    let cut: String = place.text().split_inclusive('\n').take(8).collect();
    let full = place.folder.path().join("audit.000000000001");
    fs::remove_file(place.path()).unwrap();
    fs::write(&full, cut.repeat(2)).unwrap();
    let (mut log, warnings) = place.open();
    assert!(warnings[0].contains("line 9"), "{warnings:?}");
    say(&mut log, 0..5);
    fs::write(&full, cut).unwrap();
    place.check().expect("nothing else tells");
    let broken = place.check_with(&[head]).unwrap_err();
    let (last, published) = (8, 11);
    assert_eq!(broken.how, How::CutOff { last, published });
    assert_eq!(broken.place.0, full.display().to_string());
}

#[test]
fn a_head_that_nobody_with_the_key_said_does_not_count() {
    let place = Place::new();
    let mut log = place.sound();
    say(&mut log, 0..5);
    let forged = log.published().to_string().replace("seq=6", "seq=99");
    let checked = check(&key(), &place.files(), &[forged]).unwrap();
    assert_eq!(checked.forged, 1);
    assert_eq!(checked.result.unwrap().heads, 0);
}

#[test]
fn files_of_several_servers_are_not_one_chain() {
    let mut place = Place::new();
    place.max_size = 700;
    let mut other = Place::new();
    other.max_size = 700;
    say(&mut place.sound(), 0..20);
    say(&mut other.sound(), 0..20);
    let files = [place.files(), other.files()].concat();
    let broken = check(&key(), &files, &[]).unwrap().result.unwrap_err();
    assert_eq!(broken.how, How::Mixed);
}

/// A whole chain of two files, and the head that was published; made once.
static TWO: LazyLock<([Vec<u8>; 2], [String; 1])> = LazyLock::new(|| {
    let mut place = Place::new();
    place.max_size = 1200;
    let mut log = place.sound();
    say(&mut log, 0..10);
    let head = log.published().to_string();
    let texts: Vec<Vec<u8>> = place.files().iter().map(|f| fs::read(f).unwrap()).collect();
    (texts.try_into().unwrap(), [head])
});

/// What is found in these two files.
fn found(files: [&[u8]; 2]) -> Result<Report, Break> {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["1", "2"].map(|name| folder.path().join(name));
    for (path, bytes) in paths.iter().zip(files) {
        fs::write(path, bytes).unwrap();
    }
    check(&key(), &paths, &TWO.1).unwrap().result
}

/// What is found where one of them is changed.
fn found_in(file: usize, hand: impl FnOnce(&mut Vec<u8>)) -> Result<Report, Break> {
    let mut files = TWO.0.clone();
    hand(&mut files[file]);
    found([&files[0], &files[1]])
}

#[test]
fn without_a_hand_at_them_the_two_files_are_whole() {
    assert!(found([&TWO.0[0], &TWO.0[1]]).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_edit_of_any_byte_is_found(file in 0..2usize, at: prop::sample::Index, xor in 1..=255u8) {
        let found = found_in(file, |bytes| {
            let at = at.index(bytes.len());
            bytes[at] ^= xor;
        });
        prop_assert!(found.is_err());
    }

    #[test]
    fn any_cut_is_found(file in 0..2usize, at: prop::sample::Index, length in 1..400usize) {
        // The very last byte ends the last line and says nothing.
        let at = at.index(TWO.0[file].len() - 1);
        let found = found_in(file, |bytes| {
            let end = (at + length).min(bytes.len());
            bytes.drain(at..end);
        });
        prop_assert!(found.is_err());
    }

    #[test]
    fn any_line_that_is_left_out_doubled_or_moved_is_found(
        from: prop::sample::Index,
        to: prop::sample::Index,
        what in 0..3u8,
    ) {
        let [first, second] = TWO.0.each_ref().map(|text| std::str::from_utf8(text).unwrap());
        let cut = first.lines().count();
        let lines: Vec<&str> = first.lines().chain(second.lines()).collect();
        let (from, to) = (from.index(lines.len()), to.index(lines.len()));
        let mut moved = lines.clone();
        match what {
            0 => {
                moved.remove(from);
            }
            1 => moved.insert(to, lines[from]),
            _ => moved.swap(from, to),
        }
        prop_assume!(moved != lines);
        let text = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
        let (one, two) = moved.split_at(cut);
        let broken = found([text(one).as_bytes(), text(two).as_bytes()]);
        prop_assert!(broken.is_err(), "{:?}", broken);
        if what == 0 && from > 0 && from < cut - 1 {
            // Where, and how.
            let seq = from as u64 + 1;
            prop_assert_eq!(broken.unwrap_err().how, How::Missing(seq, seq));
        }
    }
}
