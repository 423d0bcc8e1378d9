//! The sled 0.34 backend of Strongroom.
