//! The checker of histories, on histories made by hand: it finds what is in them, and nothing in those that are right.

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

/// From the first moment to the second.
fn at(invoked: u64, completed: u64, outcome: Outcome, operations: &[Operation]) -> Recorded {
    Recorded { operations: operations.to_vec(), outcome, invoked, completed }
}

/// All at the same time, and committed.
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
            other => panic!("only circles were expected, and not: {other}"),
        })
        .collect()
}

#[test]
fn what_can_be_put_in_an_order_is_accepted() {
    let none: [Anomaly; 0] = [];
    assert_eq!(check(&History::default()), none);
    // The order is third, first, second, whatever the order in which they are told.
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
    // One after another in real time, with one that was refused between.
    let found = check(&history(&[
        at(0, 1, Outcome::Committed, &[append(X, 1)]),
        at(2, 3, Outcome::Aborted, &[read(X, &[1]), append(X, 2), read(X, &[1, 2])]),
        at(4, 5, Outcome::Committed, &[append(X, 3)]),
        at(6, 7, Outcome::Committed, &[read(X, &[1, 3])]),
    ]));
    assert_eq!(found, none);
    // Readers that overlap a writer see it or do not.
    let found = check(&history(&[
        at(0, 10, Outcome::Committed, &[append(X, 1)]),
        at(1, 2, Outcome::Committed, &[read(X, &[])]),
        at(3, 4, Outcome::Committed, &[read(X, &[1])]),
    ]));
    assert_eq!(found, none);
}

#[test]
fn a_commit_of_which_nobody_knows_was_made_or_was_not() {
    let none: [Anomaly; 0] = [];
    let maybe = at(0, 1, Outcome::Unknown, &[append(X, 1), append(Y, 1)]);
    let later = |operations: &[Operation]| at(2, 3, Outcome::Committed, operations);
    assert_eq!(check(&history(&[maybe.clone(), later(&[read(X, &[]), read(Y, &[])])])), none);
    assert_eq!(check(&history(&[maybe.clone(), later(&[read(X, &[1]), read(Y, &[1])])])), none);
    // It may come through later than its caller learned that it may have.
    let found = check(&history(&[
        maybe.clone(),
        later(&[read(X, &[])]),
        at(4, 5, Outcome::Committed, &[read(X, &[1]), read(Y, &[1])]),
    ]));
    assert_eq!(found, none);
    // But not by halves.
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
    // Around three.
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
    // It need not be there any more, nor be missed by a later reader.
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
    // Also where the reader was refused: it saw what was never there.
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
    // Nobody has to see the appends: who is acknowledged is there.
    let mut unseen = skewed;
    unseen.transactions.pop();
    assert_eq!(cycles(&unseen), [CycleKind::G2]);
    // The anomaly of a reader: without it there is an order.
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
    // By way of others: two readers that disagree, one after the other, about a writer beside both.
    let found = history(&[
        at(0, 10, Outcome::Committed, &[append(X, 1)]),
        at(1, 2, Outcome::Committed, &[read(X, &[1])]),
        at(3, 4, Outcome::Committed, &[read(X, &[])]),
    ]);
    assert_eq!(cycles(&found), [CycleKind::RealTime]);
    // Who began before the other had ended may be ordered either way.
    let mut beside = stale;
    beside[1].invoked = 1;
    assert_eq!(cycles(&history(&beside)), []);
}

#[test]
fn lost_and_doubled_elements_and_such_from_nowhere() {
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
fn orders_that_do_not_go_together() {
    let found = check(&together(&[&[append(X, 1)], &[append(X, 2)], &[read(X, &[1, 2])], &[read(X, &[2])]]));
    assert!(matches!(found[..], [Anomaly::IncompatibleOrders { list: X, .. }]), "{found:?}");
    // What was read and fits nowhere is judged all the same.
    let found = check(&history(&[
        at(0, 9, Outcome::Committed, &[append(X, 1)]),
        at(0, 9, Outcome::Aborted, &[append(X, 2)]),
        at(0, 9, Outcome::Committed, &[read(X, &[1])]),
        at(0, 9, Outcome::Committed, &[read(X, &[2])]),
    ]));
    assert!(found.iter().any(|anomaly| matches!(anomaly, Anomaly::AbortedRead(_))), "{found:?}");
}

#[test]
fn a_transaction_that_contradicts_itself() {
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
