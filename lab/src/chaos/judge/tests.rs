//! Histories that must be refused, each a sound one with one thing wrong; and sound ones.

use std::time::Duration;

use super::*;
use crate::chaos::history::Kind;

const A: Row = row(Kind::Mark, 1);
const B: Row = row(Kind::Neighbor, 2);

const fn row(kind: Kind, number: u64) -> Row {
    Row { kind, number }
}

fn event(asked: Asked, told: Told) -> Event {
    Event {
        asked_at: Duration::ZERO,
        server: 0,
        asked,
        told,
    }
}

/// A change that was answered; its value is its own.
fn change(row: Row, base: u64, value: u64, told: Told) -> Event {
    let value = Some(value);
    event(Asked::Write(vec![Write { row, base, value }]), told)
}

fn delete(row: Row, base: u64, told: Told) -> Event {
    let value = None;
    event(Asked::Write(vec![Write { row, base, value }]), told)
}

fn together(writes: &[(Row, u64, u64)], told: Told) -> Event {
    let write = |&(row, base, value): &(Row, u64, u64)| Write {
        row,
        base,
        value: Some(value),
    };
    event(Asked::Write(writes.iter().map(write).collect()), told)
}

fn made(revision: u64) -> Told {
    Told::Made { revision }
}

/// A read of rows, each with the value that it held; 0 is absent.
fn read(revision: u64, rows: &[(Row, u64)]) -> Event {
    read_from(None, revision, rows)
}

fn read_from(least: Option<u64>, revision: u64, rows: &[(Row, u64)]) -> Event {
    let sight = |value: u64| match value {
        0 => Sight::Absent,
        value => Sight::There {
            value,
            version: None,
        },
    };
    let rows = rows.iter().map(|&(row, value)| (row, sight(value)));
    let rows = rows.collect();
    event(Asked::Read { least }, Told::Saw { revision, rows })
}

#[track_caller]
fn sound(events: &[Event]) {
    assert_eq!(judge(events), []);
}

#[track_caller]
fn refused(events: &[Event], why: &str) {
    let all: Vec<_> = judge(events).into_iter().map(|found| found.0).collect();
    assert!(all.iter().any(|found| found == why), "{all:#?}");
}

#[test]
fn a_life_from_creation_to_deletion_is_sound() {
    sound(&[
        read(1, &[(A, 0)]),
        change(A, 0, 10, made(2)),
        read(2, &[(A, 10)]),
        change(A, 1, 11, made(4)),
        // Another server is behind.
        read(3, &[(A, 10)]),
        change(A, 1, 12, Told::Refused),
        read_from(Some(4), 5, &[(A, 11)]),
        delete(A, 2, made(6)),
        read(6, &[(A, 0)]),
        read(3, &[(A, 10)]),
    ]);
}

#[test]
fn an_acknowledged_write_that_is_lost_is_found() {
    refused(
        &[
            change(A, 0, 10, made(2)),
            change(A, 1, 11, made(3)),
            read(3, &[(A, 10)]),
        ],
        "mark 1: #2 at revision 3 saw version 1, though #1 told of version 2 before",
    );
    refused(
        &[change(A, 0, 10, made(2)), read(2, &[(A, 0)])],
        "mark 1: #1 at revision 2 saw it gone after #0 told of version 1, and nobody deleted it",
    );
    refused(
        &[
            change(A, 0, 10, made(2)),
            delete(A, 1, made(3)),
            read(4, &[(A, 10)]),
        ],
        "mark 1: #2 at revision 4 saw version 1, though #1 told of the row's end before",
    );
}

#[test]
fn an_acknowledged_write_that_was_written_over_is_not_lost() {
    sound(&[
        change(A, 0, 10, made(2)),
        change(A, 1, 11, made(3)),
        change(A, 2, 12, Told::Unknown),
        read(9, &[(A, 12)]),
    ]);
}

