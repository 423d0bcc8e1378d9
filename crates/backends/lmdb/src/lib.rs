//! LMDB as a Strongroom backend.
