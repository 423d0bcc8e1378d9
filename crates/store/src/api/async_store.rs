//! A store for async callers.
//!
//! Embedded engines block, so an executor's thread must not call them. Whole closures run on a blocking pool: one
//! hop for a closure, not one for each operation, and the closure sees the plain synchronous store. The number of
//! closures that run at once is bounded; others wait without blocking a thread.

use super::store::Store;
use std::sync::{Arc, Mutex, PoisonError};
use strongroom_core::{Error, ErrorKind, Result};
use tokio::sync::Semaphore;

/// Runs closures over a [`Store`] on tokio's blocking pool.
///
/// ```
/// # use strongroom_core::{Durability, MemoryBackend};
/// # use strongroom_store::{AsyncStore, Store, StoreOptions};
/// # fn main() -> strongroom_core::Result<()> {
/// # let options = StoreOptions::new().durability(Durability::Buffered);
/// # let store = Store::new(MemoryBackend::in_memory(), options)?;
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let store = AsyncStore::new(store, 16);
/// let moved = store
///     .run(|store| {
///         let accounts = store.create_keyspace("accounts")?;
///         accounts.set("ada", "10")?;
///         accounts.get("ada")
///     })
///     .await?;
/// assert_eq!(moved.as_deref(), Some(&b"10"[..]));
/// # Ok(()) })
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AsyncStore {
    store: Store,
    permits: Arc<Semaphore>,
}

impl AsyncStore {
    /// Wraps `store`, to run at most `concurrent_max` closures at once (at least one).
    pub fn new(store: Store, concurrent_max: usize) -> Self {
        let permits = concurrent_max.clamp(1, Semaphore::MAX_PERMITS);
        Self { store, permits: Arc::new(Semaphore::new(permits)) }
    }

    /// Returns the store itself, for synchronous callers.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Runs `work` on the blocking pool of the current tokio runtime, and returns its result.
    ///
    /// Dropping the future before `work` has begun cancels it, even while it waits for a thread of a busy pool:
    /// `work` is dropped at once and never runs. Once begun, `work` runs to its end, since half a commit would be
    /// worse than an unobserved one.
    ///
    /// Returns [`Closed`](ErrorKind::Closed) if the runtime is shutting down.
    ///
    /// # Panics
    /// If `work` panics, with the same payload.
    pub async fn run<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T> + Send + 'static,
    {
        let closed = |what: &str| Error::new(ErrorKind::Closed, what).at(self.store.engine().name, "run");
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| closed("the pool is closed"))?;
        let waiting = Waiting::new((permit, self.store.clone(), work));
        // Cancels the work when this future is dropped.
        let _cancels = CancelOnDrop(waiting.clone());
        let task = tokio::task::spawn_blocking(move || {
            let (permit, store, work) = waiting.take()?;
            // Held until the work is done, even if the future is dropped.
            let _permit = permit;
            Some(work(&store))
        });
        match task.await {
            Ok(Some(result)) => result,
            // The panic is the caller's own, so it continues here. The store is unaffected.
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // While the task is awaited here, nothing cancels it, so `None` means a shutdown too.
            Ok(None) | Err(_) => Err(closed("the runtime is shutting down")),
        }
    }
}

/// Work that waits for a thread of the pool. It is taken once, to run or to be dropped.
struct Waiting<W>(Arc<Mutex<Option<W>>>);

impl<W> Waiting<W> {
    fn new(work: W) -> Self {
        Self(Arc::new(Mutex::new(Some(work))))
    }

    fn take(&self) -> Option<W> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl<W> Clone for Waiting<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

struct CancelOnDrop<W>(Waiting<W>);

impl<W> Drop for CancelOnDrop<W> {
    fn drop(&mut self) {
        drop(self.0.take());
    }
}
