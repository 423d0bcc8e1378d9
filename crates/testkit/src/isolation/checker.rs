//! Checks a history for strict serializability: is there an order of its transactions that explains all reads?
//!
//! The method is Elle's (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental
//! Observations", VLDB 2020). The longest read of a list gives the order of its elements, and every other read
//! must be a prefix of it. The reads imply an order of transactions: an append comes before the next append
//! (write-write) and before reads of it (write-read), a read comes before the next append (read-write), and a
//! transaction comes before those that began after its end (real time). A cycle means that no order exists.
//!
//! Refused and rolled back transactions count as read-only: their reads must have been valid. A transaction with an
//! unknown outcome counts as committed, as a whole, if any transaction saw one of its appends.

mod anomaly;
mod graph;
mod lists;

pub use anomaly::{Anomaly, CycleKind, Dependency, Edge, Seen};

use super::history::{History, Operation};
use graph::Graph;
use lists::Lists;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Returns all anomalies of a history. Of connected cycles it returns only one.
pub fn check(history: &History) -> Vec<Anomaly> {
    let lists = Lists::new(history);
    let mut anomalies = lists.anomalies();
    let mut graph = Graph::new(history);
    lists.dependencies(&mut graph);
    anomalies.extend(graph.cycles().into_iter().map(|(kind, edges)| Anomaly::Cycle(kind, edges)));
    anomalies
}

/// Panics if the history has anomalies, with a report of them and of their transactions.
#[track_caller]
pub fn assert_serializable(history: &History) {
    const SHOWN_MAX: usize = 5;
    let anomalies = check(history);
    if anomalies.is_empty() {
        return;
    }
    let mut about = BTreeSet::new();
    let mut text = format!("{} anomalies in a history of {}:", anomalies.len(), history.transactions.len());
    for anomaly in anomalies.iter().take(SHOWN_MAX) {
        let _ = write!(text, "\n  {anomaly}");
        about.extend(anomaly.transactions());
    }
    for place in about {
        let transaction = &history.transactions[place];
        let operations: Vec<String> = transaction.operations.iter().map(shown).collect();
        let _ = write!(
            text,
            "\n  transaction {place}, {:?}, from {} to {}: {}",
            transaction.outcome,
            transaction.invoked,
            transaction.completed,
            operations.join(", ")
        );
    }
    panic!("{text}");
}

/// Formats an operation; shows only the last elements of a long list.
fn shown(operation: &Operation) -> String {
    const SHOWN_MAX: usize = 8;
    match operation {
        Operation::Append(list, element) => format!("append {element} to {list}"),
        Operation::Read(list, elements) => match elements.len().checked_sub(SHOWN_MAX) {
            None | Some(0) => format!("read {list}: {elements:?}"),
            Some(more) => format!("read {list}: {more} elements and {:?}", &elements[more..]),
        },
    }
}
