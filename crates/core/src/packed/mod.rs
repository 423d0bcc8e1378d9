//! Packed keyspaces: many of them in one table of the engine.
//!
//! A table of its own for each keyspace is the fastest way to read it and the quickest to drop, and engines can
//! hold some dozens of them. With thousands, every engine but one fails or crawls: LMDB ends at its `max_dbs`,
//! RocksDB and SQLite get slower with each table, fjall keeps a journal and memory for each. So most keyspaces of a
//! store that has many share a table. Each row's key begins there with the keyspace's id, four bytes, most
//! significant first; the rows of a keyspace lie side by side, in order. Ids are interned: the table's id 0 is the
//! catalogue (`format`), which says which name has which id.
//!
//! Everything here is translation. Who is packed and who is not, creation, drop and the removal of what a drop leaves
//! behind belong to the adapter. ADR 0008 weighs the alternatives.

pub(crate) mod batch;
pub(crate) mod format;
pub(crate) mod id;
