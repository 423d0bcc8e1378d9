//! `integrity = full`: missing data is noticed, and nothing else is taken for it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod common;
mod drops;
mod failures;
mod rows;
#[path = "../support/mod.rs"]
mod support;
mod tallies;
mod writes;
