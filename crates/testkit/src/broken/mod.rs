//! Backends that are broken on purpose, so that the suite can be tested: each names the case that
//! catches it, and a suite that lets one pass is broken itself.
//!
//! They are the errors that layers like this one have had: those of the peers that `docs/` tells of, and
//! those that are easily made. Each is a few lines over a healthy backend, by way of [`Twist`](crate::twist::Twist).

mod backend;
mod batches;
mod cursors;
mod keyspaces;
mod operations;
mod persistence;
mod reading;
mod snapshots;

pub use backend::Broken;

/// All of them.
pub fn all() -> Vec<Broken> {
    [
        reading::ALL,
        cursors::ALL,
        batches::ALL,
        snapshots::ALL,
        keyspaces::ALL,
        persistence::ALL,
        operations::ALL,
    ]
    .concat()
}
