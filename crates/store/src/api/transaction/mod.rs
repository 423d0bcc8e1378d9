//! Transactions: serializable on every engine, without locks.
//!
//! A transaction reads one snapshot and records its read set: keys, and ranges with the gaps in them. Its writes
//! stay with it until it is committed. The commit goes through the pipeline as one batch, and the leader checks
//! whether any commit since the transaction's start wrote to the read set. If so, the transaction gets a
//! [`Conflict`](strongroom_core::ErrorKind::Conflict) and nothing is written. Otherwise it has the same effect as
//! if it had run as a whole at the time of its commit.
//!
//! In the picture time runs to the right. `T1` and `T2` begin after commit 7, `T3` after commit 8.
//!
//! ```text
//!        commit 7              commit 8: a=1              commit 9: d=1
//!           |                       |                          |
//!   T1      |--- read a, set b -----|-------- commit           |       conflict: commit 8 wrote `a`
//!   T2      |--- read c, set d -----|--------------------------|       becomes commit 9: `c` was not written
//!   T3                              |--- read a, read d -------|---    sees a=1 and no `d`, is never validated
//! ```
//!
//! This is optimistic concurrency control with backward validation (Kung and Robinson, "On Optimistic Methods for
//! Concurrency Control", 1981). Ranges are validated like keys, which refuses phantoms.
//!
//! Nothing waits while a transaction is open: neither readers nor writers, nor other transactions. A transaction
//! that only reads is never validated, since its snapshot is a state that existed.

mod closure;
mod handle;
mod nesting;
mod options;
mod rows;
mod writes;

pub use handle::Transaction;
pub use options::{TRANSACTION_ATTEMPTS_MAX, TransactionOptions};
pub use rows::TransactionRows;
