//! A case: one property of the contract, as a test.

use crate::Fixture;

/// One property of the contract, as a test.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    /// What has to hold, in words joined by `_`; also the name of the test.
    pub name: &'static str,
    /// The number of the property in the contract (see [`property_title`](super::property_title)).
    pub property: u8,
    /// What a backend has to offer for the case to mean something.
    pub needs: Option<Need>,
    /// Panics if the property does not hold.
    pub run: fn(&Fixture),
}

/// What a backend or its fixture may lack.
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

/// What came of a case that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The property holds.
    Passed,
    /// Not run, because of what is lacking.
    Skipped(&'static str),
}

impl Need {
    /// Why a case cannot run on `fixture`, if it cannot.
    pub(super) fn lacking_in(self, fixture: &Fixture) -> Option<&'static str> {
        let (met, reason) = match self {
            Self::Persistent => (fixture.capabilities().persistent, "the backend is not persistent"),
            Self::PowerSafe => (fixture.capabilities().power_safe, "the backend claims no power-safe commit"),
            Self::Checkpoint => (fixture.capabilities().checkpoint, "the backend declares no checkpoint"),
            Self::Faults => (fixture.faults().is_some(), "the fixture has no faults to inject"),
        };
        (!met).then_some(reason)
    }
}
