//! SQLite as a Strongroom backend.
