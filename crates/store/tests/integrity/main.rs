//! `integrity = full`: what is missing is noticed, and nothing else is taken for missing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // Tests fail by panicking.

mod common;
mod drops;
mod failures;
mod rows;
#[path = "../support/mod.rs"]
mod support;
mod tallies;
mod writes;
