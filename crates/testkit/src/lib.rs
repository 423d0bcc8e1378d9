//! Conformance suite, model, mirror and fault backends for any Strongroom backend.
//!
//! A backend is right when it keeps the contract, and the contract is what this suite runs. To test a
//! backend of your own, add this crate to its `dev-dependencies` and write, in `tests/conformance.rs`:
//!
//! ```
//! use strongroom_core::MemoryBackend; // yours
//!
//! strongroom_testkit::conformance!(conformance, |_directory| Ok(Box::new(MemoryBackend::in_memory())));
//! # fn main() {}
//! ```
//!
//! That is a module with one test for each of [`CASES`]. What the backend does not declare is skipped,
//! with a line that says so, and must answer `Unsupported`.

// Tests fail by panicking: that is this crate's purpose, and `# Panics` on every function would say nothing.
#![allow(clippy::panic, clippy::missing_panics_doc)]

mod batches;
pub mod broken;
pub mod conformance;
pub mod fault;
mod fixture;
pub mod golden;
pub mod history;
pub mod mirror;
pub mod model;
pub mod pretend;
mod random;

pub use conformance::{CASES, Case, Need, Outcome, case, property_title, run_case};
pub use fixture::{Factory, Fixture};
pub use golden::{assert_golden, capability_table};
pub use history::{HISTORY_DIGEST, HISTORY_SEED, HISTORY_STEPS, digest_of, run_history};
pub use mirror::Mirror;
pub use pretend::{PretendBackend, PretendEngine};
