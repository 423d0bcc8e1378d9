//! A keyspace: the name of a table, and the types of its rows.

use crate::files::Opened;
use redb::TableDefinition;
use std::sync::{Arc, RwLock};

/// Keys and values are bytes.
pub(crate) type Row = &'static [u8];

/// Compaction and the integrity check need the database exclusively; everything else shares it.
pub(crate) type Database = RwLock<Opened>;

/// A keyspace of redb: the name of a table.
#[derive(Debug, Clone)]
pub struct RedbKeyspace {
    name: Arc<str>,
}

impl RedbKeyspace {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into() }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether both are the same handle, which is faster to check than the name.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.name, &other.name)
    }

    /// Returns the address of the handle, which no other live handle has.
    pub(crate) fn address(&self) -> usize {
        self.name.as_ptr().addr()
    }
}

pub(crate) fn definition(name: &str) -> TableDefinition<'_, Row, Row> {
    TableDefinition::new(name)
}
