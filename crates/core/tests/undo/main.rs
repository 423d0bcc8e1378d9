//! The undo overlay: snapshots of engines that have none.
//!
//! Each test runs on two engines whose cursors differ in how stale they are: the memory engine fetches blocks,
//! the other one reads each row anew.

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
