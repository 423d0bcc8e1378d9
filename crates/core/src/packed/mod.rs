//! Packed keyspaces: many of them in one table of the engine.
//!
//! A table per keyspace is the fastest to read and to drop, and engines can hold some dozens of them. With
//! thousands, every engine but one fails or slows to a crawl: LMDB stops at its `max_dbs`, RocksDB and SQLite
//! get slower with each table, and fjall keeps a journal and memory for each. So a store with many keyspaces
//! keeps most of them in a shared table. There each row's key begins with the keyspace's id (four bytes,
//! big-endian), so the rows of a keyspace are adjacent and in order. Ids are interned: the catalogue
//! (`format`), stored under id 0, maps names to ids.
//!
//! This module only translates. The adapter decides which keyspaces are packed, and creates and drops them and
//! removes the rows of dropped ones. ADR 0008 weighs the alternatives.

pub(crate) mod batch;
pub(crate) mod format;
pub(crate) mod id;
