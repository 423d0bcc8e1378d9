//! Every known anomaly by itself: an interleaving in which it would show, the same each time, in one thread.
//!
//! What is tried is what Kleppmann's Hermitage tries (<https://github.com/ept/hermitage>), in the terms of Adya ("Weak
//! Consistency: A Generalized Theory and Optimistic Implementations for Distributed Transactions", 1999) and Bailis
//! and others ("Highly Available Transactions", 2013). A predicate is a scan and a condition on what it gives.
//!
//! Of two transactions that cannot both be right, the store commits the first and refuses the second: both are asked
//! for, since a store that refused everything would show no anomaly either.

mod items;
mod predicates;

pub use items::{g_single, g0, g1a, g1b, g1c, g2_item, otv, p4};
pub use predicates::{
    g_single_predicate, g_single_write_predicate, g_single_write_predicate_first, g2, g2_two_edges, pmp,
    pmp_write,
};

use super::{Session, Sessions, sure};
use strongroom_core::{ErrorKind, KeyRange, Result};
use strongroom_store::Keyspace;

const KEYSPACE: &str = "hermitage";

/// The name of an anomaly, and what tries it.
pub type Anomaly<S> = (&'static str, fn(&S));

/// All of them.
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

/// Tries all of them. Uses the keyspace `hermitage` and leaves it empty.
pub fn all<S: Sessions>(sessions: &S) {
    for (_, anomaly) in anomalies::<S>() {
        anomaly(sessions);
    }
    sure(table(sessions).delete_range(KeyRange::all()), "emptying the keyspace");
}

/// The two rows that all begin with: `x` is 10 and `y` is 20.
fn table(sessions: &impl Sessions) -> Keyspace {
    let rows = sure(sessions.store().create_keyspace(KEYSPACE), "creating the keyspace");
    sure(rows.delete_range(KeyRange::all()), "emptying the keyspace");
    sure(rows.set("x", "10"), "setting x");
    sure(rows.set("y", "20"), "setting y");
    rows
}

/// A transaction, with the calls that the anomalies are written in.
struct Actor<'k> {
    rows: &'k Keyspace,
    session: Session<'static>,
}

fn actor<'k>(sessions: &impl Sessions, rows: &'k Keyspace) -> Actor<'k> {
    Actor { rows, session: sure(sessions.begin(), "beginning a transaction") }
}

impl Actor<'_> {
    #[track_caller]
    fn get(&self, key: &str) -> i64 {
        let value = sure(self.session.get(self.rows, key.as_bytes()), "reading");
        value.map_or_else(|| panic!("{key} must be there"), |value| number(&value))
    }

    /// The rows of which the value meets a condition.
    fn rows_with(&self, range: &KeyRange, condition: impl Fn(i64) -> bool) -> Vec<(String, i64)> {
        let rows = sure(self.session.rows(self.rows, range), "scanning");
        let rows =
            rows.into_iter().map(|(key, value)| (String::from_utf8_lossy(&key).into_owned(), number(&value)));
        rows.filter(|(_, value)| condition(*value)).collect()
    }

    fn set(&mut self, key: &str, value: i64) {
        sure(self.session.set(self.rows, key.as_bytes(), value.to_string().as_bytes()), "setting");
    }

    fn delete(&mut self, key: &str) {
        sure(self.session.delete(self.rows, key.as_bytes()), "deleting");
    }

    fn commit(self) -> Result<()> {
        self.session.commit()
    }
}

fn number(value: &[u8]) -> i64 {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| panic!("a value that nobody has written"))
}

/// Both rows, as a transaction sees them that begins now.
fn state(sessions: &impl Sessions, rows: &Keyspace) -> (i64, i64) {
    let now = actor(sessions, rows);
    (now.get("x"), now.get("y"))
}

#[track_caller]
fn commits(actor: Actor<'_>, anomaly: &str) {
    sure(actor.commit(), &format!("{anomaly}: the transaction that is committed first"));
}

/// The second of two that cannot both be right.
#[track_caller]
fn is_refused(actor: Actor<'_>, anomaly: &str) {
    match actor.commit() {
        Err(error) if error.kind() == ErrorKind::Conflict => {}
        Err(error) => panic!("{anomaly}: a conflict was expected, and not: {}", error.one_line()),
        Ok(()) => panic!("{anomaly}: both transactions were committed"),
    }
}
