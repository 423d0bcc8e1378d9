//! The state that the threads of the socket share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use strongroom_core::{Error, ErrorKind, Result};
use strongroom_store::{Store, WeakStore};

/// Fewer than connections, so that a short request for figures finds a place beside long watches.
const WATCHES_MAX: usize = 12;

/// The state of one socket.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Weak, so that the socket does not keep the store open.
    pub(crate) store: WeakStore,
    is_ending: AtomicBool,
    watches: AtomicUsize,
}

impl Shared {
    pub(crate) fn of(store: &Store) -> Self {
        Self { store: store.downgrade(), is_ending: AtomicBool::new(false), watches: AtomicUsize::new(0) }
    }

    /// Tells all threads to end.
    pub(crate) fn end(&self) {
        self.is_ending.store(true, Ordering::Release);
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// Takes one of the places for watches until the guard is dropped.
    pub(crate) fn watch_place(&self) -> Result<WatchPlace<'_>> {
        let place = WatchPlace { watches: &self.watches };
        if self.watches.fetch_add(1, Ordering::AcqRel) < WATCHES_MAX {
            return Ok(place);
        }
        Err(full(&format!("{WATCHES_MAX} clients watch this store already")))
    }
}

pub(crate) struct WatchPlace<'s> {
    watches: &'s AtomicUsize,
}

impl Drop for WatchPlace<'_> {
    fn drop(&mut self) {
        self.watches.fetch_sub(1, Ordering::AcqRel);
    }
}

pub(crate) fn full(message: &str) -> Error {
    Error::new(ErrorKind::Unavailable, message).hint("try again when one of them is done")
}
