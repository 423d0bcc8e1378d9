//! Which stores' transactions this thread is inside of: a nested one is refused.

use std::cell::RefCell;
use strongroom_core::{Error, ErrorKind, Result};

thread_local! {
    /// The stores in whose closures this thread is.
    static INSIDE: RefCell<Vec<u64>> = const { RefCell::new(Vec::new()) };
}

/// In a closure that is inside another one, the inner would not see what the outer has written, and the outer would
/// conflict with the inner, each time.
pub(super) fn refuse_nested(store: u64) -> Result<()> {
    if INSIDE.with_borrow(|inside| inside.contains(&store)) {
        return Err(Error::new(
            ErrorKind::InvalidInput,
            "a transaction inside another one of the same store",
        )
        .hint("hand the outer transaction on, and use it"));
    }
    Ok(())
}

/// This thread is in a closure as long as this is held, whatever ends it.
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
