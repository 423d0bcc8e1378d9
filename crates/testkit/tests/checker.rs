//! Tests the checker on handmade histories: it finds every anomaly, and nothing in valid histories.

#![allow(clippy::unwrap_used, clippy::panic)] // Tests fail by panicking.

use strongroom_testkit::isolation::checker::{Anomaly, CycleKind, check};
use strongroom_testkit::isolation::history::{History, Operation, Outcome, Recorded};

const X: u32 = 1;
const Y: u32 = 2;

fn append(list: u32, element: u64) -> Operation {
    Operation::Append(list, element)
}

fn read(list: u32, elements: &[u64]) -> Operation {
    Operation::Read(list, elements.to_vec())
}

/// A transaction from `invoked` to `completed`.
fn at(invoked: u64, completed: u64, outcome: Outcome, operations: &[Operation]) -> Recorded {
    Recorded { operations: operations.to_vec(), outcome, invoked, completed }
}

/// Concurrent committed transactions.
fn together(transactions: &[&[Operation]]) -> History {
    let committed = |operations: &&[Operation]| at(0, 100, Outcome::Committed, operations);
    History { transactions: transactions.iter().map(committed).collect() }
}

fn history(transactions: &[Recorded]) -> History {
    History { transactions: transactions.to_vec() }
}

fn cycles(history: &History) -> Vec<CycleKind> {
    let found = check(history);
    found
        .iter()
        .map(|anomaly| match anomaly {
            Anomaly::Cycle(kind, _) => *kind,
            other => panic!("expected only cycles, found: {other}"),
        })
        .collect()
}

#[test]
fn serializable_histories_are_accepted() {
    let none: [Anomaly; 0] = [];
    assert_eq!(check(&History::default()), none);
    // The only order is third, first, second, independent of their order in the history.
    let found = check(&together(&[
        &[read(X, &[3]), append(X, 1), read(X, &[3, 1])],
        &[append(Y, 1), read(X, &[3, 1]), read(Y, &[1])],
        &[append(X, 3), read(Y, &[])],
    ]));
    assert_eq!(found, none);
    // Several appends of one transaction, seen as a whole.
    let found =
        check(&together(&[&[append(X, 1), append(Y, 1), append(X, 2)], &[read(X, &[1, 2]), read(Y, &[1])]]));
    assert_eq!(found, none);
    // One after another in real time, with a refused transaction in between.
    let found = check(&history(&[
        at(0, 1, Outcome::Committed, &[append(X, 1)]),
        at(2, 3, Outcome::Aborted, &[read(X, &[1]), append(X, 2), read(X, &[1, 2])]),
        at(4, 5, Outcome::Committed, &[append(X, 3)]),
        at(6, 7, Outcome::Committed, &[read(X, &[1, 3])]),
    ]));
    assert_eq!(found, none);
    // Readers that overlap a writer may or may not see it.
    let found = check(&history(&[
        at(0, 10, Outcome::Committed, &[append(X, 1)]),
        at(1, 2, Outcome::Committed, &[read(X, &[])]),
        at(3, 4, Outcome::Committed, &[read(X, &[1])]),
    ]));
    assert_eq!(found, none);
}

#[test]
fn a_commit_with_an_unknown_outcome_is_committed_completely_or_not_at_all() {
    let none: [Anomaly; 0] = [];
    let maybe = at(0, 1, Outcome::Unknown, &[append(X, 1), append(Y, 1)]);
    let later = |operations: &[Operation]| at(2, 3, Outcome::Committed, operations);
    assert_eq!(check(&history(&[maybe.clone(), later(&[read(X, &[]), read(Y, &[])])])), none);
    assert_eq!(check(&history(&[maybe.clone(), later(&[read(X, &[1]), read(Y, &[1])])])), none);
    // It may take effect after its caller received the unknown outcome.
    let found = check(&history(&[
        maybe.clone(),
        later(&[read(X, &[])]),
        at(4, 5, Outcome::Committed, &[read(X, &[1]), read(Y, &[1])]),
    ]));
    assert_eq!(found, none);
    // But not in part.
    let halved = history(&[maybe, later(&[read(X, &[1]), read(Y, &[])])]);
    assert_eq!(cycles(&halved), [CycleKind::GSingle]);
}

#[test]
fn g0() {
    let found = check(&together(&[
        &[append(X, 1), append(Y, 1)],
        &[append(X, 2), append(Y, 2)],
        &[read(X, &[1, 2])],
        &[read(Y, &[2, 1])],
    ]));
    assert!(matches!(&found[..], [Anomaly::Cycle(CycleKind::G0, edges)] if edges.len() == 2), "{found:?}");
}

#[test]
fn g1a() {
    let found = check(&history(&[
        at(0, 9, Outcome::Aborted, &[append(X, 1)]),
        at(0, 9, Outcome::Committed, &[read(X, &[1])]),
    ]));
    assert!(matches!(found[..], [Anomaly::AbortedRead(_)]), "{found:?}");
}

#[test]
fn g1b() {
    let found = check(&together(&[&[append(X, 1), append(X, 2)], &[read(X, &[1])], &[read(X, &[1, 2])]]));
    assert!(found.iter().any(|anomaly| matches!(anomaly, Anomaly::IntermediateRead(_))), "{found:?}");
}

#[test]
fn g1c() {
    let found = together(&[&[append(X, 1), read(Y, &[1])], &[append(Y, 1), read(X, &[1])]]);
    assert_eq!(cycles(&found), [CycleKind::G1c]);
    // A cycle of three.
    let found = together(&[
        &[append(X, 1), read(3, &[1])],
        &[append(Y, 1), read(X, &[1])],
        &[append(3, 1), read(Y, &[1])],
    ]);
    assert_eq!(cycles(&found), [CycleKind::G1c]);
}

