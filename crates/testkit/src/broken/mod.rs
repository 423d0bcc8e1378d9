//! Backends that are broken on purpose, so that the suite can be tested: each names the case that
//! catches it, and a suite that lets one pass is broken itself.
//!
//! They are the errors that layers like this one have had: those of the peers that `docs/` tells of, and
//! those that are easily made. Each is a few lines over a healthy backend, by way of [`Twist`].

mod batches;
mod cursors;
mod keyspaces;
mod operations;
mod persistence;
mod reading;
mod snapshots;
mod twist;

pub use twist::{CursorTwist, Twist, Twisted, TwistedCursor, View};

use crate::fault::{Faults, FaultyEngine, FaultyOptions};
use crate::{Fixture, PretendBackend, PretendEngine};
use strongroom_core::{Backend, MemoryBackend, Undo};

/// A broken backend.
#[derive(Debug, Clone, Copy)]
pub struct Broken {
    /// What is wrong with it.
    pub name: &'static str,
    /// The case that must fail.
    pub caught_by: &'static str,
    /// Makes a fixture for it.
    pub fixture: fn() -> Fixture,
}

/// All of them.
pub fn all() -> Vec<Broken> {
    [
        reading::ALL,
        cursors::ALL,
        batches::ALL,
        snapshots::ALL,
        keyspaces::ALL,
        persistence::ALL,
        operations::ALL,
    ]
    .concat()
}

/// The memory backend with a twist.
fn on_memory<T: Twist + Default>() -> Fixture {
    Fixture::new(|_| Ok(Box::new(Twisted::new(Box::new(MemoryBackend::in_memory()), T::default()))))
}

/// A persistent backend with a twist.
fn on_disk<T: Twist + Default>() -> Fixture {
    Fixture::new(|directory| {
        let inner = PretendBackend::new(directory)?;
        Ok(Box::new(Twisted::new(Box::new(inner), T::default())))
    })
}

/// A backend over an engine that fails on demand, with a twist.
fn on_faults<T: Twist + Default>() -> Fixture {
    let faults = Faults::new();
    let switch = faults.clone();
    Fixture::new(move |directory| {
        let options = FaultyOptions::new(switch.clone());
        let inner = Backend::<Undo<FaultyEngine<PretendEngine>>>::open(directory, options)?;
        Ok(Box::new(Twisted::new(Box::new(inner), T::default())))
    })
    .with_faults(faults)
}
