//! An engine that is closed where its panic is caught.
//!
//! Engines write when they are closed, and one with damaged files may panic then (redb does, when two pages of its file
//! have changed places). Nobody who drops a handle expects that.
//!
//! How long that takes is the adapter's to bound, not this room's: the last to hold an engine may be a keyspace or a
//! cursor, and only the adapter knows. Of the six engines only sled waits, when it is closed, for threads that may be
//! gone for ever; its adapter closes it with a [`Closer`](crate::Closer). fjall waits for workers that count themselves
//! out however they end, RocksDB for background work that it cancels first; redb, SQLite and LMDB have no threads. These
//! wait for nothing but the disk, and a thread that the disk keeps waiting cannot be given up: it holds what it writes.

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
        // There is nobody to tell. What was acknowledged as durable does not depend on closing.
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
    fn a_panic_while_closing_goes_no_further() {
        drop(Held::new(PanicsWhenClosed));
    }
}
