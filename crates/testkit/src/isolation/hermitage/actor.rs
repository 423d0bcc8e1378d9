//! The transactions of an anomaly test.

use crate::isolation::{Session, Sessions, sure};
use strongroom_core::{ErrorKind, KeyRange, Result};
use strongroom_store::Keyspace;

const KEYSPACE: &str = "hermitage";

/// Creates the initial rows of every test: `x` is 10 and `y` is 20.
pub(super) fn table(sessions: &impl Sessions) -> Keyspace {
    let rows = sure(sessions.store().create_keyspace(KEYSPACE), "creating the keyspace");
    sure(rows.delete_range(KeyRange::all()), "emptying the keyspace");
    sure(rows.set("x", "10"), "setting x");
    sure(rows.set("y", "20"), "setting y");
    rows
}

/// A transaction, with the calls that the tests use.
pub(super) struct Actor<'k> {
    rows: &'k Keyspace,
    session: Session<'static>,
}

pub(super) fn actor<'k>(sessions: &impl Sessions, rows: &'k Keyspace) -> Actor<'k> {
    Actor { rows, session: sure(sessions.begin(), "beginning a transaction") }
}

impl Actor<'_> {
    #[track_caller]
    pub(super) fn get(&self, key: &str) -> i64 {
        let value = sure(self.session.get(self.rows, key.as_bytes()), "reading");
        value.map_or_else(|| panic!("{key} must be there"), |value| number(&value))
    }

    /// The rows whose value meets a condition.
    pub(super) fn rows_with(&self, range: &KeyRange, condition: impl Fn(i64) -> bool) -> Vec<(String, i64)> {
        let rows = sure(self.session.rows(self.rows, range), "scanning");
        let rows =
            rows.into_iter().map(|(key, value)| (String::from_utf8_lossy(&key).into_owned(), number(&value)));
        rows.filter(|(_, value)| condition(*value)).collect()
    }

    pub(super) fn set(&mut self, key: &str, value: i64) {
        sure(self.session.set(self.rows, key.as_bytes(), value.to_string().as_bytes()), "setting");
    }

    pub(super) fn delete(&mut self, key: &str) {
        sure(self.session.delete(self.rows, key.as_bytes()), "deleting");
    }

    pub(super) fn commit(self) -> Result<()> {
        self.session.commit()
    }
}

fn number(value: &[u8]) -> i64 {
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.unwrap_or_else(|| panic!("a value that was never written"))
}

/// Both rows, as a new transaction sees them.
pub(super) fn state(sessions: &impl Sessions, rows: &Keyspace) -> (i64, i64) {
    let now = actor(sessions, rows);
    (now.get("x"), now.get("y"))
}

#[track_caller]
pub(super) fn commits(actor: Actor<'_>, anomaly: &str) {
    sure(actor.commit(), &format!("{anomaly}: committing the first transaction"));
}

/// Asserts that the second of two conflicting transactions is refused.
#[track_caller]
pub(super) fn is_refused(actor: Actor<'_>, anomaly: &str) {
    match actor.commit() {
        Err(error) if error.kind() == ErrorKind::Conflict => {}
        Err(error) => panic!("{anomaly}: expected a conflict instead of: {}", error.one_line()),
        Ok(()) => panic!("{anomaly}: both transactions were committed"),
    }
}
