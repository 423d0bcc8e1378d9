//! Sessions, through which the tests use a store as it is or weakened on purpose.
//!
//! A test that cannot fail shows nothing. A [`Weakened`] store hides the reads of a transaction from the real
//! store, so that it has one of the well-known weaker levels (Berenson and others, "A Critique of ANSI SQL
//! Isolation Levels", 1995), and each test must find the anomalies that the level allows.

use bytes::Bytes;
use std::collections::BTreeMap;
use strongroom_core::{Direction, Error, ErrorKind, KeyRange, Result, Scan};
use strongroom_store::{Keyspace, Snapshot, Store, Transaction};

/// Upper bound on the attempts of a transaction of a weakened store.
const ATTEMPTS_MAX: u32 = 10_000;

/// An isolation level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Isolation {
    /// Writes are visible at once, and stay after a rollback.
    ReadUncommitted,
    /// Each read sees the newest committed state.
    ReadCommitted,
    /// Reads see one state, and of two transactions that write the same key one is refused.
    Snapshot,
    /// The level that the store promises.
    Serializable,
}

/// A source of transactions: a [`Store`], or a [`Weakened`] one.
pub trait Sessions: Sync {
    /// Returns the store itself, for calls outside transactions.
    fn store(&self) -> &Store;

    /// Returns the isolation level of its transactions.
    fn isolation(&self) -> Isolation;

    /// Begins a transaction that the caller commits.
    fn begin(&self) -> Result<Session<'static>> {
        let transaction = self.store().begin()?;
        let weak = match self.isolation() {
            Isolation::Serializable => None,
            isolation => Some(Weak { isolation, seen: self.store().snapshot()?, own: BTreeMap::new() }),
        };
        Ok(Session { held: Held::Own(transaction), weak })
    }

    /// Runs `work` in a transaction, and retries it after conflicts.
    fn transaction<T>(&self, mut work: impl FnMut(&mut Session<'_>) -> Result<T>) -> Result<T> {
        if self.isolation() == Isolation::Serializable {
            return self
                .store()
                .transaction(|transaction| work(&mut Session { held: Held::Lent(transaction), weak: None }));
        }
        for _ in 0..ATTEMPTS_MAX {
            let mut session = self.begin()?;
            let value = work(&mut session)?;
            match session.commit() {
                Err(error) if error.kind() == ErrorKind::Conflict => std::thread::yield_now(),
                Err(error) => return Err(error),
                Ok(()) => return Ok(value),
            }
        }
        Err(Error::new(ErrorKind::Conflict, "every attempt met a conflict"))
    }
}

impl Sessions for Store {
    fn store(&self) -> &Store {
        self
    }

    fn isolation(&self) -> Isolation {
        Isolation::Serializable
    }
}

/// A store whose transactions are isolated less than they should be.
#[derive(Debug, Clone)]
pub struct Weakened {
    store: Store,
    isolation: Isolation,
}

impl Weakened {
    /// Weakens `store` to `isolation`.
    pub fn new(store: Store, isolation: Isolation) -> Self {
        Self { store, isolation }
    }
}

impl Sessions for Weakened {
    fn store(&self) -> &Store {
        &self.store
    }

    fn isolation(&self) -> Isolation {
        self.isolation
    }
}

/// A transaction of a test.
#[derive(Debug)]
pub struct Session<'t> {
    held: Held<'t>,
    weak: Option<Weak>,
}

#[derive(Debug)]
enum Held<'t> {
    Own(Transaction),
    Lent(&'t mut Transaction),
}

/// The state of a session that hides its reads from the store.
#[derive(Debug)]
struct Weak {
    isolation: Isolation,
    seen: Snapshot,
    /// Its own writes by keyspace and key; `None` deletes.
    own: BTreeMap<(String, Vec<u8>), Option<Bytes>>,
}

