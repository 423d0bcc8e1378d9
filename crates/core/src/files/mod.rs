//! File system helpers for every layer that keeps files: a directory that is opened once and recognised later,
//! locks that a forked process does not keep, durable names, and sizes on disk.
//!
//! A leaf module: it depends on no engine and no store. Backends and the store use it instead of helpers of
//! their own.

mod directory;
mod durable;
mod failure;
mod lock;
mod names;
mod usage;

pub use directory::{Directory, Presence, relative_names};
pub use durable::{create_directories, remove_directories, sync_directory, sync_entry};
pub use failure::{comes_of_unwritable, is_unwritable, needs_writing, path_error};
pub use lock::{FileLock, Holder, LockFailure};
pub use names::{LOCK_FILE, MARKER_FILE, is_reserved_name};
pub use usage::{file_bytes, write_in_place};
