//! The description of a broken backend, and fixtures that put a twist over a healthy backend.

use crate::fault::{Faults, FaultyEngine, FaultyOptions};
use crate::twist::{Twist, Twisted};
use crate::{Fixture, PretendBackend, PretendEngine};
use strongroom_core::{Backend, MemoryBackend, Undo};

/// A backend with one defect.
#[derive(Debug, Clone, Copy)]
pub struct Broken {
    /// Its defect.
    pub name: &'static str,
    /// The case that must fail.
    pub caught_by: &'static str,
    /// Creates a fixture for it.
    pub fixture: fn() -> Fixture,
}

/// The memory backend with a twist.
pub(super) fn on_memory<T: Twist + Default>() -> Fixture {
    Fixture::new(|_| Ok(Box::new(Twisted::new(Box::new(MemoryBackend::in_memory()), T::default()))))
}

/// A persistent backend with a twist.
pub(super) fn on_disk<T: Twist + Default>() -> Fixture {
    Fixture::new(|directory| {
        let inner = PretendBackend::new(directory)?;
        Ok(Box::new(Twisted::new(Box::new(inner), T::default())))
    })
}

/// A backend over an engine that fails on demand, with a twist.
pub(super) fn on_faults<T: Twist + Default>() -> Fixture {
    let faults = Faults::new();
    let switch = faults.clone();
    Fixture::new(move |directory| {
        let options = FaultyOptions::new(switch.clone());
        let inner = Backend::<Undo<FaultyEngine<PretendEngine>>>::open(directory, options)?;
        Ok(Box::new(Twisted::new(Box::new(inner), T::default())))
    })
    .with_faults(faults)
}
