//! How a transaction behaves.

use strongroom_core::Durability;

/// How often [`Store::transaction`](crate::Store::transaction) runs its closure at most, unless told otherwise.
pub const TRANSACTION_ATTEMPTS_MAX: u32 = 100;

/// How a transaction behaves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TransactionOptions {
    /// Durability of its commit; the store's default if none.
    pub durability: Option<Durability>,
    /// It only reads: writing is refused, and nothing is remembered of what it reads.
    pub read_only: bool,
    /// How often a closure is run at most, when others come first.
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

    /// Sets the durability of its commit.
    #[must_use]
    pub fn durability(mut self, durability: Durability) -> Self {
        self.durability = Some(durability);
        self
    }

    /// Sets whether it only reads.
    #[must_use]
    pub fn read_only(mut self, read_only: bool) -> Self {
        self.read_only = read_only;
        self
    }

    /// Sets how often a closure is run at most (at least once).
    #[must_use]
    pub fn attempts_max(mut self, attempts: u32) -> Self {
        self.attempts_max = attempts;
        self
    }
}
