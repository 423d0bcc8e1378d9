//! The threads behind a history: transactions of random appends and reads, and what is in their way.
//!
//! In the way is what the store has to survive. Some transactions are rolled back on purpose, and two kinds of threads
//! append without any transaction: to the transactions' own lists by a batch with a condition, and by plain sets to
//! lists that only they write, which transactions only read. They are in the history as what they are: transactions of
//! one append.

use super::recorded::{Element, History, HistoryOptions, Key, Operation, Outcome, Recorded};
use crate::isolation::{Session, Sessions, sure};
use crate::random::Random;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use strongroom_core::{Direction, Error, ErrorKind, KeyRange, Result, Scan};
use strongroom_store::{Keyspace, Store};

/// Every second list is in the other: a transaction is one over all keyspaces.
const KEYSPACES: [&str; 2] = ["lists", "more_lists"];
const OPERATIONS_MAX: usize = 5;
/// Lists that a scan reads at most.
const SCANNED_MAX: usize = 10;
/// Scans that end early stop at so many rows at most.
const SCANNED_ROWS_MAX: usize = 3;
/// So many transactions later there is another list.
const LIST_TRANSACTIONS: u32 = 40;
/// One of so many transactions is rolled back on purpose.
const ROLLED_BACK_ONE_IN: usize = 12;

pub(super) struct Recorder<'r, S> {
    sessions: &'r S,
    options: &'r HistoryOptions,
    keyspaces: Keyspaces,
    clock: AtomicU64,
    elements: AtomicU64,
    /// The transaction that is next.
    turn: AtomicU32,
    /// The store has failed, and no more can be done with it.
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

    /// Whether it was committed; it was not if it was rolled back on purpose.
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
            // Others get their chance.
            thread::yield_now();
        }
        if random.once_in(ROLLED_BACK_ONE_IN) {
            // The others are just dropped.
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
        // It reads the list to do so. That is not recorded: an append is an append, however it is done.
        let value = session.get(self.keyspaces.of(list), &key_of(list))?;
        // Before it is written: what fails may have been.
        operations.push(Operation::Append(list, element));
        session.set(self.keyspaces.of(list), &key_of(list), &appended(value.as_deref(), element))
    }

    /// Of all lists in a range, or, in one direction or the other, of the first that are there.
    fn scan(
        &self,
        session: &Session<'_>,
        random: &mut Random,
        operations: &mut Vec<Operation>,
    ) -> Result<()> {
        let first = self.any_list(random);
        let behind = first + 1 + below(random, SCANNED_MAX);
        let scan = Scan::new(KeyRange::between(key_of(first), key_of(behind)));
        let scan = if random.once_in(2) { scan.reverse() } else { scan };
        let rows_max = if random.once_in(2) { 1 + random.below(SCANNED_ROWS_MAX) } else { usize::MAX };
        let direction = scan.direction;
        let rows = session.first_rows(self.keyspaces.of(first), scan, rows_max)?;
        // It has ended where it had enough, and otherwise at the end.
        let last = rows.last().filter(|_| rows.len() == rows_max).map(|(key, _)| &key[..]);
        let is_reached = |list: &Key| match (last, direction) {
            (None, _) => true,
            (Some(last), Direction::Forward) => key_of(*list)[..] <= *last,
            (Some(last), Direction::Reverse) => key_of(*list)[..] >= *last,
        };
        operations.extend((first..behind).step_by(KEYSPACES.len()).filter(is_reached).map(|list| {
            // A list that is not there is one that was read as empty.
            let value = rows.iter().find(|(key, _)| *key == key_of(list)).map(|(_, value)| &value[..]);
            Operation::Read(list, elements_of(value))
        }));
        Ok(())
    }

    /// Every second append goes to a list of its own, by a plain set.
    fn hammer(&self, number: u32) {
        let mut random = Random::new(!self.options.seed ^ (u64::from(number) << 32));
        let own_list = number;
        let mut own = Vec::new();
        let mut recorded = Vec::new();
        // On an engine whose commits are fast it would come by far too often.
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
                // It may not be there; from now on it would be unclear what the list should be.
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

    /// Only a commit that says so may have come through. That is the contract, and the checker finds who breaks it.
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

    /// One that transactions append to now.
    fn list(&self, random: &mut Random) -> Key {
        let passed = self.turn.load(Ordering::Relaxed) / LIST_TRANSACTIONS;
        self.options.hammers + passed + below(random, self.options.lists.max(1) as usize)
    }

    /// One of those, or one that transactions only read.
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

/// Adds to a history what is in the lists now, as one more transaction, behind all others.
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

/// In the order of the numbers.
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
    assert!(rest.is_empty(), "a list that nobody has written");
    elements.iter().map(|element| Element::from_be_bytes(*element)).collect()
}
