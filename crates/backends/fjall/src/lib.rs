//! The fjall 3 backend of Strongroom.