impl Session<'_> {
    /// Returns the value of `key`, or `None` if it is absent.
    pub fn get(&self, keyspace: &Keyspace, key: &[u8]) -> Result<Option<Bytes>> {
        let Some(weak) = &self.weak else { return self.transaction().get(keyspace, key) };
        match weak.own.get(&(keyspace.name().to_owned(), key.to_vec())) {
            Some(own) => Ok(own.clone()),
            None if weak.isolation == Isolation::Snapshot => weak.seen.get(keyspace, key),
            None => keyspace.get(key),
        }
    }

    /// Returns the rows in `range`, in order.
    pub fn rows(&self, keyspace: &Keyspace, range: &KeyRange) -> Result<Vec<(Vec<u8>, Bytes)>> {
        self.first_rows(keyspace, Scan::new(range.clone()), usize::MAX)
    }

    /// Returns the first rows of `scan`, and stops after `rows_max`.
    pub fn first_rows(
        &self,
        keyspace: &Keyspace,
        scan: Scan,
        rows_max: usize,
    ) -> Result<Vec<(Vec<u8>, Bytes)>> {
        let Some(weak) = &self.weak else {
            return self.transaction().scan(keyspace, scan)?.take(rows_max).collect();
        };
        let (range, direction) = (scan.range.clone(), scan.direction);
        let rows = if weak.isolation == Isolation::Snapshot {
            weak.seen.scan(keyspace, scan)?
        } else {
            keyspace.scan(scan)?
        };
        let mut rows = rows.collect::<Result<BTreeMap<_, _>>>()?;
        for ((name, key), own) in &weak.own {
            if name == keyspace.name() && range.contains(key) {
                match own {
                    Some(value) => drop(rows.insert(key.clone(), value.clone())),
                    None => drop(rows.remove(key)),
                }
            }
        }
        Ok(match direction {
            Direction::Forward => rows.into_iter().take(rows_max).collect(),
            Direction::Reverse => rows.into_iter().rev().take(rows_max).collect(),
        })
    }

    /// Sets `key` to `value` when it is committed.
    pub fn set(&mut self, keyspace: &Keyspace, key: &[u8], value: &[u8]) -> Result<()> {
        self.write(keyspace, key, Some(value))
    }

    /// Removes `key` when it is committed.
    pub fn delete(&mut self, keyspace: &Keyspace, key: &[u8]) -> Result<()> {
        self.write(keyspace, key, None)
    }

    /// Discards the writes, as far as the isolation level allows.
    pub fn rollback(&mut self) {
        if let Some(weak) = &mut self.weak {
            weak.own.clear();
        }
        match &mut self.held {
            Held::Own(transaction) => transaction.rollback(),
            Held::Lent(transaction) => transaction.rollback(),
        }
    }

    /// Commits the writes. A session lent by [`Sessions::transaction`] is committed there instead.
    pub fn commit(self) -> Result<()> {
        match self.held {
            Held::Own(transaction) => transaction.commit().map(drop),
            Held::Lent(_) => Ok(()),
        }
    }

    fn write(&mut self, keyspace: &Keyspace, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        if let Some(weak) = &mut self.weak {
            if weak.isolation == Isolation::ReadUncommitted {
                return match value {
                    Some(value) => keyspace.set(key, value),
                    None => keyspace.delete(key),
                };
            }
            let own = value.map(Bytes::copy_from_slice);
            weak.own.insert((keyspace.name().to_owned(), key.to_vec()), own);
            if weak.isolation == Isolation::Snapshot {
                // Lets the store validate this key, so that it refuses the commit if another transaction wrote it.
                self.transaction().get(keyspace, key)?;
            }
        }
        let transaction = match &mut self.held {
            Held::Own(transaction) => transaction,
            Held::Lent(transaction) => transaction,
        };
        match value {
            Some(value) => transaction.set(keyspace, key, value),
            None => transaction.delete(keyspace, key),
        }
    }

    fn transaction(&self) -> &Transaction {
        match &self.held {
            Held::Own(transaction) => transaction,
            Held::Lent(transaction) => transaction,
        }
    }
}
