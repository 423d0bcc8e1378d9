//! The conformance suite of the store: what is built once above the contract, as small cases that run on any engine.
//!
//! Each [`StoreCase`] shows a [`Feature`]. The cases of a feature are the proof that an engine has it: the table of
//! features in the project's documentation is made from a run of them, and a cell without a case that passed cannot be
//! made ([`FeatureTable`]).

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