#[test]
fn a_read_from_before_its_min_revision_is_found() {
    refused(
        &[
            change(A, 0, 10, made(2)),
            change(A, 1, 11, made(3)),
            read_from(Some(3), 2, &[(A, 10)]),
        ],
        "#2 asked for revision 3 or later and was answered from 2",
    );
}

#[test]
fn reads_that_go_back_are_found_though_nothing_was_acknowledged() {
    refused(
        &[
            change(A, 0, 10, made(2)),
            change(A, 1, 11, Told::Unknown),
            read(5, &[(A, 11)]),
            read(6, &[(A, 10)]),
        ],
        "mark 1: #3 at revision 6 saw version 1, though #2 told of version 2 before",
    );
    refused(
        &[
            change(A, 0, 10, made(2)),
            delete(A, 1, Told::Unknown),
            read(5, &[(A, 0)]),
            read(6, &[(A, 10)]),
        ],
        "mark 1: #3 at revision 6 saw version 1, though #2 told of the row's end before",
    );
}

#[test]
fn reads_at_one_revision_that_differ_are_found() {
    refused(
        &[
            change(A, 0, 10, made(2)),
            change(A, 1, 11, Told::Unknown),
            read(5, &[(A, 10)]),
            read(5, &[(A, 11)]),
        ],
        "mark 1: at revision 5, #2 saw version 1 and #3 saw version 2",
    );
}

#[test]
fn compare_and_set_that_succeeds_twice_is_found() {
    refused(
        &[
            change(A, 0, 10, made(2)),
            change(A, 1, 11, made(3)),
            change(A, 1, 12, made(4)),
        ],
        "mark 1: #1 and #2 both succeeded from version 1",
    );
    refused(
        &[
            change(A, 0, 10, made(2)),
            change(A, 1, 11, made(3)),
            delete(A, 1, made(4)),
        ],
        "mark 1: #1 and #2 both succeeded from version 1",
    );
    // One was acknowledged, the other one, of unknown outcome, is what everybody sees.
    refused(
        &[
            change(A, 0, 10, made(2)),
            change(A, 1, 11, made(3)),
            change(A, 1, 12, Told::Unknown),
            read(4, &[(A, 12)]),
        ],
        "mark 1: #3 saw 12 of #2, though #1 was acknowledged from the same version 1",
    );
    // Both of unknown outcome, and both seen.
    refused(
        &[
            change(A, 0, 10, made(2)),
            change(A, 1, 11, Told::Unknown),
            change(A, 1, 12, Told::Unknown),
            read(3, &[(A, 11)]),
            read(4, &[(A, 12)]),
        ],
        "mark 1: at version 2, #3 saw 11 and #4 saw 12",
    );
}

#[test]
fn a_row_on_its_way_out_may_be_deleted_again() {
    sound(&[
        change(A, 0, 10, made(2)),
        delete(A, 1, made(3)),
        delete(A, 1, made(3)),
        read(4, &[(A, 0)]),
    ]);
}

#[test]
fn an_update_that_starts_from_nothing_is_found() {
    refused(
        &[change(A, 0, 10, Told::Refused), change(A, 1, 11, made(3))],
        "mark 1: it came to version 1, and nobody made version 1",
    );
}

#[test]
fn what_was_refused_or_never_written_must_not_be_seen() {
    refused(
        &[
            change(A, 0, 10, made(2)),
            change(A, 1, 11, Told::Refused),
            read(4, &[(A, 11)]),
        ],
        "mark 1: #2 saw 11, though #1, which puts it, was refused",
    );
    refused(
        &[change(A, 0, 10, made(2)), read(4, &[(A, 99)])],
        "mark 1: #1 saw 99, which nobody wrote",
    );
}

