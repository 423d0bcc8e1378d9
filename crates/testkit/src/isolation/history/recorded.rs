//! The data of a recorded history.

/// The key of a list.
pub type Key = u32;

/// An appended element, unique within its list.
pub type Element = u64;

/// An operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// An append of an element.
    Append(Key, Element),
    /// A read of a whole list, including the transaction's own appends.
    Read(Key, Vec<Element>),
}

/// The outcome of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The commit was acknowledged.
    Committed,
    /// It was refused, rolled back or failed: none of its appends may be visible.
    Aborted,
    /// It may or may not be committed.
    Unknown,
}

/// A transaction as its thread saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its operations in order, without failed ones.
    pub operations: Vec<Operation>,
    /// Its outcome.
    pub outcome: Outcome,
    /// When it began, in ticks of a clock shared by all threads.
    pub invoked: u64,
    /// When its outcome was known. Transactions that begin later must see its appends.
    pub completed: u64,
}

/// All transactions, in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// The transactions, identified by their index.
    pub transactions: Vec<Recorded>,
}

/// The size of a history.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HistoryOptions {
    /// Threads that run transactions.
    pub threads: u32,
    /// Threads that append without transactions, to the same lists and to their own.
    pub hammers: u32,
    /// Lists in use at a time. New lists replace old ones, so that some never exist yet. Fewer lists cause more
    /// conflicts.
    pub lists: u32,
    /// Transactions of all threads together, without the appends of `hammers`.
    pub transactions: u32,
    /// Seed of the operations. The interleaving of the threads does not depend on it.
    pub seed: u64,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self { threads: 6, hammers: 2, lists: 12, transactions: 1_500, seed: 1 }
    }
}

impl HistoryOptions {
    /// Creates the default options: 1,500 transactions on 6 threads, and 2 threads that append without transactions.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the number of threads that run transactions.
    #[must_use]
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the number of threads that append without transactions.
    #[must_use]
    pub fn hammers(mut self, hammers: u32) -> Self {
        self.hammers = hammers;
        self
    }

    /// Sets the number of transactions.
    #[must_use]
    pub fn transactions(mut self, transactions: u32) -> Self {
        self.transactions = transactions;
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}
