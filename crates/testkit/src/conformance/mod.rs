//! The conformance suite: every property of the contract as small cases that run on any backend.
//!
//! A [`Case`] is a function over a [`Fixture`]. Both [`CASES`] and the tests of
//! [`conformance!`](crate::conformance!) come from one list (`list.rs`), so neither can lack a case of the other. A
//! case whose needs a backend does not declare is skipped and reported as such. A separate case checks that the
//! backend then returns `Unsupported`.

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

/// All cases, grouped by topic.
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

/// Returns the case of this name.
///
/// # Panics
/// If no case has this name.
pub fn case(name: &str) -> &'static Case {
    match CASES.iter().find(|case| case.name == name) {
        Some(case) => case,
        None => panic!("unknown conformance case {name:?}"),
    }
}

/// Returns the title of a property of the contract, by the number that cases and their messages cite.
pub const fn property_title(property: u8) -> &'static str {
    match property {
        1 => "chosen at run time",
        2 => "synchronous, Send + Sync",
        3 => "no hidden copies",
        4 => "bytes in order",
        5 => "cursors",
        6 => "atomic batches",
        7 => "snapshots",
        8 => "durability per commit",
        9 => "operations",
        10 => "capabilities",
        11 => "errors",
        _ => "no such property",
    }
}

/// Defines a module that tests a backend with the whole suite, one test for each of [`CASES`].
///
/// The factory opens the backend in the given directory, and creates it if it does not exist:
///
/// ```
/// use strongroom_core::MemoryBackend;
///
/// strongroom_testkit::conformance!(memory, |_directory| Ok(Box::new(MemoryBackend::in_memory())));
/// # fn main() {}
/// ```
///
/// With a custom fixture, evaluated for every case, for example to add faults:
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
            #[allow(unused_imports, clippy::wildcard_imports)] // For the names in the expression.
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

/// Creates a test for each case. Not for direct use.
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
