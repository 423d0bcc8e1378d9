//! The bytes that a store writes. Each file describes one kind of row, and imports nothing else of the store.

pub(crate) mod counter;
pub(crate) mod envelope;
pub(crate) mod expiry_index;
pub(crate) mod high_water_row;
pub(crate) mod keyspace_row;
pub(crate) mod own_keyspaces;
pub(crate) mod own_rows;
pub(crate) mod sequence_row;
pub(crate) mod tally;
