//! Tests each known anomaly with a fixed interleaving that would show it, in one thread.
//!
//! The tests follow Kleppmann's Hermitage (<https://github.com/ept/hermitage>), in the terms of Adya ("Weak
//! Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions", 1999) and Bailis
//! and others ("Highly Available Transactions", 2013). A predicate is a scan with a condition on its rows.
//!
//! Of two conflicting transactions, the store must commit the first and refuse the second. Both are checked, because
//! a store that refuses everything would show no anomaly either.

mod actor;
mod items;
mod predicates;

pub use items::{g_single, g0, g1a, g1b, g1c, g2_item, otv, p4};
pub use predicates::{
    g_single_predicate, g_single_write_predicate, g_single_write_predicate_first, g2, g2_two_edges, pmp,
    pmp_write,
};

use super::{Sessions, sure};
use actor::table;
use strongroom_core::KeyRange;

/// The name of an anomaly, and its test.
pub type Anomaly<S> = (&'static str, fn(&S));

/// Returns all anomalies.
pub fn anomalies<S: Sessions>() -> [Anomaly<S>; 15] {
    [
        ("g0", g0),
        ("g1a", g1a),
        ("g1b", g1b),
        ("g1c", g1c),
        ("otv", otv),
        ("pmp", pmp),
        ("pmp_write", pmp_write),
        ("p4", p4),
        ("g_single", g_single),
        ("g_single_predicate", g_single_predicate),
        ("g_single_write_predicate", g_single_write_predicate),
        ("g_single_write_predicate_first", g_single_write_predicate_first),
        ("g2_item", g2_item),
        ("g2", g2),
        ("g2_two_edges", g2_two_edges),
    ]
}

/// Tests all anomalies. Uses the keyspace `hermitage` and leaves it empty.
pub fn all<S: Sessions>(sessions: &S) {
    for (_, anomaly) in anomalies::<S>() {
        anomaly(sessions);
    }
    sure(table(sessions).delete_range(KeyRange::all()), "emptying the keyspace");
}
