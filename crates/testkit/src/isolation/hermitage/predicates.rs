//! Anomalies of predicates: what a scan finds, and what it does not find.

use super::actor::{actor, commits, is_refused, state, table};
use crate::isolation::Sessions;
use strongroom_core::KeyRange;

fn multiple_of(divisor: i64) -> impl Fn(i64) -> bool {
    move |value| value % divisor == 0
}

fn found(rows: &[(&str, i64)]) -> Vec<(String, i64)> {
    rows.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
}

/// PMP, predicate-many-preceders: what another transaction adds does not show up in a second scan.
pub fn pmp(sessions: &impl Sessions) {
    let rows = table(sessions);
    let all = KeyRange::all();
    let (first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    assert_eq!(first.rows_with(&all, |value| value == 30), [], "pmp");
    second.set("z", 30);
    commits(second, "pmp");
    assert_eq!(first.rows_with(&all, multiple_of(3)), [], "pmp: a row came in between two scans");
    commits(first, "pmp");
}

/// PMP of writes: rows are not removed by a condition that they met before another transaction changed them.
pub fn pmp_write(sessions: &impl Sessions) {
    let rows = table(sessions);
    let all = KeyRange::all();
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    for (key, value) in first.rows_with(&all, |_| true) {
        first.set(&key, value + 10);
    }
    let matching = second.rows_with(&all, |value| value == 20);
    assert_eq!(matching, found(&[("y", 20)]), "pmp_write: it has seen part of another transaction");
    commits(first, "pmp_write");
    for (key, _) in matching {
        second.delete(&key);
    }
    is_refused(second, "pmp_write");
    assert_eq!(state(sessions, &rows), (20, 30), "pmp_write: a row that did not match any more was removed");
}

/// G-single with predicates: two scans by different conditions see one moment.
pub fn g_single_predicate(sessions: &impl Sessions) {
    let rows = table(sessions);
    let all = KeyRange::all();
    let (first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    assert_eq!(first.rows_with(&all, multiple_of(5)), found(&[("x", 10), ("y", 20)]), "g_single_predicate");
    for (key, _) in second.rows_with(&all, |value| value == 10) {
        second.set(&key, 12);
    }
    commits(second, "g_single_predicate");
    let later = first.rows_with(&all, multiple_of(3));
    assert_eq!(later, [], "g_single_predicate: the second scan has seen what the first had not");
    commits(first, "g_single_predicate");
}

/// G-single with a predicate that chooses what is written: it chooses as of the moment of the other reads, and if that
/// has passed, the transaction is refused.
pub fn g_single_write_predicate(sessions: &impl Sessions) {
    let rows = table(sessions);
    let all = KeyRange::all();
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    assert_eq!(first.get("x"), 10, "g_single_write_predicate");
    assert_eq!(second.rows_with(&all, |_| true).len(), 2, "g_single_write_predicate");
    second.set("x", 12);
    second.set("y", 18);
    commits(second, "g_single_write_predicate");
    let matching = first.rows_with(&all, |value| value == 20);
    assert_eq!(
        matching,
        found(&[("y", 20)]),
        "g_single_write_predicate: x is of one moment, the scan of another"
    );
    for (key, _) in matching {
        first.delete(&key);
    }
    is_refused(first, "g_single_write_predicate");
    assert_eq!(
        state(sessions, &rows),
        (12, 18),
        "g_single_write_predicate: the refused transaction has written"
    );
}

/// As [`g_single_write_predicate`], with the transaction that removes coming first: the other one, which has seen the
/// row and is half way through, is refused as a whole.
pub fn g_single_write_predicate_first(sessions: &impl Sessions) {
    let name = "g_single_write_predicate_first";
    let rows = table(sessions);
    let all = KeyRange::all();
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    assert_eq!(first.get("x"), 10, "{name}");
    assert_eq!(second.rows_with(&all, |_| true).len(), 2, "{name}");
    second.set("x", 12);
    for (key, _) in first.rows_with(&all, |value| value == 20) {
        first.delete(&key);
    }
    commits(first, name);
    second.set("y", 18);
    is_refused(second, name);
    let left = actor(sessions, &rows).rows_with(&all, |_| true);
    assert_eq!(left, found(&[("x", 10)]), "{name}: the refused transaction has written");
}

/// G2, a cycle of anti-dependencies over predicates: of two that find nothing and add what the other looked for, one is
/// refused. Once with the rows among others, and once in a range where there is nothing at all.
pub fn g2(sessions: &impl Sessions) {
    for range in [KeyRange::all(), KeyRange::prefix(b"z")] {
        let rows = table(sessions);
        let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
        assert_eq!(first.rows_with(&range, multiple_of(3)), [], "g2");
        assert_eq!(second.rows_with(&range, multiple_of(3)), [], "g2");
        first.set("z1", 30);
        second.set("z2", 42);
        commits(first, "g2");
        is_refused(second, "g2");
        let left = actor(sessions, &rows).rows_with(&KeyRange::prefix(b"z"), |_| true);
        assert_eq!(left, found(&[("z1", 30)]), "g2: the refused transaction has written");
    }
}

/// G2 with two anti-dependencies and a transaction that only reads between them (Fekete, O'Neil and O'Neil, "A
/// Read-Only Transaction Anomaly Under Snapshot Isolation", 2004): without the reader the two writers could be put in
/// an order.
pub fn g2_two_edges(sessions: &impl Sessions) {
    let rows = table(sessions);
    let all = KeyRange::all();
    let mut first = actor(sessions, &rows);
    assert_eq!(first.rows_with(&all, |_| true), found(&[("x", 10), ("y", 20)]), "g2_two_edges");
    let mut second = actor(sessions, &rows);
    let y = second.get("y");
    second.set("y", y + 5);
    commits(second, "g2_two_edges");
    let third = actor(sessions, &rows);
    // It is behind the second and before the first.
    assert_eq!(third.rows_with(&all, |_| true), found(&[("x", 10), ("y", 25)]), "g2_two_edges");
    commits(third, "g2_two_edges");
    first.set("x", 0);
    is_refused(first, "g2_two_edges");
    assert_eq!(state(sessions, &rows), (10, 25), "g2_two_edges: the refused transaction has written");
}
