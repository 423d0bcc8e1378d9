//! Checks that hold the architecture: who imports whom, between crates and inside each, the shape of a backend, tidy sources, and a default
//! build without C.
//!
//! Each check takes plain data and returns the problems it found, a line each, so that its own tests can
//! show it made-up input that must fail. `tests/workspace.rs` runs all of them on this workspace.
//!
//! Not a linter: what clippy or rustfmt can hold is theirs.

pub mod backends;
pub mod imports;
pub mod lints;
pub mod modules;
pub mod native;
pub mod source;
pub mod versions;
pub mod workspace;
