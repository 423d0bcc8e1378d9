//! Backends that are broken on purpose, to test the suite: each names the case that must catch it, and a suite
//! that lets one pass is broken itself.
//!
//! The defects come from similar layers, described in `docs/`, and from mistakes that are easily made. Each is a
//! few lines over a healthy backend, by way of [`Twist`](crate::twist::Twist).

mod backend;
mod batches;
mod cursors;
mod keyspaces;
mod operations;
mod persistence;
mod reading;
mod snapshots;

pub use backend::Broken;

/// Returns all broken backends.
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
