//! Conformance suite, model, mirror and fault backends for any Strongroom backend.
//!
//! A backend is correct if it keeps the contract, which this suite checks. To test your own backend, add this crate
//! to its `dev-dependencies` and write in `tests/conformance.rs`:
//!
//! ```
//! use strongroom_core::MemoryBackend; // your backend
//!
//! strongroom_testkit::conformance!(conformance, |_directory| Ok(Box::new(MemoryBackend::in_memory())));
//! # fn main() {}
//! ```
//!
//! This defines a module with one test for each of [`CASES`]. A case for a capability that the backend does not
//! declare is skipped and reported as such, and the backend must return `Unsupported`. Each assertion cites the
//! number of its property ([`property_title`]).
//!
//! The tools of the suite can be used separately:
//!
//! * [`model`]: random histories compared with a `BTreeMap`, repeatable by their seed.
//! * [`Mirror`]: runs two backends in parallel and panics at the first difference.
//! * [`fault`]: backends and engines whose calls fail on demand, and a driver that fails each call in turn.
//! * [`history`]: a seeded history that must end with the same digest on every engine.
//! * [`golden`]: comparison of tables and other output with files in the repository.
//! * [`isolation`]: tests of strict serializability: known anomalies, a bank and a checker of histories.
//! * [`pretend`]: a minimal persistent backend, a fake to test the layers above.
//! * [`packed`]: any backend with all keyspaces in shared tables, to run the suite over those too.
//! * [`twist`]: a backend that forwards to another one, with a few methods changed.
//! * `broken` (with the feature of that name): backends that are broken on purpose, to test the suite itself.
//!
//! An engine with its own fault hook can also run the cases about failing engines: pass its [`Faults`](fault::Faults)
//! to [`Fixture::with_faults`], and use the second form of [`conformance!`].
//!
//! The suite cannot show that a commit survives a power cut, or that the backend is fast.

// Tests fail by panicking, so `# Panics` on every function would be noise.
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
