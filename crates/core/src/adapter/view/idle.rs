//! Views that nobody uses are released: one thread for the process, which sleeps while no view is held
//! anywhere.
//!
//! Gets read no clock. They set a flag in the view, and the thread, which looks once in [`IDLE`], clears it. A
//! view whose flag is still clear at the next look has been idle for that long at least, and for twice that at
//! most.

use crate::sync::{lock, wait};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, Weak};
use std::time::Duration;

/// A view that was not used for this long is released, before it was not used for twice as long.
pub(super) const IDLE: Duration = Duration::from_secs(1);

/// Something that may be idle.
pub(super) trait Idle: Send + Sync {
    /// Releases what was not used since the last call. `false` if there is nothing to come back for.
    fn release_if_idle(&self) -> bool;
}

/// Has something looked after; `false` if nobody can.
pub(super) type Watch = fn(Weak<dyn Idle>) -> bool;

struct Keeper {
    watched: Vec<Weak<dyn Idle>>,
    has_thread: bool,
}

static KEEPER: Mutex<Keeper> = Mutex::new(Keeper { watched: Vec::new(), has_thread: false });
static ADDED: Condvar = Condvar::new();

/// Has `view` looked after by the process's thread, which is made when it is needed first. It holds the view
/// only while it looks, and never the handle. `false` if there can be no thread.
pub(super) fn watch(view: Weak<dyn Idle>) -> bool {
    let mut keeper = lock(&KEEPER);
    if !keeper.has_thread {
        let made = std::thread::Builder::new().name("strongroom-views".to_owned()).spawn(keep);
        keeper.has_thread = made.is_ok();
    }
    if keeper.has_thread {
        keeper.watched.push(view);
        ADDED.notify_one();
    }
    keeper.has_thread
}

fn keep() {
    loop {
        let mut watched = {
            let mut keeper = lock(&KEEPER);
            while keeper.watched.is_empty() {
                keeper = wait(&ADDED, keeper);
            }
            std::mem::take(&mut keeper.watched)
        };
        std::thread::sleep(IDLE);
        watched.retain(|view| {
            let look = || view.upgrade().is_some_and(|view| view.release_if_idle());
            // One that panics is not looked at again; the others are.
            catch_unwind(AssertUnwindSafe(look)).unwrap_or(false)
        });
        lock(&KEEPER).watched.append(&mut watched);
    }
}
