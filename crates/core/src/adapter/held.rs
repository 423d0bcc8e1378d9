//! Holds an engine, and catches its panics when it is closed.
//!
//! Engines write when they are closed, and one with damaged files may panic then (redb does, when two pages of
//! its file were swapped). Dropping a handle must not panic.
//!
//! This module does not bound how long a close takes. The last owner of an engine may be a keyspace or a
//! cursor, which only the adapter knows. Of the six engines only sled waits on close for threads that may be
//! dead; its adapter uses a [`Closer`](crate::Closer). fjall waits for workers that count themselves out
//! however they end, and RocksDB for background work that it cancels first. redb, SQLite and LMDB have no
//! threads. These wait only for the disk, and a thread that waits for the disk cannot be abandoned: it owns the
//! data that it is writing.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// An engine, until it is dropped.
pub(super) struct Held<E>(Option<E>);

impl<E> Held<E> {
    pub(super) fn new(engine: E) -> Self {
        Self(Some(engine))
    }
}

impl<E> Deref for Held<E> {
    type Target = E;

    #[inline]
    fn deref(&self) -> &E {
        match &self.0 {
            Some(engine) => engine,
            None => unreachable!("invariant 12: an engine is there until its handle is dropped"),
        }
    }
}

impl<E> Drop for Held<E> {
    fn drop(&mut self) {
        let engine = self.0.take();
        // A panic has no caller to report to. Durability of acknowledged commits does not depend on closing.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(engine)));
    }
}

#[cfg(test)]
mod tests {
    use super::Held;

    struct PanicsWhenClosed;

    impl Drop for PanicsWhenClosed {
        fn drop(&mut self) {
            panic!("closing failed");
        }
    }

    #[test]
    fn a_panic_during_a_close_is_caught() {
        drop(Held::new(PanicsWhenClosed));
    }
}
