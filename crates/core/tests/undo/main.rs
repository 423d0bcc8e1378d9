//! The undo overlay: snapshots of engines that have none.
//!
//! Each test runs on two engines that differ in how stale their cursors are: the memory engine fetches blocks,
//! the other one looks anew for each row.

// Helpers of tests fail like tests.
#![allow(clippy::unwrap_used, clippy::panic)]

mod between;
mod expiry;
mod fresh;
mod memory;
mod model;
mod snapshots;
mod support;
mod threads;
