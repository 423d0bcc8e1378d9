//! Judges a history: is there an order of its transactions in which everything that was seen makes sense?
//!
//! After Elle (Kingsbury and Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020).
//! The longest read of a list is the order of its elements, and every other read has to be a beginning of it. From that
//! follows who must have come before whom: who appended before who appended next (write-write), who appended before who
//! read it (write-read), who read before who appended next (read-write), and who ended before who began (real time). If
//! a transaction had to come before itself, there is no order.
//!
//! Transactions that were refused or rolled back count too, as such that only read: what they saw must have been there.
//! Of one that may have been committed it was if anybody saw something of it, and then all of it was.

mod anomaly;
mod graph;
mod lists;

pub use anomaly::{Anomaly, CycleKind, Dependency, Edge, Seen};

use super::history::{History, Operation};
use graph::Graph;
use lists::Lists;
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// All that is wrong with a history. Of circles that hang together one is told.
pub fn check(history: &History) -> Vec<Anomaly> {
    let lists = Lists::new(history);
    let mut anomalies = lists.anomalies();
    let mut graph = Graph::new(history);
    lists.dependencies(&mut graph);
    anomalies.extend(graph.cycles().into_iter().map(|(kind, edges)| Anomaly::Cycle(kind, edges)));
    anomalies
}

/// Panics if anything is wrong with the history, with what it is and the transactions that it is about.
#[track_caller]
pub fn assert_serializable(history: &History) {
    const TOLD_MAX: usize = 5;
    let anomalies = check(history);
    if anomalies.is_empty() {
        return;
    }
    let mut about = BTreeSet::new();
    let mut text = format!("{} anomalies in a history of {}:", anomalies.len(), history.transactions.len());
    for anomaly in anomalies.iter().take(TOLD_MAX) {
        let _ = write!(text, "\n  {anomaly}");
        about.extend(anomaly.transactions());
    }
    for place in about {
        let transaction = &history.transactions[place];
        let operations: Vec<String> = transaction.operations.iter().map(told).collect();
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

/// Long lists by their last elements.
fn told(operation: &Operation) -> String {
    const TOLD_MAX: usize = 8;
    match operation {
        Operation::Append(list, element) => format!("append {element} to {list}"),
        Operation::Read(list, elements) => match elements.len().checked_sub(TOLD_MAX) {
            None | Some(0) => format!("read {list}: {elements:?}"),
            Some(more) => format!("read {list}: {more} elements and {:?}", &elements[more..]),
        },
    }
}
