//! Names in a backend's directory that do not belong to the engine.

/// Name of the file that marks a directory as a Strongroom store.
pub const MARKER_FILE: &str = "STRONGROOM";

/// Name of the file that a process locks for as long as it has a store open.
pub const LOCK_FILE: &str = "LOCK";

/// Returns whether a file or directory of this name belongs to the layers above an engine, or to the file
/// system. Such a name does not make a directory foreign, and no engine may use or remove it.
#[must_use]
pub fn is_reserved_name(name: &str) -> bool {
    name.starts_with(MARKER_FILE) || name == LOCK_FILE || name == "lost+found"
}
