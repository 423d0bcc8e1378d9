//! Anomalies that need no more than single keys.

use super::actor::{Actor, actor, commits, is_refused, state, table};
use crate::isolation::Sessions;
use strongroom_core::ErrorKind;

/// G0, write cycles: what two transactions write to two keys is not mixed.
pub fn g0(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    first.set("x", 11);
    second.set("x", 12);
    first.set("y", 21);
    commits(first, "g0");
    assert_eq!(
        state(sessions, &rows),
        (11, 21),
        "g0: the first transaction's writes, and none of the second's"
    );
    second.set("y", 22);
    let expected = after(second, (12, 22), (11, 21), "g0");
    assert_eq!(state(sessions, &rows), expected, "g0: the writes of two transactions are mixed");
}

/// What has to be there after one that has read nothing: it may be committed, and may be refused.
#[track_caller]
fn after(actor: Actor<'_>, committed: (i64, i64), refused: (i64, i64), anomaly: &str) -> (i64, i64) {
    match actor.commit() {
        Ok(()) => committed,
        Err(error) if error.kind() == ErrorKind::Conflict => refused,
        Err(error) => panic!("{anomaly}: {}", error.one_line()),
    }
}

/// G1a, aborted read: what was rolled back was never seen.
pub fn g1a(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, second) = (actor(sessions, &rows), actor(sessions, &rows));
    first.set("x", 101);
    assert_eq!(second.get("x"), 10, "g1a: a write that is not committed was read");
    drop(first);
    assert_eq!(second.get("x"), 10, "g1a: a write that was rolled back was read");
    commits(second, "g1a");
    assert_eq!(state(sessions, &rows), (10, 20), "g1a: a write that was rolled back is there");
}

/// G1b, intermediate read: of two writes of a key in one transaction only the last is ever seen.
pub fn g1b(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, second) = (actor(sessions, &rows), actor(sessions, &rows));
    first.set("x", 101);
    assert_ne!(second.get("x"), 101, "g1b: a write was read that its transaction has written over");
    first.set("x", 11);
    commits(first, "g1b");
    assert_ne!(second.get("x"), 101, "g1b: a write was read that its transaction has written over");
    commits(second, "g1b");
    assert_eq!(state(sessions, &rows), (11, 20), "g1b: the last write is what is there");
}

/// G1c, circular information flow: two transactions do not both see what the other writes.
pub fn g1c(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    first.set("x", 11);
    second.set("y", 22);
    let flows = (first.get("y") == 22, second.get("x") == 11);
    assert_ne!(flows, (true, true), "g1c: each of two transactions has seen the other's write");
    commits(first, "g1c");
    // Each has missed what the other wrote: that is write skew.
    is_refused(second, "g1c");
}

/// OTV, observed transaction vanishes: who has seen something of a transaction sees all of it from then on.
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
    assert_eq!((x, y), (11, 19), "otv: part of what a transaction has written");
    assert_eq!((third.get("x"), third.get("y")), (11, 19), "otv: what was seen is not there any more");
    commits(third, "otv");
    assert_eq!(state(sessions, &rows), expected, "otv: the writes of two transactions are mixed");
}

/// P4, lost update: of two that read a key and write it, one is refused.
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

/// G-single, read skew: two keys are read as of one moment.
pub fn g_single(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    assert_eq!(first.get("x"), 10, "g_single");
    assert_eq!((second.get("x"), second.get("y")), (10, 20), "g_single");
    second.set("x", 12);
    second.set("y", 18);
    commits(second, "g_single");
    assert_eq!(first.get("y"), 20, "g_single: x was read before another transaction, and y behind it");
    commits(first, "g_single");
}

/// G2-item, write skew: of two that read both keys and write one each, one is refused.
pub fn g2_item(sessions: &impl Sessions) {
    let rows = table(sessions);
    let (mut first, mut second) = (actor(sessions, &rows), actor(sessions, &rows));
    assert_eq!((first.get("x"), first.get("y")), (10, 20), "g2_item");
    assert_eq!((second.get("x"), second.get("y")), (10, 20), "g2_item");
    first.set("x", 11);
    second.set("y", 21);
    commits(first, "g2_item");
    is_refused(second, "g2_item");
    assert_eq!(state(sessions, &rows), (11, 20), "g2_item: the refused transaction has written");
}
