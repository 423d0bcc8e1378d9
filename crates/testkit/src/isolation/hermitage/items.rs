//! Anomalies of single keys.

use super::actor::{Actor, actor, commits, is_refused, state, table};
use crate::isolation::Sessions;
use strongroom_core::ErrorKind;

/// G0, write cycles: the writes of two transactions to two keys are not mixed.
pub fn g0(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    first.set("x", 11);
    second.set("x", 12);
    first.set("y", 21);
    commits(first, "g0");
    assert_eq!(state(sessions, &rows), (11, 21), "g0: only the writes of the first transaction are visible");
    second.set("y", 22);
    let expected = after(second, (12, 22), (11, 21), "g0");
    assert_eq!(state(sessions, &rows), expected, "g0: the writes of two transactions are mixed");
}

/// The expected state after a transaction without reads, which may be committed or refused.
#[track_caller]
fn after(actor: Actor<'_>, committed: (i64, i64), refused: (i64, i64), anomaly: &str) -> (i64, i64) {
    match actor.commit() {
        Ok(()) => committed,
        Err(error) if error.kind() == ErrorKind::Conflict => refused,
        Err(error) => panic!("{anomaly}: {}", error.one_line()),
    }
}

/// G1a, aborted read: writes that are rolled back are never visible.
pub fn g1a(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, second) = (actor(sessions, &rows), actor(sessions, &rows));
    first.set("x", 101);
    assert_eq!(second.get("x"), 10, "g1a: an uncommitted write was read");
    drop(first);
    assert_eq!(second.get("x"), 10, "g1a: a rolled back write was read");
    commits(second, "g1a");
    assert_eq!(state(sessions, &rows), (10, 20), "g1a: a rolled back write is visible");
}

/// G1b, intermediate read: of two writes to a key in one transaction only the last is visible.
pub fn g1b(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, second) = (actor(sessions, &rows), actor(sessions, &rows));
    first.set("x", 101);
    assert_ne!(second.get("x"), 101, "g1b: a write that its own transaction overwrote was read");
    first.set("x", 11);
    commits(first, "g1b");
    assert_ne!(second.get("x"), 101, "g1b: a write that its own transaction overwrote was read");
    commits(second, "g1b");
    assert_eq!(state(sessions, &rows), (11, 20), "g1b: the last write wins");
}

/// G1c, circular information flow: two transactions never both see the other's write.
pub fn g1c(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    first.set("x", 11);
    second.set("y", 22);
    let flows = (first.get("y") == 22, second.get("x") == 11);
    assert_ne!(flows, (true, true), "g1c: both transactions saw the other's write");
    commits(first, "g1c");
    // Each missed the other's write, which is write skew.
    is_refused(second, "g1c");
}

/// OTV, observed transaction vanishes: after seeing a write of a transaction, all its writes stay visible.
pub fn otv(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    first.set("x", 11);
    first.set("y", 19);
    second.set("x", 12);
    commits(first, "otv");
    let third = actor(sessions, &rows);
    let x = third.get("x");
    second.set("y", 18);
    let y = third.get("y");
    let expected = after(second, (12, 18), (11, 19), "otv");
    assert_eq!((x, y), (11, 19), "otv: only part of a transaction was visible");
    assert_eq!((third.get("x"), third.get("y")), (11, 19), "otv: an observed transaction vanished");
    commits(third, "otv");
    assert_eq!(state(sessions, &rows), expected, "otv: the writes of two transactions are mixed");
}

/// P4, lost update: of two transactions that read and write a key, one is refused.
pub fn p4(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    let (x, same_x) = (first.get("x"), second.get("x"));
    first.set("x", x + 1);
    second.set("x", same_x + 1);
    commits(first, "p4");
    is_refused(second, "p4");
    assert_eq!(state(sessions, &rows), (11, 20), "p4: an update was lost");
}

/// G-single, read skew: two keys are read from one state.
pub fn g_single(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    assert_eq!(first.get("x"), 10, "g_single");
    assert_eq!((second.get("x"), second.get("y")), (10, 20), "g_single");
    second.set("x", 12);
    second.set("y", 18);
    commits(second, "g_single");
    assert_eq!(first.get("y"), 20, "g_single: x was read before another transaction, and y after it");
    commits(first, "g_single");
}

/// G2-item, write skew: of two transactions that read both keys and each write one, one is refused.
pub fn g2_item(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    assert_eq!((first.get("x"), first.get("y")), (10, 20), "g2_item");
    assert_eq!((second.get("x"), second.get("y")), (10, 20), "g2_item");
    first.set("x", 11);
    second.set("y", 21);
    commits(first, "g2_item");
    is_refused(second, "g2_item");
    assert_eq!(state(sessions, &rows), (11, 20), "g2_item: the refused transaction wrote");
}
