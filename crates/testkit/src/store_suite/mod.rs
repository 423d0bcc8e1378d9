//! The conformance suite of the store: its features over the contract, as small cases that run on any engine.
//!
//! Each [`StoreCase`] proves a [`Feature`]. The feature table in the project's documentation is generated from a
//! run of the cases, and a cell without a passed case is an error ([`FeatureTable`]).

mod atomics;
mod case;
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

pub use case::{Feature, StoreCase};
pub use fixture::StoreFixture;
pub use table::{EngineRun, FeatureTable};

use crate::conformance::Outcome;

/// All cases, in the order of the features.
pub const STORE_CASES: &[StoreCase] = list::CASES;

/// Runs one case on a fresh fixture.
///
/// # Panics
/// If the property does not hold.
pub fn run_store_case(case: &StoreCase, fixture: &StoreFixture) -> Outcome {
    if let Some(reason) = case.needs.and_then(|need| fixture.lacks(need)) {
        eprintln!("SKIPPED {}: {reason}", case.name);
        return Outcome::Skipped(reason);
    }
    (case.run)(fixture);
    Outcome::Passed
}

/// Returns the case of this name.
///
/// # Panics
/// If no case has this name.
pub fn store_case(name: &str) -> &'static StoreCase {
    match STORE_CASES.iter().find(|case| case.name == name) {
        Some(case) => case,
        None => panic!("unknown case {name:?} of the store"),
    }
}

/// Defines a module that runs the store's suite on an engine, one test for each of [`STORE_CASES`].
///
/// ```
/// use strongroom_testkit::StoreFixture;
///
/// // For your own adapter: StoreFixture::of::<YourEngine>()
/// strongroom_testkit::store_conformance!(memory, StoreFixture::memory());
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! store_conformance {
    ($module:ident, $fixture:expr $(,)?) => {
        #[cfg(test)]
        mod $module {
            #[allow(unused_imports, clippy::wildcard_imports)] // For the names in the expression.
            use super::*;

            fn store_fixture() -> $crate::StoreFixture {
                $fixture
            }

            $crate::__each_store_case! { __store_tests }
        }
    };
}

/// Creates a test for each case. Not for direct use.
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
