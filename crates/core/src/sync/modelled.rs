//! The synchronization primitives of the shared read view: few, so that the model check can replace each of
//! them.
//!
//! In tests that are built with `--cfg shuttle` they are those of `shuttle`, which explores interleavings.
//! Elsewhere they are the standard library's, and the slot is `arc-swap`'s: reading it takes no lock and
//! touches no reference count.

#[cfg(not(all(test, shuttle)))]
mod real {
    use arc_swap::{ArcSwapOption, Guard};
    use std::sync::Arc;
    pub(crate) use std::sync::atomic::{AtomicU64 as Word, fence};
    use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

    /// A place for one shared value, or none.
    pub(crate) struct Slot<T>(ArcSwapOption<T>);

    impl<T> Slot<T> {
        pub(crate) fn empty() -> Self {
            Self(ArcSwapOption::empty())
        }

        /// Returns the current value. It stays alive as long as the guard.
        #[inline]
        pub(crate) fn look(&self) -> Guard<Option<Arc<T>>> {
            self.0.load()
        }

        pub(crate) fn get(&self) -> Option<Arc<T>> {
            self.0.load_full()
        }

        /// Stores `new` if the value is still `seen`. Returns whether it did.
        pub(crate) fn replace(&self, seen: Option<&Arc<T>>, new: Option<Arc<T>>) -> bool {
            let seen = seen.map_or(std::ptr::null(), Arc::as_ptr);
            let before = self.0.compare_and_swap(seen, new);
            before.as_ref().map_or(std::ptr::null(), Arc::as_ptr) == seen
        }
    }

    /// An exclusive lock.
    pub(crate) struct Locked<T>(Mutex<T>);

    impl<T> Locked<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    /// A lock that readers share.
    pub(crate) struct Shared<T>(RwLock<T>);

    impl<T> Shared<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(all(test, shuttle))]
mod model {
    pub(crate) use shuttle::sync::atomic::{AtomicU64 as Word, fence};
    use shuttle::sync::{Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard};
    use std::sync::{Arc, PoisonError};

    /// As the real one. The value is under a lock, so that each call is one step.
    pub(crate) struct Slot<T>(Mutex<Option<Arc<T>>>);

    impl<T> Slot<T> {
        pub(crate) fn empty() -> Self {
            Self(Mutex::new(None))
        }

        pub(crate) fn look(&self) -> Box<Option<Arc<T>>> {
            Box::new(self.get())
        }

        pub(crate) fn get(&self) -> Option<Arc<T>> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
        }

        pub(crate) fn replace(&self, seen: Option<&Arc<T>>, new: Option<Arc<T>>) -> bool {
            let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            if held.as_ref().map(Arc::as_ptr) != seen.map(Arc::as_ptr) {
                return false;
            }
            let before = std::mem::replace(&mut *held, new);
            drop(held);
            drop(before);
            true
        }
    }

    pub(crate) struct Locked<T>(Mutex<T>);

    impl<T> Locked<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }

    pub(crate) struct Shared<T>(RwLock<T>);

    impl<T> Shared<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(RwLock::new(value))
        }

        pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
            self.0.read().unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
            self.0.write().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

#[cfg(all(test, shuttle))]
pub(crate) use model::{Locked, Shared, Slot, Word, fence};
#[cfg(not(all(test, shuttle)))]
pub(crate) use real::{Locked, Shared, Slot, Word, fence};
