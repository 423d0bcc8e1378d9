//! Options of a transaction.

use strongroom_core::Durability;

/// Default of how often [`Store::transaction`](crate::Store::transaction) runs its closure at most.
pub const TRANSACTION_ATTEMPTS_MAX: u32 = 100;

/// Options of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionOptions {
    /// Durability of the commit. None means the store's default.
    pub durability: Option<Durability>,
    /// The transaction only reads: writes are refused, and no read set is recorded.
    pub read_only: bool,
    /// Maximum number of times that a closure is run, if other commits come first.
    pub attempts_max: u32,
}

impl Default for TransactionOptions {
    fn default() -> Self {
        Self { durability: None, read_only: false, attempts_max: TRANSACTION_ATTEMPTS_MAX }
    }
}

impl TransactionOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the durability of the commit.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Sets whether the transaction only reads.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Sets the maximum number of times that a closure is run (at least once).
    #[must_use]
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }
}
