//! Tests what a storage engine keeps across power cuts, kills, I/O errors and damaged files.
//!
//! A child process runs a seeded script against a store and marks each step as begun and acknowledged. Then it is
//! interrupted: it is killed, the simulated disk under it loses power at some point of its log, a write fails, or a
//! file is damaged. Another child opens the remains and reports what it sees. The [`judge`] compares that with the
//! script: every acknowledged commit must be there, every other commit completely or not at all, in the order in
//! which they happened, and the store must still work.
//!
//! The engine sees a real disk: a recording block device served over FUSE, under a loop device, under ext4, xfs or
//! btrfs ([`disk`]). One recording yields any number of crash images.
//!
//! Subjects implement a trait ([`subject`]), so any store can be tested: see `examples/flawed/main.rs`.

pub mod child;
pub mod command;
pub mod disk;
pub mod judge;
pub mod look;
pub mod marks;
mod name;
pub mod plan;
pub mod random;
pub mod report;
pub mod results;
pub mod script;
pub mod subject;
#[cfg(feature = "engines")]
pub mod subjects;
pub mod trial;