#[test]
fn a_lost_update() {
    let found =
        together(&[&[read(X, &[]), append(X, 1)], &[read(X, &[]), append(X, 2)], &[read(X, &[1, 2])]]);
    assert_eq!(cycles(&found), [CycleKind::LostUpdate]);
    // The lost element is also found if no later reader sees it.
    let found = check(&history(&[
        at(0, 5, Outcome::Committed, &[read(X, &[]), append(X, 1)]),
        at(0, 5, Outcome::Committed, &[read(X, &[]), append(X, 2)]),
        at(6, 7, Outcome::Committed, &[read(X, &[2])]),
    ]));
    assert!(
        found.iter().any(|anomaly| matches!(anomaly, Anomaly::Lost(seen) if seen.writer == Some(0))),
        "{found:?}"
    );
    assert!(
        found.iter().any(|anomaly| matches!(anomaly, Anomaly::Cycle(CycleKind::LostUpdate, _))),
        "{found:?}"
    );
}

#[test]
fn g_single() {
    let skewed = together(&[&[append(X, 1), append(Y, 1)], &[read(X, &[]), read(Y, &[1])]]);
    assert_eq!(cycles(&skewed), [CycleKind::GSingle]);
    // Also if the reader was refused, because it saw a state that never existed.
    let mut refused = skewed;
    refused.transactions[1].outcome = Outcome::Aborted;
    assert_eq!(cycles(&refused), [CycleKind::GSingle]);
}

#[test]
fn g2() {
    let skewed = together(&[
        &[read(X, &[]), read(Y, &[]), append(X, 1)],
        &[read(X, &[]), read(Y, &[]), append(Y, 1)],
        &[read(X, &[1]), read(Y, &[1])],
    ]);
    assert_eq!(cycles(&skewed), [CycleKind::G2]);
    // No read of the appends is necessary, because acknowledged appends exist.
    let mut unseen = skewed;
    unseen.transactions.pop();
    assert_eq!(cycles(&unseen), [CycleKind::G2]);
    // A read-only anomaly: without the reader there is an order.
    let read_only = together(&[
        &[read(X, &[]), read(Y, &[]), append(X, 1)],
        &[read(Y, &[]), append(Y, 1)],
        &[read(X, &[]), read(Y, &[1])],
    ]);
    assert_eq!(cycles(&read_only), [CycleKind::G2]);
}

#[test]
fn real_time() {
    let stale = [
        at(0, 1, Outcome::Committed, &[append(X, 1)]),
        at(2, 3, Outcome::Committed, &[read(X, &[])]),
        at(4, 5, Outcome::Committed, &[read(X, &[1])]),
    ];
    assert_eq!(cycles(&history(&stale)), [CycleKind::RealTime]);
    // Indirectly: two successive readers that disagree about a writer concurrent with both.
    let found = history(&[
        at(0, 10, Outcome::Committed, &[append(X, 1)]),
        at(1, 2, Outcome::Committed, &[read(X, &[1])]),
        at(3, 4, Outcome::Committed, &[read(X, &[])]),
    ]);
    assert_eq!(cycles(&found), [CycleKind::RealTime]);
    // Overlapping transactions may be ordered either way.
    let mut overlapping = stale;
    overlapping[1].invoked = 1;
    assert_eq!(cycles(&history(&overlapping)), []);
}

#[test]
fn lost_duplicate_and_unknown_elements_are_found() {
    let lost = history(&[
        at(0, 1, Outcome::Committed, &[append(X, 1)]),
        at(2, 3, Outcome::Committed, &[read(X, &[])]),
    ]);
    let found = check(&lost);
    assert!(found.iter().any(|anomaly| matches!(anomaly, Anomaly::Lost(_))), "{found:?}");
    let found = check(&together(&[&[append(X, 1)], &[append(X, 2)], &[read(X, &[1, 2, 1])]]));
    assert!(found.iter().any(|anomaly| matches!(anomaly, Anomaly::Duplicate(_))), "{found:?}");
    let found = check(&together(&[&[read(X, &[7])]]));
    assert!(matches!(found[..], [Anomaly::Garbage(_)]), "{found:?}");
}

#[test]
fn incompatible_orders_are_found() {
    let found = check(&together(&[&[append(X, 1)], &[append(X, 2)], &[read(X, &[1, 2])], &[read(X, &[2])]]));
    assert!(matches!(found[..], [Anomaly::IncompatibleOrders { list: X, .. }]), "{found:?}");
    // The elements of an incompatible read are checked too.
    let found = check(&history(&[
        at(0, 9, Outcome::Committed, &[append(X, 1)]),
        at(0, 9, Outcome::Aborted, &[append(X, 2)]),
        at(0, 9, Outcome::Committed, &[read(X, &[1])]),
        at(0, 9, Outcome::Committed, &[read(X, &[2])]),
    ]));
    assert!(found.iter().any(|anomaly| matches!(anomaly, Anomaly::AbortedRead(_))), "{found:?}");
}

#[test]
fn a_transaction_that_contradicts_itself_is_found() {
    for own in [
        &[append(X, 1), read(X, &[])][..],
        &[append(X, 1), append(X, 2), read(X, &[2, 1])],
        &[append(X, 1), read(X, &[9])],
    ] {
        let found = check(&together(&[own, &[append(X, 9)]]));
        assert!(
            found.iter().any(|anomaly| matches!(anomaly, Anomaly::Internal { .. })),
            "{own:?}: {found:?}"
        );
    }
    let found = check(&together(&[&[read(X, &[]), read(X, &[1])], &[append(X, 1)]]));
    assert!(found.iter().any(|anomaly| matches!(anomaly, Anomaly::Internal { .. })), "{found:?}");
}
