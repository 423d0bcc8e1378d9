//! That transactions of a store are strictly serializable: what is tried, and what judges it.
//!
//! Three ways to look, from the small to the large; each runs over the store of any engine, and panics with what it
//! found:
//!
//! * [`hermitage`]: each known anomaly by itself, as an interleaving that is the same every time, in one thread.
//! * [`bank`]: many threads move money. What nobody may ever see is easy to say: that some is lost, or that an owner
//!   is in debt.
//! * [`history`] and [`checker`]: many threads append to lists and read them. From what they saw the checker infers
//!   who must have come before whom, which may not be a circle. It knows nothing of how the store works.
//!
//! All of them speak to the store through [`Sessions`], which a [`Weakened`] store implements too: one that isolates
//! less than it should. With it the tests are tested.
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

/// What has to succeed for the test to mean anything.
#[track_caller]
fn sure<T>(result: Result<T>, what: &str) -> T {
    match result {
        Ok(value) => value,
        Err(error) => panic!("{what} must succeed: {}", error.one_line()),
    }
}
