//! Power cuts, kills, I/O errors and damaged files: what a storage engine really keeps.
//!
//! A child process runs a seeded script against a store and marks, step by step, what was acknowledged. Then it is cut
//! off: killed, or the simulated disk below it loses its power at some moment of its log, or a write fails, or
//! somebody flips a bit in a file. Another child opens what is left and tells what it sees. The [`judge`] compares
//! that with the script: every acknowledged commit has to be there, every other whole or not at all, in the order in
//! which they happened, and the store has to go on working.
//!
//! The disk is real to the engine: a recording block device served over FUSE, under a loop device, under ext4, xfs or
//! btrfs ([`disk`]). From one recording, as many crash images are made as one likes.
//!
//! Subjects stand behind a trait ([`subject`]), so any store can be tried: `examples/flawed.rs` shows how.

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
