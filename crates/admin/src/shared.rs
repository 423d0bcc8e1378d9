//! What the threads behind the socket share.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use strongroom_core::{Error, ErrorKind, Result};
use strongroom_store::{Store, WeakStore};

/// Fewer, so that whoever asks for figures finds a place: unlike a watch, that does not last.
const WATCHES_MAX: usize = 12;

/// What all threads look at.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Weak: the socket must not be what keeps a store open.
    pub(crate) store: WeakStore,
    has_to_end: AtomicBool,
    watches: AtomicUsize,
}

impl Shared {
    pub(crate) fn of(store: &Store) -> Self {
        Self { store: store.downgrade(), has_to_end: AtomicBool::new(false), watches: AtomicUsize::new(0) }
    }

    /// Tells all threads to end.
    pub(crate) fn end(&self) {
        self.has_to_end.store(true, Ordering::Release);
    }

    pub(crate) fn has_to_end(&self) -> bool {
        self.has_to_end.load(Ordering::Acquire)
    }

    /// A place among those who watch, held until it is dropped.
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
