//! Detects nested transactions of one store on a thread, which are refused.

use std::cell::RefCell;
use strongroom_core::{Error, ErrorKind, Result};

thread_local! {
    /// The stores whose transaction closures this thread is running.
    static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// Refuses a transaction inside a closure of the same store. The inner one would not see the writes of the outer
/// one, and the outer one would conflict with the inner one each time.
pub(super) fn refuse_nested(store: u64) -> Result<()> {
    if INSIDE.with_borrow(|inside| inside.contains(&store)) {
        return Err(Error::new(ErrorKind::InvalidInput, "transactions of the same store cannot be nested")
            .hint("pass the outer transaction on, and use it"));
    }
    Ok(())
}

/// Marks this thread as inside a closure while it exists, even if the closure panics.
pub(super) struct Inside;

impl Inside {
    pub(super) fn enter(store: u64) -> Self {
        INSIDE.with_borrow_mut(|inside| inside.push(store));
        Self
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        INSIDE.with_borrow_mut(Vec::pop);
    }
}
