//! The store's locks, atomics and threads, in one place so that the model check can replace them.
//!
//! With `--cfg shuttle`, tests use those of `shuttle`, which explores the interleavings. Otherwise they are the
//! standard library's.

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
