//! The location of a keyspace: a table of its own, or an id in a shared one.

use super::cursor::PackedCursor;
use crate::Result;
use crate::engine::{Engine, EngineSnapshot};
use crate::keyspace::{KeyspaceHints, Placement};
use crate::packed::batch::Place;
use crate::packed::format::table_for;
use crate::packed::id::{PREFIX_BYTES, PackedId};
use crate::range::Scan;
use bytes::Bytes;
use std::task::Poll;

/// Longest key that is prefixed without an allocation, in bytes.
const SHORT_KEY_BYTES: usize = 124;

/// The engine's table of a keyspace, and the keyspace's id in it.
#[derive(Debug, Clone)]
pub(super) struct Placed<K> {
    table: K,
    /// None: the table is the keyspace's own.
    id: Option<PackedId>,
    hints: KeyspaceHints,
}

impl<K> Placed<K> {
    /// A keyspace in a table of its own.
    pub(super) fn dedicated(table: K, hints: KeyspaceHints) -> Self {
        let hints = KeyspaceHints { placement: Placement::Dedicated, ..hints };
        Self { table, id: None, hints }
    }

    /// A keyspace in a shared table.
    pub(super) fn packed(table: K, id: PackedId, hints: KeyspaceHints) -> Self {
        let hints = KeyspaceHints { placement: Placement::Packed, ..hints };
        Self { table, id: Some(id), hints }
    }

    /// Returns the engine's table.
    #[inline]
    pub(super) fn table(&self) -> &K {
        &self.table
    }

    /// Returns the id in a shared table, or `None` for a table of its own.
    #[inline]
    pub(super) fn id(&self) -> Option<PackedId> {
        self.id
    }

    /// Returns the location in a shared table, if the keyspace is packed.
    #[inline]
    pub(super) fn place(&self) -> Option<Place> {
        self.id.map(|id| Place { table: table_for(self.hints), id })
    }

    /// Returns the creation hints, with the placement that the keyspace got.
    pub(super) fn hints(&self) -> KeyspaceHints {
        self.hints
    }

    /// Calls `f` with the engine's key for `key`.
    #[inline]
    fn with_key<T>(&self, key: &[u8], f: impl FnOnce(&[u8]) -> T) -> T {
        let Some(id) = self.id else { return f(key) };
        if key.len() > SHORT_KEY_BYTES {
            return f(&id.key(key));
        }
        let mut prefixed = [0; PREFIX_BYTES + SHORT_KEY_BYTES];
        let end = PREFIX_BYTES + key.len();
        prefixed[..PREFIX_BYTES].copy_from_slice(&id.prefix());
        prefixed[PREFIX_BYTES..end].copy_from_slice(key);
        f(&prefixed[..end])
    }

    /// Returns the newest value of `key`.
    #[inline]
    pub(super) fn get<E: Engine<Keyspace = K>>(&self, engine: &E, key: &[u8]) -> Result<Option<Bytes>> {
        self.with_key(key, |key| engine.get(&self.table, key))
    }

    /// Returns the value of `key` in a snapshot.
    #[inline]
    pub(super) fn get_in<S: EngineSnapshot<Keyspace = K>>(
        &self,
        snapshot: &S,
        key: &[u8],
    ) -> Result<Option<Bytes>> {
        self.with_key(key, |key| snapshot.get(&self.table, key))
    }

    /// As [`get_in`](Self::get_in), unless that would wait for another thread.
    #[inline]
    pub(super) fn try_get_in<S: EngineSnapshot<Keyspace = K>>(
        &self,
        snapshot: &S,
        key: &[u8],
    ) -> Result<Poll<Option<Bytes>>> {
        self.with_key(key, |key| snapshot.try_get(&self.table, key))
    }

    /// Returns a cursor of a snapshot.
    pub(super) fn cursor_in<S: EngineSnapshot<Keyspace = K>>(
        &self,
        snapshot: &S,
        scan: &Scan,
    ) -> Result<PackedCursor<S::Cursor>> {
        match self.id {
            None => Ok(PackedCursor::over(snapshot.cursor(&self.table, scan)?, 0)),
            Some(id) => {
                let scan = Scan { range: id.range(&scan.range), ..scan.clone() };
                Ok(PackedCursor::over(snapshot.cursor(&self.table, &scan)?, PREFIX_BYTES))
            }
        }
    }
}
