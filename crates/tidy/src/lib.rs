//! Checks of the architecture: imports between crates and between modules, files of backends, tidy sources, and a
//! default build without C.
//!
//! Each check takes plain data and returns the problems it found, one per line, so that its own tests can pass it
//! made-up input that must fail. `tests/workspace.rs` and `tests/modules.rs` run all checks on this workspace.
//!
//! Rules that clippy or rustfmt can enforce do not belong here.

pub mod backends;
pub mod imports;
pub mod lints;
pub mod modules;
pub mod native;
pub mod source;
pub mod versions;
pub mod workspace;
