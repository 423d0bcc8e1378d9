//! Transactions: serializable on every engine, without locks.
//!
//! A transaction reads one snapshot and remembers what it has read; what it writes stays with it. When it is committed,
//! it goes through the pipeline as one batch, and the leader looks whether any commit since its beginning has written
//! what it has read, single keys and ranges alike. If so it gets a [`Conflict`](ErrorKind::Conflict) and nothing is
//! written; otherwise it might as well have run as a whole at the moment of its commit. This is optimistic concurrency
//! control with backward validation (Kung and Robinson, "On Optimistic Methods for Concurrency Control", 1981); that
//! ranges are checked like keys is what refuses phantoms.
//!
//! So nothing waits while a transaction is open: neither readers nor writers, nor other transactions. One that only
//! reads is never checked, since its snapshot is a state that was there.

mod closure;
mod handle;
mod nesting;
mod options;
mod rows;
mod writes;

pub use handle::Transaction;
pub use options::{TRANSACTION_ATTEMPTS_MAX, TransactionOptions};
pub use rows::TransactionRows;
