//! Records a history: runs transactions of random appends and reads, and interferes with them.
//!
//! Some transactions are rolled back on purpose. Other threads append without transactions: by conditional batches to
//! the lists of the transactions, and by plain sets to lists that only they write and transactions only read. The
//! history contains each such append as a transaction of one operation.

use super::recorded::{Element, History, HistoryOptions, Key, Operation, Outcome, Recorded};
use crate::isolation::{Session, Sessions, sure};
use crate::random::Random;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use strongroom_core::{Direction, Error, ErrorKind, KeyRange, Result, Scan};
use strongroom_store::{Keyspace, Store};

/// Lists alternate between the two keyspaces, because a transaction spans keyspaces.
const KEYSPACES: [&str; 2] = ["lists", "more_lists"];
const OPERATIONS_MAX: usize = 5;
/// The most lists that a scan covers.
const SCANNED_MAX: usize = 10;
/// The most rows of a scan that stops early.
const SCANNED_ROWS_MAX: usize = 3;
/// Transactions after which a new list replaces an old one.
const LIST_TRANSACTIONS: u32 = 40;
/// One in this many transactions is rolled back on purpose.
const ROLLED_BACK_ONE_IN: usize = 12;

pub(super) struct Recorder<'r, S> {
    sessions: &'r S,
    options: &'r HistoryOptions,
    keyspaces: Keyspaces,
    clock: AtomicU64,
    elements: AtomicU64,
    /// The number of the next transaction.
    turn: AtomicU32,
    /// Whether the store has failed, which ends the history.
    has_failed: AtomicBool,
    recorded: Mutex<Vec<Recorded>>,
}

impl<'r, S: Sessions> Recorder<'r, S> {
    pub(super) fn new(sessions: &'r S, options: &'r HistoryOptions) -> Self {
        let keyspaces = Keyspaces::open(sessions.store());
        for keyspace in &keyspaces.0 {
            sure(keyspace.delete_range(KeyRange::all()), "emptying a keyspace");
        }
        Self {
            sessions,
            options,
            keyspaces,
            clock: AtomicU64::new(0),
            elements: AtomicU64::new(1),
            turn: AtomicU32::new(0),
            has_failed: AtomicBool::new(false),
            recorded: Mutex::default(),
        }
    }

    pub(super) fn run(self) -> History {
        thread::scope(|scope| {
            let this = &self;
            for number in 0..self.options.threads.max(1) {
                scope.spawn(move || this.transact(number));
            }
            for number in 0..self.options.hammers {
                scope.spawn(move || this.hammer(number));
            }
        });
        let has_failed = self.has_failed.into_inner();
        let transactions = self.recorded.into_inner().unwrap_or_default();
        let mut history = History { transactions };
        if !has_failed {
            final_look(&mut history, self.sessions.store());
        }
        history
    }

    fn transact(&self, number: u32) {
        let mut random = Random::new(self.options.seed ^ (u64::from(number) << 32));
        let mut recorded = Vec::new();
        while self.is_on() && self.turn.fetch_add(1, Ordering::Relaxed) < self.options.transactions {
            let invoked = self.tick();
            let mut operations = Vec::new();
            let result = self.attempt(&mut random, &mut operations);
            recorded.push(self.ended(invoked, operations, result));
        }
        self.keep(recorded);
    }

    /// Runs one transaction; returns whether it was committed or rolled back on purpose.
    fn attempt(&self, random: &mut Random, operations: &mut Vec<Operation>) -> Result<bool> {
        let mut session = self.sessions.begin()?;
        for _ in 0..=random.below(OPERATIONS_MAX) {
            match random.below(10) {
                0..4 => self.append(&mut session, self.list(random), operations)?,
                4..8 => {
                    let list = self.any_list(random);
                    let value = session.get(self.keyspaces.of(list), &key_of(list))?;
                    operations.push(Operation::Read(list, elements_of(value.as_deref())));
                }
                _ => self.scan(&session, random, operations)?,
            }
            // Lets other threads run.
            thread::yield_now();
        }
        if random.once_in(ROLLED_BACK_ONE_IN) {
            // Otherwise it is just dropped.
            if random.once_in(2) {
                session.rollback();
                session.commit()?;
            }
            return Ok(false);
        }
        session.commit()?;
        Ok(true)
    }

