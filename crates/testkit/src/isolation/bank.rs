//! The bank: many threads transfer money while others count it, and no money may be lost.
//!
//! There are two rules. A *plain* account is never below zero. An *owner* has two accounts, of which one may be
//! below zero as long as their sum is not. This detects write skew: two withdrawals that read both accounts and
//! each write one are allowed separately, but not together (Berenson and others, "A Critique of ANSI SQL Isolation
//! Levels", 1995, A5B).
//!
//! Only transactions enforce the rules. Readers read every account by gets in a transaction, by a scan in a
//! transaction, in a snapshot, and by a scan without either. Each such check must find all the money and no broken
//! rule.

use super::{Isolation, Sessions, sure};
use crate::random::Random;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::thread;
use strongroom_core::{ErrorKind, KeyRange, Result};
use strongroom_store::{Keyspace, Store, TransactionOptions};

const KEYSPACE: &str = "bank";
const OPENING_BALANCE: i64 = 100;
/// Amounts of a transfer, large enough that accounts are often nearly empty.
const AMOUNTS: RangeInclusive<i64> = 1..=80;

/// The size of a bank test.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BankOptions {
    /// Threads that transfer money.
    pub threads: u32,
    /// Threads that check all accounts.
    pub readers: u32,
    /// Plain accounts.
    pub accounts: u32,
    /// Owners with two accounts each.
    pub owners: u32,
    /// Transfers of all threads together, including those refused by a rule.
    pub transfers: u32,
    /// Seed of the transfers. The interleaving of the threads does not depend on it.
    pub seed: u64,
}

impl Default for BankOptions {
    fn default() -> Self {
        Self { threads: 8, readers: 2, accounts: 6, owners: 3, transfers: 2_000, seed: 1 }
    }
}

impl BankOptions {
    /// Creates the default options: 2,000 transfers on 8 threads.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of threads that transfer money.
    #[must_use]
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the number of transfers.
    #[must_use]
    pub fn transfers(mut self, transfers: u32) -> Self {
        self.transfers = transfers;
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// The result of a bank test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BankReport {
    /// Transfers that moved money.
    pub moved: u32,
    /// Number of checks of all accounts.
    pub looks: usize,
    /// The first broken rule, if any.
    pub broken: Option<Broken>,
}

/// A broken rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The sum of all accounts, which is wrong.
    Total(i64),
    /// The balance of a plain account below zero.
    Account(i64),
    /// The balances of an owner's accounts, whose sum is below zero.
    Owner(i64, i64),
}

/// Runs the bank; panics if a rule was broken. Uses the keyspace `bank` and leaves it empty.
pub fn run(sessions: &impl Sessions, options: &BankOptions) -> BankReport {
    let report = observe(sessions, options);
    if let Some(broken) = report.broken {
        let found = match broken {
            Broken::Total(total) => {
                format!("the sum of all accounts is {total} instead of {}", total_of(options))
            }
            Broken::Account(balance) => format!("an account has a balance of {balance}"),
            Broken::Owner(first, second) => {
                format!("the accounts of an owner have {first} and {second}, a sum below zero")
            }
        };
        panic!("bank: {found}, after {} transfers and {} checks", report.moved, report.looks);
    }
    report
}

/// As [`run`], but returns a broken rule instead of panicking.
pub fn observe(sessions: &impl Sessions, options: &BankOptions) -> BankReport {
    let rows = sure(sessions.store().create_keyspace(KEYSPACE), "creating the keyspace");
    sure(rows.delete_range(KeyRange::all()), "emptying the keyspace");
    let bank = Bank { sessions, options, rows, turn: AtomicU32::new(0), looks: AtomicUsize::new(0) };
    for key in bank.keys() {
        sure(bank.rows.set(key, OPENING_BALANCE.to_string()), "opening an account");
    }
    let (moved, mut broken) = thread::scope(|scope| {
        let movers: Vec<_> = (0..options.threads.max(1))
            .map(|number| {
                scope.spawn({
                    let bank = &bank;
                    move || bank.move_money(number)
                })
            })
            .collect();
        let readers: Vec<_> = (0..options.readers)
            .map(|number| {
                scope.spawn({
                    let bank = &bank;
                    move || bank.watch(number)
                })
            })
            .collect();
        let moved: u32 = movers
            .into_iter()
            .map(|mover| mover.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)))
            .sum();
        let broken = readers
            .into_iter()
            .filter_map(|reader| reader.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause)));
        (moved, broken.collect::<Vec<_>>())
    });
    broken.extend((0..LOOKS).filter_map(|way| bank.look(way)));
    let looks = bank.looks.load(Ordering::Relaxed);
    sure(bank.rows.delete_range(KeyRange::all()), "emptying the keyspace");
    BankReport { moved, looks, broken: broken.first().copied() }
}

fn total_of(options: &BankOptions) -> i64 {
    i64::from(options.accounts + 2 * options.owners) * OPENING_BALANCE
}

/// The number of ways to read all accounts.
const LOOKS: usize = 4;

struct Bank<'b, S> {
    sessions: &'b S,
    options: &'b BankOptions,
    rows: Keyspace,
    /// The number of the next transfer.
    turn: AtomicU32,
    looks: AtomicUsize,
}

/// Ends the transfers when a thread panics, so that readers do not wait for them.
struct EndsWithPanic<'b>(&'b AtomicU32, u32);

impl Drop for EndsWithPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.store(self.1, Ordering::Relaxed);
        }
    }
}

/// A plain account, or one of the two accounts of an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Account {
    Plain(u32),
    First(u32),
    Second(u32),
}

impl Account {
    fn key(&self) -> String {
        match self {
            Self::Plain(number) => format!("plain/{number:03}"),
            Self::First(owner) => format!("owner/{owner:03}/a"),
            Self::Second(owner) => format!("owner/{owner:03}/b"),
        }
    }

