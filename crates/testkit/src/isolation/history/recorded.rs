//! What a history says.

/// A list's key.
pub type Key = u32;

/// What is appended: a number that no other append of the same list has.
pub type Element = u64;

/// Something that a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// It appended an element.
    Append(Key, Element),
    /// It read a whole list, with what it had itself appended.
    Read(Key, Vec<Element>),
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was acknowledged.
    Committed,
    /// It was refused, rolled back, or has failed: nothing of it may be there.
    Aborted,
    /// Nobody knows whether it was committed.
    Unknown,
}

/// A transaction as its thread saw it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What it did, in order; what failed is not in it.
    pub operations: Vec<Operation>,
    /// What became of it.
    pub outcome: Outcome,
    /// When it began, in ticks of one clock for all threads.
    pub invoked: u64,
    /// When its end was known. Of one that ended before another began, the other sees all.
    pub completed: u64,
}

/// All transactions, in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History {
    /// Each transaction, known from now on by its place here.
    pub transactions: Vec<Recorded>,
}

/// How a history is made.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HistoryOptions {
    /// Threads with transactions.
    pub threads: u32,
    /// Threads that append without transactions meanwhile, to the same lists and to some of their own.
    pub hammers: u32,
    /// Lists that transactions append to at a time: others take their place, so that there are always some that are
    /// not there yet. The fewer, the more conflicts.
    pub lists: u32,
    /// Transactions of all threads together, without those that only hammer.
    pub transactions: u32,
    /// What each transaction does. When the threads take turns, no seed decides.
    pub seed: u64,
}

impl Default for HistoryOptions {
    fn default() -> Self {
        Self { threads: 6, hammers: 2, lists: 12, transactions: 1_500, seed: 1 }
    }
}

impl HistoryOptions {
    /// The defaults: 1,500 transactions on 6 threads, and 2 threads that are in their way.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many threads have transactions.
    #[must_use]
    pub fn threads(mut self, threads: u32) -> Self {
        self.threads = threads;
        self
    }

    /// Sets how many threads append without transactions.
    #[must_use]
    pub fn hammers(mut self, hammers: u32) -> Self {
        self.hammers = hammers;
        self
    }

    /// Sets how many transactions there are.
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