#[test]
fn a_version_that_does_not_follow_is_found() {
    let rows = [(
        A,
        Sight::There {
            value: 10,
            version: Some(3),
        },
    )];
    let rows = rows.into_iter().collect();
    let told = Told::Saw { revision: 2, rows };
    refused(
        &[
            change(A, 0, 10, made(2)),
            event(Asked::Read { least: None }, told),
        ],
        "mark 1: #1 saw 10 at version 3, and #0 puts it at 1",
    );
}

#[test]
fn an_unknown_outcome_may_be_either() {
    let start = [change(A, 0, 10, made(2)), change(A, 1, 11, Told::Unknown)];
    let then = |value| [&start[..], &[read(7, &[(A, value)])]].concat();
    sound(&then(10));
    sound(&then(11));
    // Later than anybody waited for it.
    sound(&[&then(10)[..], &[read(8, &[(A, 11)])]].concat());
    sound(&[change(A, 0, 10, Told::Unknown), read(7, &[(A, 0)])]);
}

#[test]
fn a_transaction_of_unknown_outcome_is_made_whole_or_not_at_all() {
    let start = [
        change(A, 0, 10, made(2)),
        change(B, 0, 20, made(3)),
        together(&[(A, 1, 11), (B, 1, 21)], Told::Unknown),
    ];
    let then = |a, b| [&start[..], &[read(7, &[(A, a), (B, b)])]].concat();
    sound(&then(10, 20));
    sound(&then(11, 21));
    refused(
        &then(11, 20),
        "#2 is half made: mark 1 is changed at revision 7, and #3 shows that neighbor 2 is not",
    );
    refused(
        &then(10, 21),
        "#2 is half made: neighbor 2 is changed at revision 7, and #3 shows that mark 1 is not",
    );
    // In two reads: a later one must not show less.
    let apart = |first, second| {
        let reads = [read(first, &[(A, 11)]), read(second, &[(B, 20)])];
        [&start[..], &reads].concat()
    };
    sound(&apart(7, 6));
    refused(
        &apart(7, 8),
        "#2 is half made: mark 1 is changed at revision 7, and #4 shows that neighbor 2 is not",
    );
}

#[test]
fn half_a_transaction_is_found_when_others_have_written_over_the_rest() {
    let start = [
        change(A, 0, 10, made(2)),
        change(B, 0, 20, made(3)),
        together(&[(A, 1, 11), (B, 1, 21)], Told::Unknown),
        read(7, &[(A, 11)]),
    ];
    // From what the transaction made, and from what it should have replaced.
    let after = [&start[..], &[change(B, 2, 22, made(8))]].concat();
    sound(&after);
    let instead = [&start[..], &[change(B, 1, 22, made(8))]].concat();
    refused(
        &instead,
        "#2 is half made: mark 1 is changed at revision 7, and #4 shows that neighbor 2 is not",
    );
}

#[test]
fn a_torn_read_of_an_acknowledged_transaction_is_found() {
    refused(
        &[
            change(A, 0, 10, made(2)),
            change(B, 0, 20, made(3)),
            together(&[(A, 1, 11), (B, 1, 21)], made(9)),
            // Before its answer's revision, where its own may lie.
            read(6, &[(A, 11), (B, 20)]),
        ],
        "#2 is half made: mark 1 is changed at revision 6, and #3 shows that neighbor 2 is not",
    );
}

#[test]
fn a_deletion_in_a_transaction_counts_too() {
    let both = Asked::Write(vec![
        Write {
            row: A,
            base: 1,
            value: None,
        },
        Write {
            row: B,
            base: 1,
            value: Some(21),
        },
    ]);
    let start = [
        change(A, 0, 10, made(2)),
        change(B, 0, 20, made(3)),
        event(both, Told::Unknown),
    ];
    let then = |a, b| [&start[..], &[read(7, &[(A, a), (B, b)])]].concat();
    sound(&then(0, 21));
    sound(&then(10, 20));
    refused(
        &then(0, 20),
        "#2 is half made: mark 1 is changed at revision 7, and #3 shows that neighbor 2 is not",
    );
}
