//! Releases idle views, on one thread per process that sleeps while no view is held.
//!
//! Gets do not read the clock. They set a flag in the view. The thread wakes once per [`IDLE`] and clears it. A
//! view whose flag is still clear at the next wake-up has been idle for at least that long, and for at most
//! twice that.

use crate::sync::{lock, wait};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, Weak};
use std::time::Duration;

/// A view is released once it has been idle for between one and two times this long.
pub(super) const IDLE: Duration = Duration::from_secs(1);

/// Something that may be idle.
pub(super) trait Idle: Send + Sync {
    /// Releases what was not used since the last call. Returns `false` if it need not be called again.
    fn release_if_idle(&self) -> bool;
}

/// Registers something to be released when idle. Returns `false` if that is impossible.
pub(super) type Watch = fn(Weak<dyn Idle>) -> bool;

struct Keeper {
    watched: Vec<Weak<dyn Idle>>,
    has_thread: bool,
}

static KEEPER: Mutex<Keeper> = Mutex::new(Keeper { watched: Vec::new(), has_thread: false });
static ADDED: Condvar = Condvar::new();

/// Registers `view` with the process's thread, which is started on first use. The thread holds the view only
/// while it checks it, and never holds the handle. Returns `false` if the thread cannot be started.
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
            let check = || view.upgrade().is_some_and(|view| view.release_if_idle());
            // A view whose check panics is not checked again; the others are.
            catch_unwind(AssertUnwindSafe(check)).unwrap_or(false)
        });
        lock(&KEEPER).watched.append(&mut watched);
    }
}
