//! Transactions as closures, which are run again when others came first.

use super::{Transaction, TransactionOptions};
use crate::api::store::Store;
use std::cell::RefCell;
use std::time::Duration;
use strongroom_core::{Error, ErrorKind, Result};

/// The longest pause between two attempts.
const PAUSE_MAX: Duration = Duration::from_millis(50);

thread_local! {
    /// The stores in whose closures this thread is.
    static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

impl Store {
    /// Runs `work` in a transaction and commits what it wrote; if another commit has changed what it read, it is run
    /// again, after a pause that grows, at most [`TRANSACTION_ATTEMPTS_MAX`](super::TRANSACTION_ATTEMPTS_MAX) times. An
    /// error that it returns ends the transaction, and nothing is written.
    ///
    /// ```
    /// # use strongroom_core::{Durability, MemoryBackend};
    /// # use strongroom_store::{Store, StoreOptions};
    /// # fn main() -> strongroom_core::Result<()> {
    /// # let store = Store::new(MemoryBackend::in_memory(), StoreOptions::new().durability(Durability::Buffered))?;
    /// let seats = store.create_keyspace("seats")?;
    /// let is_booked = store.transaction(|transaction| {
    ///     let is_free = transaction.prefix(&seats, "row 7/")?.count() < 4;
    ///     if is_free {
    ///         transaction.set(&seats, "row 7/ada", "")?;
    ///     }
    ///     Ok(is_free)
    /// })?;
    /// assert!(is_booked);
    /// # Ok(()) }
    /// ```
    ///
    /// `work` may run several times, so whatever it does outside the transaction has to bear that. Writes to the store
    /// that do not go through the transaction are commits of their own.
    ///
    /// [`Conflict`](ErrorKind::Conflict): others came first each time.
    /// [`InvalidInput`](ErrorKind::InvalidInput): inside another transaction of this store; use that one.
    /// [`SnapshotExpired`](ErrorKind::SnapshotExpired): it took longer than old values are kept on this engine.
    pub fn transaction<T>(&self, work: impl FnMut(&mut Transaction) -> Result<T>) -> Result<T> {
        self.transaction_with(&TransactionOptions::default(), work)
    }

    /// As [`transaction`](Self::transaction), with options.
    pub fn transaction_with<T>(
        &self,
        options: &TransactionOptions,
        mut work: impl FnMut(&mut Transaction) -> Result<T>,
    ) -> Result<T> {
        let attempts_max = options.attempts_max.max(1);
        let mut attempt = 1;
        loop {
            let error = match self.attempt(options, &mut work)? {
                Ok(value) => return Ok(value),
                Err(conflict) => conflict,
            };
            if attempt >= attempts_max {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    format!("others came first in all of {attempts_max} attempts"),
                )
                .caused_by(error)
                .hint("do less in the transaction, or try again later")
                .at(self.engine().name, "transaction"));
            }
            std::thread::sleep(pause(attempt));
            attempt += 1;
        }
    }

    /// The inner error is a conflict of the commit, after which it may be run again. One that the closure returns ends it.
    fn attempt<T>(
        &self,
        options: &TransactionOptions,
        work: &mut impl FnMut(&mut Transaction) -> Result<T>,
    ) -> Result<Result<T>> {
        let mut transaction = self.begin_with(options)?;
        let value = {
            let _inside = Inside::enter(self.base().instance);
            work(&mut transaction)?
        };
        match transaction.commit() {
            Ok(_) => Ok(Ok(value)),
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(Err(error)),
            Err(error) => Err(error),
        }
    }
}

/// In a closure that is inside another one, the inner would not see what the outer has written, and the outer would
/// conflict with the inner, each time.
pub(super) fn refuse_nested(store: u64) -> Result<()> {
    if INSIDE.with_borrow(|inside| inside.contains(&store)) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "a transaction inside another one of the same store",
        )
        .hint("hand the outer transaction on, and use it"));
    }
    Ok(())
}

/// This thread is in a closure as long as this is held, whatever ends it.
struct Inside;

impl Inside {
    fn enter(store: u64) -> Self {
        INSIDE.with_borrow_mut(|inside| inside.push(store));
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(Vec::pop);
    }
}

/// Nothing at first: who came first is through by then. Then twice as long each time, and by chance shorter, so that
/// two that met do not meet again.
pub(crate) fn pause(attempt: u32) -> Duration {
    if attempt == 1 {
        return Duration::ZERO;
    }
    let longest = Duration::from_micros(50).saturating_mul(1 << attempt.min(12)).min(PAUSE_MAX);
    longest.mul_f64(fraction())
}

/// From 0 to 1, by chance. That it is no secret does not matter.
fn fraction() -> f64 {
    use std::hash::{BuildHasher as _, RandomState};
    let random = RandomState::new().hash_one(0);
    f64::from(u32::try_from(random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
}
