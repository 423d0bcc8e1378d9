//! Locks, atomics and threads of the store, in one place: the model check replaces every one of them.
//!
//! In a test that is built with `--cfg shuttle` they are those of `shuttle`, which tries the interleavings. Elsewhere they
//! are the standard library's.

pub(crate) use std::sync::{Arc, PoisonError, Weak};

#[cfg(not(all(test, shuttle)))]
pub(crate) use std::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic},
    thread,
};

#[cfg(all(test, shuttle))]
pub(crate) use shuttle::{
    sync::{Condvar, Mutex, MutexGuard, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic},
    thread,
};
