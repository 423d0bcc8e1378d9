//! A keyspace: the name of a table, and the types of what is in it.

use crate::files::Opened;
use redb::TableDefinition;
use std::sync::{Arc, RwLock};

/// Keys and values are bytes.
pub(crate) type Row = &'static [u8];

/// Compaction and the integrity check need the database for themselves; everybody else shares it.
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

    /// Whether both are the same handle, which is quicker to see than the same name.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.name, &other.name)
    }

    /// Where the handle is: no other that is in use is there.
    pub(crate) fn address(&self) -> usize {
        self.name.as_ptr().addr()
    }
}

pub(crate) fn definition(name: &str) -> TableDefinition<'_, Row, Row> {
    TableDefinition::new(name)
}