    fn append(&self, session: &mut Session<'_>, list: Key, operations: &mut Vec<Operation>) -> Result<()> {
        let element = self.elements.fetch_add(1, Ordering::Relaxed);
        // The read is part of the append and is not recorded.
        let value = session.get(self.keyspaces.of(list), &key_of(list))?;
        // Recorded before the write, because a failed write may still take effect.
        operations.push(Operation::Append(list, element));
        session.set(self.keyspaces.of(list), &key_of(list), &appended(value.as_deref(), element))
    }

    /// Reads all lists in a range, or the first existing ones in either direction.
    fn scan(
        &self,
        session: &Session<'_>,
        random: &mut Random,
        operations: &mut Vec<Operation>,
    ) -> Result<()> {
        let first = self.any_list(random);
        let end = first + 1 + below(random, SCANNED_MAX);
        let scan = Scan::new(KeyRange::between(key_of(first), key_of(end)));
        let scan = if random.once_in(2) { scan.reverse() } else { scan };
        let rows_max = if random.once_in(2) { 1 + random.below(SCANNED_ROWS_MAX) } else { usize::MAX };
        let direction = scan.direction;
        let rows = session.first_rows(self.keyspaces.of(first), scan, rows_max)?;
        // A scan with enough rows stopped at the last one; otherwise it reached the end of the range.
        let last = rows.last().filter(|_| rows.len() == rows_max).map(|(key, _)| &key[..]);
        let is_reached = |list: &Key| match (last, direction) {
            (None, _) => true,
            (Some(last), Direction::Forward) => key_of(*list)[..] <= *last,
            (Some(last), Direction::Reverse) => key_of(*list)[..] >= *last,
        };
        operations.extend((first..end).step_by(KEYSPACES.len()).filter(is_reached).map(|list| {
            // A missing list counts as read and empty.
            let value = rows.iter().find(|(key, _)| *key == key_of(list)).map(|(_, value)| &value[..]);
            Operation::Read(list, elements_of(value))
        }));
        Ok(())
    }

    /// Appends without transactions; about half of the appends go to the thread's own list, by a plain set.
    fn hammer(&self, number: u32) {
        let mut random = Random::new(!self.options.seed ^ (u64::from(number) << 32));
        let own_list = number;
        let mut own = Vec::new();
        let mut recorded = Vec::new();
        // Limited, because on an engine with fast commits it would append far too often.
        let appends_max = self.options.transactions as usize / 2;
        while self.is_on()
            && recorded.len() < appends_max
            && self.turn.load(Ordering::Relaxed) < self.options.transactions
        {
            let element = self.elements.fetch_add(1, Ordering::Relaxed);
            let is_own = random.once_in(2);
            let list = if is_own { own_list } else { self.list(&mut random) };
            let invoked = self.tick();
            let result = if is_own {
                own = appended(Some(&own), element);
                self.keyspaces.of(list).set(key_of(list), &own)
            } else {
                self.append_on_condition(list, element)
            };
            if is_own && result.is_err() {
                // The element may be missing, so the expected contents of the list are unknown from now on.
                self.has_failed.store(true, Ordering::SeqCst);
            }
            recorded.push(self.ended(invoked, vec![Operation::Append(list, element)], result.map(|()| true)));
            thread::yield_now();
        }
        self.keep(recorded);
    }

    fn append_on_condition(&self, list: Key, element: Element) -> Result<()> {
        let (key, rows) = (key_of(list), self.keyspaces.of(list));
        let found = rows.get_row(key)?;
        let mut batch = self.sessions.store().batch();
        match &found {
            Some(row) => batch.expect_version(rows, key, row.version),
            None => batch.expect_absent(rows, key),
        };
        batch.set(rows, key, appended(found.as_ref().map(|row| &row.value[..]), element));
        self.sessions.store().commit(&batch).map(drop)
    }

