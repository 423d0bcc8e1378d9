//! Transactions as closures, which are run again after a conflict.

use super::handle::Transaction;
use super::nesting::Inside;
use super::options::TransactionOptions;
use crate::api::retry::pause;
use crate::api::store::Store;
use crate::sync::thread;
use strongroom_core::{Error, ErrorKind, Result};

impl Store {
    /// Runs `work` in a transaction and commits what it wrote. If another commit has changed what it read, `work`
    /// is run again after a growing pause, at most [`TRANSACTION_ATTEMPTS_MAX`](crate::TRANSACTION_ATTEMPTS_MAX)
    /// times in all. An error that it returns ends the transaction, and nothing is written.
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
    /// `work` may run several times, so its effects outside the transaction have to tolerate that. Writes to the
    /// store that do not go through the transaction are commits of their own.
    ///
    /// [`Conflict`](ErrorKind::Conflict): another commit came first each time.
    /// [`InvalidInput`](ErrorKind::InvalidInput): called inside another transaction of this store. Use that one.
    /// [`SnapshotExpired`](ErrorKind::SnapshotExpired): it took longer than this engine keeps old values.
    #[track_caller]
    pub fn transaction<T>(&self, work: impl FnMut(&mut Transaction) -> Result<T>) -> Result<T> {
        self.transaction_with(&TransactionOptions::default(), work)
    }

    /// As [`transaction`](Self::transaction), with options.
    #[track_caller]
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
                    format!("another commit came first in each of {attempts_max} attempts"),
                )
                .caused_by(error)
                .hint("do less in the transaction, or try again later")
                .at(self.engine().name, "transaction"));
            }
            thread::sleep(pause(attempt));
            attempt += 1;
        }
    }

    /// The inner error is a conflict of the commit, which is retried. The outer error ends the transaction, even
    /// if it is a conflict that the closure returned.
    #[track_caller]
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
