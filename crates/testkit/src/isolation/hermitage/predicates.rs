//! Anomalies of predicates: rows that a scan finds or misses.

use super::actor::{actor, commits, is_refused, state, table};
use crate::isolation::Sessions;
use strongroom_core::KeyRange;

fn multiple_of(divisor: i64) -> impl Fn(i64) -> bool {
    move |value| value % divisor == 0
}

fn found(rows: &[(&str, i64)]) -> Vec<(String, i64)> {
    rows.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect()
}

/// PMP, predicate-many-preceders: a row that another transaction adds does not appear in a second scan.
pub fn pmp(sessions: &impl Sessions) {
    let rows = table(sessions);
    let all = KeyRange::all();
    let (first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    assert_eq!(first.rows_with(&all, |value| value == 30), [], "pmp");
    second.set("z", 30);
    commits(second, "pmp");
    assert_eq!(first.rows_with(&all, multiple_of(3)), [], "pmp: a row appeared between two scans");
    commits(first, "pmp");
}

/// PMP of writes: a row is not deleted by a condition that it met only before another transaction changed it.
pub fn pmp_write(sessions: &impl Sessions) {
    let rows = table(sessions);
    let all = KeyRange::all();
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    for (key, value) in first.rows_with(&all, |_| true) {
        first.set(&key, value + 10);
    }
    let matching = second.rows_with(&all, |value| value == 20);
    assert_eq!(matching, found(&[("y", 20)]), "pmp_write: part of another transaction was visible");
    commits(first, "pmp_write");
    for (key, _) in matching {
        second.delete(&key);
    }
    is_refused(second, "pmp_write");
    assert_eq!(state(sessions, &rows), (20, 30), "pmp_write: a row that no longer matched was deleted");
}

/// G-single with predicates: two scans with different conditions see one state.
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
    assert_eq!(later, [], "g_single_predicate: the second scan saw a newer state than the first");
    commits(first, "g_single_predicate");
}

/// G-single with a predicate that selects the rows to write: it selects from the state of the other reads, and if
/// that state is outdated, the transaction is refused.
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
        "g_single_write_predicate: x and the scan are from different states"
    );
    for (key, _) in matching {
        first.delete(&key);
    }
    is_refused(first, "g_single_write_predicate");
    assert_eq!(state(sessions, &rows), (12, 18), "g_single_write_predicate: the refused transaction wrote");
}

/// As [`g_single_write_predicate`], but the deleting transaction commits first: the other one, which has read the
/// row and made half of its writes, is refused as a whole.
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
    assert_eq!(left, found(&[("x", 10)]), "{name}: the refused transaction wrote");
}

/// G2, a cycle of anti-dependencies over predicates: of two transactions that find nothing and then add a row that
/// the other searched for, one is refused. Tested with other rows in the range, and in an empty range.
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
        assert_eq!(left, found(&[("z1", 30)]), "g2: the refused transaction wrote");
    }
}

/// G2 with two anti-dependencies and a read-only transaction between them (Fekete, O'Neil and O'Neil, "A Read-Only
/// Transaction Anomaly Under Snapshot Isolation", 2004): without the reader the two writers would be serializable.
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
    // It reads after the second and before the first.
    assert_eq!(third.rows_with(&all, |_| true), found(&[("x", 10), ("y", 25)]), "g2_two_edges");
    commits(third, "g2_two_edges");
    first.set("x", 0);
    is_refused(first, "g2_two_edges");
    assert_eq!(state(sessions, &rows), (10, 25), "g2_two_edges: the refused transaction wrote");
}
