//! The redb backend of Strongroom.
