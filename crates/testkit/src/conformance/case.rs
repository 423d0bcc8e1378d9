//! A conformance case: one property of the contract as a test.

use crate::Fixture;

/// One property of the contract as a test.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// The property in words joined by `_`; also the name of the test.
    pub name: &'static str,
    /// The number of the property in the contract (see [`property_title`](super::property_title)).
    pub property: u8,
    /// What the backend or its fixture must offer; the case is skipped otherwise.
    pub needs: Option<Need>,
    /// Panics if the property does not hold.
    pub run: fn(&Fixture),
}

/// A requirement of a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need {
    /// The capability `persistent`.
    Persistent,
    /// The capability `power_safe`.
    PowerSafe,
    /// The capability `checkpoint`.
    Checkpoint,
    /// A fixture with [`Faults`](crate::fault::Faults).
    Faults,
}

/// The outcome of a case that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The property holds.
    Passed,
    /// The case was not run, for this reason.
    Skipped(&'static str),
}

impl Need {
    /// Returns why a case with this need cannot run on `fixture`, if so.
    pub(super) fn lacking_in(self, fixture: &Fixture) -> Option<&'static str> {
        let (met, reason) = match self {
            Self::Persistent => (fixture.capabilities().persistent, "the backend is not persistent"),
            Self::PowerSafe => {
                (fixture.capabilities().power_safe, "the backend does not claim power-safe commits")
            }
            Self::Checkpoint => {
                (fixture.capabilities().checkpoint, "the backend does not declare checkpoints")
            }
            Self::Faults => (fixture.faults().is_some(), "the fixture cannot inject faults"),
        };
        (!met).then_some(reason)
    }
}
