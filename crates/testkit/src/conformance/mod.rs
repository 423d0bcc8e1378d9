//! The conformance suite: every property of the contract as small cases that run on any backend.
//!
//! A [`Case`] is a function over a [`Fixture`]. The list is written once (`list.rs`), and both
//! [`CASES`] and the tests that [`conformance!`](crate::conformance!) makes come from it, so neither can
//! lack a case of the other. A case that needs what a backend does not declare is skipped and says so;
//! that the backend then answers `Unsupported` is a case of its own.

mod batches;
mod case;
mod concurrency;
mod delete_range;
mod durability;
mod faults;
mod freshness;
mod histories;
mod keyspaces;
mod limits;
mod list;
mod many_keyspaces;
mod operations;
mod reading;
mod scanning;
mod seeking;
mod snapshots;
mod tokens;
mod visiting;

pub use case::{Case, Need, Outcome};

use crate::Fixture;

/// Every case, in the order of the properties they belong to.
pub const CASES: &[Case] = list::CASES;

/// Runs one case on a fresh fixture.
///
/// # Panics
/// If the property does not hold.
pub fn run_case(case: &Case, fixture: &Fixture) -> Outcome {
    if let Some(reason) = case.needs.and_then(|need| need.lacking_in(fixture)) {
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
pub fn case(name: &str) -> &'static Case {
    match CASES.iter().find(|case| case.name == name) {
        Some(case) => case,
        None => panic!("there is no conformance case {name:?}"),
    }
}

/// The contract's properties by number, as the cases and their messages cite them.
pub const fn property_title(property: u8) -> &'static str {
    match property {
        1 => "chosen at run time",
        2 => "synchronous, Send + Sync",
        3 => "no hidden copies",
        4 => "bytes in order",
        5 => "cursors",
        6 => "atomic batches",
        7 => "snapshots",
        8 => "durability is said per commit",
        9 => "operations",
        10 => "capabilities",
        11 => "errors",
        _ => "no such property",
    }
}

/// Gives a backend the whole suite: a module with one test for each of [`CASES`].
///
/// The factory opens the backend in the directory it is given, and creates what is not there:
///
/// ```
/// use strongroom_core::MemoryBackend;
///
/// strongroom_testkit::conformance!(memory, |_directory| Ok(Box::new(MemoryBackend::in_memory())));
/// # fn main() {}
/// ```
///
/// With a fixture of one's own (evaluated anew for every case), to add faults:
///
/// ```
/// use strongroom_core::{Backend, MemoryEngine, Undo};
/// use strongroom_testkit::{Fixture, fault::{Faults, FaultyEngine, FaultyOptions}};
///
/// fn fixture() -> Fixture {
///     let faults = Faults::new();
///     let switch = faults.clone();
///     Fixture::new(move |directory| {
///         let options = FaultyOptions::new(switch.clone());
///         Ok(Box::new(Backend::<Undo<FaultyEngine<MemoryEngine>>>::open(directory, options)?))
///     })
///     .with_faults(faults)
/// }
/// strongroom_testkit::conformance!(memory_with_faults, fixture = fixture());
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! conformance {
    ($module:ident, fixture = $fixture:expr $(,)?) => {
        #[cfg(test)]
        mod $module {
            #[allow(unused_imports, clippy::wildcard_imports)] // The expression's names come from there.
            use super::*;

            fn conformance_fixture() -> $crate::Fixture {
                $fixture
            }

            $crate::__each_conformance_case! { __conformance_tests }
        }
    };
    ($module:ident, $factory:expr $(,)?) => {
        $crate::conformance!($module, fixture = $crate::Fixture::new($factory));
    };
}

/// Makes a test of each case. Not for use by itself.
#[doc(hidden)]
#[macro_export]
macro_rules! __conformance_tests {
    ($($group:ident :: $name:ident ($property:literal $(, $need:ident)?);)*) => {
        $(
            #[test]
            fn $name() {
                $crate::run_case($crate::case(stringify!($name)), &conformance_fixture());
            }
        )*
    };
}
