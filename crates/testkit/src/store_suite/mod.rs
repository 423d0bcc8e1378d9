//! The conformance suite of the store: what is built once above the contract, as small cases that run on any engine.
//!
//! Each [`StoreCase`] shows a [`Feature`]. The cases of a feature are the proof that an engine has it: the table of
//! features in the project's documentation is made from a run of them, and a cell without a case that passed cannot be
//! made ([`FeatureTable`]).

mod atomics;
mod checks;
mod commits;
mod expiry;
mod fixture;
mod isolated;
mod list;
mod operations;
mod reading;
mod support;
mod table;
mod transactions;
mod watching;

pub use fixture::StoreFixture;
pub use table::{EngineRun, FeatureTable};

use crate::conformance::{Need, Outcome};
use std::fmt;

/// Something that the store offers on every engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Feature {
    /// One consistent state over all keyspaces.
    Snapshots,
    /// Scans from the last row to the first.
    ReverseScans,
    /// Batches over keyspaces, whole or not at all, with conditions.
    ConditionalBatches,
    /// Concurrent commits share a sync.
    GroupCommit,
    /// By value and by version, insertion and update.
    CompareAndSwap,
    /// Numbers that are added to inside the commit.
    Counters,
    /// Numbers that are never given out twice.
    GeneratedIds,
    /// Serializable, over keyspaces, keys and ranges.
    Transactions,
    /// What was committed, in order.
    Watch,
    /// Rows that are gone at their instant.
    TimeToLive,
    /// What is stored is what was written.
    Checksums,
    /// What should be there is there.
    MissingData,
    /// Copies that are made while readers and writers go on.
    HotBackup,
    /// One digest for the same contents on every engine.
    Digest,
    /// Figures.
    Statistics,
}

impl Feature {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 15] = [
        Self::Snapshots,
        Self::ReverseScans,
        Self::ConditionalBatches,
        Self::GroupCommit,
        Self::CompareAndSwap,
        Self::Counters,
        Self::GeneratedIds,
        Self::Transactions,
        Self::Watch,
        Self::TimeToLive,
        Self::Checksums,
        Self::MissingData,
        Self::HotBackup,
        Self::Digest,
        Self::Statistics,
    ];
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Snapshots => "snapshots over all keyspaces",
            Self::ReverseScans => "reverse scans",
            Self::ConditionalBatches => "conditional batches over keyspaces",
            Self::GroupCommit => "group commit",
            Self::CompareAndSwap => "compare-and-swap by value and version",
            Self::Counters => "counters",
            Self::GeneratedIds => "generated ids",
            Self::Transactions => "serializable transactions",
            Self::Watch => "watch",
            Self::TimeToLive => "time to live",
            Self::Checksums => "checksums on every read",
            Self::MissingData => "missing data is noticed",
            Self::HotBackup => "hot backup",
            Self::Digest => "one digest on every engine",
            Self::Statistics => "statistics",
        })
    }
}

/// One thing that has to hold of a store, as a test.
#[derive(Debug, Clone, Copy)]
pub struct StoreCase {
    /// What has to hold, in words joined by `_`; also the name of the test.
    pub name: &'static str,
    /// The feature that it shows.
    pub feature: Feature,
    /// What an engine has to offer for the case to mean something.
    pub needs: Option<Need>,
    /// Panics if it does not hold.
    pub run: fn(&StoreFixture),
}

/// Every case, in the order of the features.
pub const STORE_CASES: &[StoreCase] = list::CASES;

/// Runs one case on a fresh fixture.
///
/// # Panics
/// If it does not hold.
pub fn run_store_case(case: &StoreCase, fixture: &StoreFixture) -> Outcome {
    if let Some(reason) = case.needs.and_then(|need| fixture.lacks(need)) {
        eprintln!("SKIPPED {}: {reason}", case.name);
        return Outcome::Skipped(reason);
    }
    (case.run)(fixture);
    Outcome::Passed
}

/// The case of this name.
///
/// # Panics
/// If there is none.
pub fn store_case(name: &str) -> &'static StoreCase {
    match STORE_CASES.iter().find(|case| case.name == name) {
        Some(case) => case,
        None => panic!("there is no case {name:?} of the store"),
    }
}

/// Gives an engine the whole suite of the store: a module with one test for each of [`STORE_CASES`].
///
/// ```
/// use strongroom_testkit::StoreFixture;
///
/// // For an adapter of your own: StoreFixture::of::<YourEngine>()
/// strongroom_testkit::store_conformance!(memory, StoreFixture::memory());
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! store_conformance {
    ($module:ident, $fixture:expr $(,)?) => {
        #[cfg(test)]
        mod $module {
            #[allow(unused_imports, clippy::wildcard_imports)] // The expression's names come from there.
            use super::*;

            fn store_fixture() -> $crate::StoreFixture {
                $fixture
            }

            $crate::__each_store_case! { __store_tests }
        }
    };
}

/// Makes a test of each case. Not for use by itself.
#[doc(hidden)]
#[macro_export]
macro_rules! __store_tests {
    ($($group:ident :: $name:ident ($feature:ident $(, $need:ident)?);)*) => {
        $(
            #[test]
            fn $name() {
                $crate::run_store_case($crate::store_case(stringify!($name)), &store_fixture());
            }
        )*
    };
}
