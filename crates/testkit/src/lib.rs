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
//! with a line that says so, and must answer `Unsupported`. An assertion cites the number of the property
//! that it guards ([`property_title`]).
//!
//! The tools that the suite is made of can be used by themselves:
//!
//! * [`model`]: random histories against a `BTreeMap`, replayable by their seed.
//! * [`Mirror`]: two backends side by side; it panics at the first difference.
//! * [`fault`]: backends and engines whose calls fail on demand, and a driver that makes each fail in turn.
//! * [`history`]: one seeded history that must end in the same digest on every engine.
//! * [`golden`]: tables and outputs compared with files in the repository.
//! * [`isolation`]: anomalies, a bank and a checker of histories: what shows that transactions are serializable.
//! * [`pretend`]: a persistent backend that is as simple as can be, for tests of what is above.
//! * [`packed`]: any backend with all keyspaces in shared tables, so that the suite runs over those too.
//! * [`twist`]: a backend that does what the one inside does, but for what a few methods change.
//! * `broken` (with the feature of that name): backends that are broken on purpose, with which the suite itself is
//!   tested.
//!
//! An engine with a fault hook of its own runs the cases about failing engines too: give its
//! [`Faults`](fault::Faults) to [`Fixture::with_faults`], and use the second form of [`conformance!`].
//!
//! What the suite cannot show: that a commit survives the loss of power, and that it is fast.

// Tests fail by panicking: that is this crate's purpose, and `# Panics` on every function would say nothing.
#![allow(clippy::panic, clippy::missing_panics_doc)]

mod batches;
#[cfg(feature = "broken")]
pub mod broken;
pub mod conformance;
pub mod fault;
mod fixture;
pub mod golden;
pub mod history;
pub mod isolation;
pub mod mirror;
pub mod model;
mod packed;
pub mod pretend;
mod random;
mod store_suite;
mod support;
pub mod twist;

pub use conformance::{CASES, Case, Need, Outcome, case, property_title, run_case};
pub use fixture::{Factory, Fixture};
pub use golden::{assert_golden, capability_table};
pub use history::{HISTORY_DIGEST, HISTORY_SEED, HISTORY_STEPS, digest_of, run_history};
pub use mirror::Mirror;
pub use packed::packed;
pub use pretend::{PretendBackend, PretendEngine};
pub use store_suite::{
    EngineRun, Feature, FeatureTable, STORE_CASES, StoreCase, StoreFixture, run_store_case, store_case,
};