    /// The other account of the same owner.
    fn partner(&self) -> Option<Self> {
        match self {
            Self::Plain(_) => None,
            Self::First(owner) => Some(Self::Second(*owner)),
            Self::Second(owner) => Some(Self::First(*owner)),
        }
    }
}

impl<S: Sessions> Bank<'_, S> {
    fn accounts(&self) -> Vec<Account> {
        let plain = (0..self.options.accounts).map(Account::Plain);
        let owned =
            (0..self.options.owners).flat_map(|owner| [Account::First(owner), Account::Second(owner)]);
        plain.chain(owned).collect()
    }

    fn keys(&self) -> impl Iterator<Item = String> {
        self.accounts().into_iter().map(|account| account.key())
    }

    fn move_money(&self, number: u32) -> u32 {
        let mut random = Random::new(self.options.seed ^ (u64::from(number) << 32));
        let accounts = self.accounts();
        let amounts: Vec<i64> = AMOUNTS.collect();
        let _ends = EndsWithPanic(&self.turn, self.options.transfers);
        let mut moved = 0;
        while self.turn.fetch_add(1, Ordering::Relaxed) < self.options.transfers {
            let (from, to) = (random.pick(&accounts), random.pick(&accounts));
            let amount = *random.pick(&amounts);
            match self.transfer(from, to, amount) {
                Ok(has_moved) => moved += u32::from(has_moved),
                // Too many conflicts, or too slow for an engine that keeps old values only briefly: no money was
                // moved.
                Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::SnapshotExpired) => {}
                Err(error) => panic!("bank: a transfer must succeed: {}", error.one_line()),
            }
        }
        moved
    }

    /// Transfers `amount`; returns false if a rule forbids it.
    fn transfer(&self, from: &Account, to: &Account, amount: i64) -> Result<bool> {
        if from == to {
            return Ok(false);
        }
        self.sessions.transaction(|session| {
            let balance = |account: &Account| -> Result<i64> {
                Ok(number(session.get(&self.rows, account.key().as_bytes())?.as_deref()))
            };
            let (source, target) = (balance(from)?, balance(to)?);
            let covered = match from.partner() {
                Some(partner) => source + balance(&partner)?,
                None => source,
            };
            // A transfer between the accounts of one owner does not change the owner's sum.
            if from.partner().as_ref() != Some(to) && covered < amount {
                return Ok(false);
            }
            // Lets other threads run between the reads and the writes.
            thread::yield_now();
            session.set(&self.rows, from.key().as_bytes(), (source - amount).to_string().as_bytes())?;
            session.set(&self.rows, to.key().as_bytes(), (target + amount).to_string().as_bytes())?;
            Ok(true)
        })
    }

    /// Checks all accounts until the last transfer has begun; returns the first broken rule.
    fn watch(&self, number: u32) -> Option<Broken> {
        let mut way = number as usize;
        while self.turn.load(Ordering::Relaxed) < self.options.transfers {
            if let Some(broken) = self.look(way) {
                return Some(broken);
            }
            way += 1;
            thread::yield_now();
        }
        None
    }

    fn look(&self, way: usize) -> Option<Broken> {
        let balances = loop {
            match self.balances(way % LOOKS) {
                Ok(balances) => break balances,
                // Some engines keep old values only for a limited time.
                Err(error) if error.kind() == ErrorKind::SnapshotExpired => {}
                Err(error) => panic!("bank: reading the accounts must succeed: {}", error.one_line()),
            }
        };
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.judge(&balances)
    }

    fn balances(&self, way: usize) -> Result<BTreeMap<String, i64>> {
        let store: &Store = self.sessions.store();
        let all = KeyRange::all();
        let rows: Vec<(Vec<u8>, _)> = match way {
            // A weakened store has no read-only transactions.
            0 if self.sessions.isolation() == Isolation::Serializable => {
                let options = TransactionOptions::new().read_only(true);
                store.transaction_with(&options, |transaction| {
                    let read =
                        |key: String| Ok((key.clone().into_bytes(), transaction.get(&self.rows, key)?));
                    let read = self.keys().map(read).collect::<Result<Vec<_>>>()?;
                    Ok(read.into_iter().filter_map(|(key, value)| Some((key, value?))).collect())
                })?
            }
            0 | 1 => self.sessions.begin()?.rows(&self.rows, &all)?,
            2 => store.snapshot()?.prefix(&self.rows, "")?.collect::<Result<_>>()?,
            _ => self.rows.prefix("")?.collect::<Result<_>>()?,
        };
        let named = |(key, value): (Vec<u8>, bytes::Bytes)| {
            (String::from_utf8_lossy(&key).into_owned(), number(Some(&value)))
        };
        Ok(rows.into_iter().map(named).collect())
    }

    fn judge(&self, balances: &BTreeMap<String, i64>) -> Option<Broken> {
        let total: i64 = balances.values().sum();
        if total != total_of(self.options) {
            return Some(Broken::Total(total));
        }
        let balance = |account: &Account| balances.get(&account.key()).copied().unwrap_or(0);
        self.accounts().iter().find_map(|account| match account.partner() {
            None if balance(account) < 0 => Some(Broken::Account(balance(account))),
            Some(partner) if balance(account) + balance(&partner) < 0 => {
                Some(Broken::Owner(balance(account), balance(&partner)))
            }
            _ => None,
        })
    }
}

fn number(value: Option<&[u8]>) -> i64 {
    let number = value.and_then(|value| std::str::from_utf8(value).ok()?.parse().ok());
    number.unwrap_or_else(|| panic!("bank: an account is missing or has a value that was never written"))
}
