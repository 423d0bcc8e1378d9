//! Tests that the transactions of a store are strictly serializable.
//!
//! There are three tests, from small to large. Each runs over the store on any engine, and panics with its findings:
//!
//! * [`hermitage`]: each known anomaly on its own, as a fixed interleaving in one thread.
//! * [`bank`]: many threads transfer money. No reader may ever see that money is lost or that an owner is in debt.
//! * [`history`] and [`checker`]: many threads append to lists and read them. From the reads the checker infers the
//!   order of transactions, which must have no cycle. It knows nothing about the store.
//!
//! All of them use the store through [`Sessions`], which a [`Weakened`] store also implements. It isolates less
//! than it should, to test the tests themselves.
//!
//! ```
//! use strongroom_core::{Durability, MemoryBackend};
//! use strongroom_store::{Store, StoreOptions};
//! use strongroom_testkit::isolation::{bank, checker, hermitage, history};
//!
//! # fn main() -> strongroom_core::Result<()> {
//! let options = StoreOptions::new().durability(Durability::Buffered);
//! let store = Store::new(MemoryBackend::in_memory(), options)?;
//! hermitage::all(&store);
//! bank::run(&store, &bank::BankOptions::new().transfers(200));
//! checker::assert_serializable(&history::record(&store, &history::HistoryOptions::new().transactions(200)));
//! # Ok(()) }
//! ```

pub mod bank;
pub mod checker;
pub mod hermitage;
pub mod history;
mod sessions;

pub use sessions::{Isolation, Session, Sessions, Weakened};

use strongroom_core::Result;

/// Unwraps a result that must succeed for the test to be meaningful.
#[track_caller]
fn sure<T>(result: Result<T>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what} must succeed: {}", error.one_line()),
    }
}