    fn ended(&self, invoked: u64, operations: Vec<Operation>, result: Result<bool>) -> Recorded {
        let outcome = match result {
            Ok(true) => Outcome::Committed,
            Ok(false) => Outcome::Aborted,
            Err(error) => self.outcome_of(&error),
        };
        Recorded { operations, outcome, invoked, completed: self.tick() }
    }

    /// Only `CommitUnknown` may have taken effect. That is the contract, and the checker finds violations.
    fn outcome_of(&self, error: &Error) -> Outcome {
        if matches!(error.kind(), ErrorKind::CommitUnknown | ErrorKind::Closed) {
            self.has_failed.store(true, Ordering::SeqCst);
        }
        if error.kind() == ErrorKind::CommitUnknown { Outcome::Unknown } else { Outcome::Aborted }
    }

    fn is_on(&self) -> bool {
        !self.has_failed.load(Ordering::SeqCst)
    }

    fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    /// A list that transactions currently append to.
    fn list(&self, random: &mut Random) -> Key {
        let passed = self.turn.load(Ordering::Relaxed) / LIST_TRANSACTIONS;
        self.options.hammers + passed + below(random, self.options.lists.max(1) as usize)
    }

    /// A list that transactions currently append to, or one that they only read.
    fn any_list(&self, random: &mut Random) -> Key {
        let lists = (self.options.hammers + self.options.lists.max(1)) as usize;
        match below(random, lists) {
            own if own < self.options.hammers => own,
            _ => self.list(random),
        }
    }

    fn keep(&self, recorded: Vec<Recorded>) {
        if let Ok(mut all) = self.recorded.lock() {
            all.extend(recorded);
        }
    }
}

struct Keyspaces([Keyspace; 2]);

impl Keyspaces {
    fn open(store: &Store) -> Self {
        Self(KEYSPACES.map(|name| sure(store.create_keyspace(name), "opening a keyspace")))
    }

    fn of(&self, list: Key) -> &Keyspace {
        &self.0[list as usize % KEYSPACES.len()]
    }
}

/// Adds a final read of all lists to a history, as a transaction after all others.
pub fn final_look(history: &mut History, store: &Store) {
    let keyspaces = Keyspaces::open(store);
    let snapshot = sure(store.snapshot(), "a snapshot");
    let appended = history.transactions.iter().flat_map(|transaction| &transaction.operations);
    let mut lists: Vec<Key> = appended
        .map(|operation| match operation {
            Operation::Append(list, _) | Operation::Read(list, _) => *list,
        })
        .collect();
    lists.sort_unstable();
    lists.dedup();
    let operations = lists.into_iter().map(|list| {
        let value = sure(snapshot.get(keyspaces.of(list), key_of(list)), "reading a list");
        Operation::Read(list, elements_of(value.as_deref()))
    });
    let now = history.transactions.iter().map(|transaction| transaction.completed).max().unwrap_or(0) + 1;
    let look = Recorded {
        operations: operations.collect(),
        outcome: Outcome::Committed,
        invoked: now,
        completed: now + 1,
    };
    history.transactions.push(look);
}

fn below(random: &mut Random, bound: usize) -> u32 {
    u32::try_from(random.below(bound)).unwrap_or(0)
}

/// The key of a list; keys sort as their numbers.
fn key_of(list: Key) -> [u8; 4] {
    list.to_be_bytes()
}

fn appended(value: Option<&[u8]>, element: Element) -> Vec<u8> {
    let mut list = value.unwrap_or_default().to_vec();
    list.extend_from_slice(&element.to_be_bytes());
    list
}

fn elements_of(value: Option<&[u8]>) -> Vec<Element> {
    let (elements, rest) = value.unwrap_or_default().as_chunks::<8>();
    assert!(rest.is_empty(), "a list that was never written");
    elements.iter().map(|element| Element::from_be_bytes(*element)).collect()
}
