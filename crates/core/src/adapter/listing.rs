//! Lists the keyspaces: the engine's tables, and the packed ones in the catalogue.

use super::keyspaces::not_found;
use super::placed::Placed;
use super::shared::Shared;
use crate::engine::{Engine, EngineCursor, EngineSnapshot};
use crate::keyspace::{KeyspaceHints, KeyspaceId, check_keyspace_name};
use crate::packed::format::{FIRST_ID, Record, Row, damaged, table_for, table_named};
use crate::packed::id::{PREFIX_BYTES, PackedId};
use crate::range::{KeyRange, Scan};
use crate::{ErrorKind, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

/// The keyspaces on disk.
#[derive(Debug, Default)]
struct Listing {
    keyspaces: BTreeMap<String, Record>,
    dropped: Vec<(usize, PackedId)>,
    next_id: u32,
}

impl<E: Engine> Shared<E> {
    /// Opens all keyspaces when the backend is opened.
    pub(super) fn open_keyspaces(&self) -> Result<()> {
        let listing = self.health.call("open", || self.list())?;
        self.catalogue.next_id.store(listing.next_id, Ordering::Relaxed);
        self.catalogue.leftovers.take_up(listing.dropped);
        let mut names = self.keyspaces.names();
        for (name, record) in listing.keyspaces {
            if let Some(placed) = self.open_listed("open", &name, record)? {
                self.catalogue.count(&placed);
                self.keyspaces.add_existing(&mut names, &name, placed)?;
            }
        }
        Ok(())
    }

    fn list(&self) -> Result<Listing> {
        let mut listing = Listing { next_id: FIRST_ID, ..Listing::default() };
        for name in self.engine.keyspace_names()? {
            if let Some(place) = table_named(&name) {
                self.shared_table(place)?;
            } else {
                listing.keyspaces.insert(name, Record::OwnTable(KeyspaceHints::dedicated()));
            }
        }
        if let Some(table) = self.catalogue.table(0) {
            self.read_catalogue(table, &mut listing)?;
        }
        Ok(listing)
    }

    fn read_catalogue(&self, table: &E::Keyspace, listing: &mut Listing) -> Result<()> {
        let scan = Scan::new(PackedId::CATALOGUE.range(&KeyRange::all()));
        let snapshot = self.engine.snapshot()?;
        let mut cursor = snapshot.cursor(table, &scan)?;
        let mut ids = BTreeSet::new();
        let mut known = |id: PackedId| if ids.insert(id) { Ok(()) } else { Err(damaged()) };
        while cursor.advance()? {
            let key = cursor.key().get(PREFIX_BYTES..).ok_or_else(damaged)?;
            match Row::decode(key, cursor.value())? {
                Row::NextId(id) => listing.next_id = id,
                Row::Dropped { table, id } => {
                    known(id)?;
                    listing.dropped.push((table, id));
                }
                Row::Keyspace(name, record @ Record::OwnTable(_)) => {
                    // A crash may leave a row without a table.
                    if let Some(found @ Record::OwnTable(_)) = listing.keyspaces.get_mut(&name) {
                        *found = record;
                    }
                }
                Row::Keyspace(name, record @ Record::Packed { id, .. }) => {
                    known(id)?;
                    let other = listing.keyspaces.insert(name, record);
                    // With a concurrent writer, the table may have been listed before it was dropped.
                    if other.is_some() && !self.reads_beside_a_writer() {
                        return Err(damaged());
                    }
                }
            }
        }
        match ids.last() {
            Some(last) if last.0 >= listing.next_id => Err(damaged()),
            _ => Ok(()),
        }
    }

    /// Opens a keyspace that was just listed. `None` if the writing process has dropped it since.
    fn open_listed(
        &self,
        operation: &'static str,
        name: &str,
        record: Record,
    ) -> Result<Option<Placed<E::Keyspace>>> {
        let open = || match record {
            Record::OwnTable(hints) => Ok(Placed::dedicated(self.engine.open_keyspace(name, hints)?, hints)),
            Record::Packed { table, id, hints } if table == table_for(hints) => {
                let shared = match self.catalogue.table(table) {
                    Some(shared) => shared,
                    // Created since the tables were listed.
                    None if self.reads_beside_a_writer() => self.shared_table(table)?,
                    None => return Err(damaged()),
                };
                Ok(Placed::packed(shared.clone(), id, hints))
            }
            Record::Packed { .. } => Err(damaged()),
        };
        match self.health.call(operation, open) {
            Err(error) if error.kind() == ErrorKind::NotFound && self.reads_beside_a_writer() => Ok(None),
            opened => opened.map(Some),
        }
    }

    /// Applies what the writing process has created and dropped since, if this handle reads concurrently with a
    /// writer. In snapshots that were opened before, new keyspaces are empty.
    pub(super) fn learn_keyspaces(&self, names: &mut BTreeMap<String, KeyspaceId>) -> Result<()> {
        if !self.reads_beside_a_writer() {
            return Ok(());
        }
        let mut found = self.health.call("list keyspaces", || self.list())?.keyspaces;
        let mut dropped = Vec::new();
        for (name, id) in names.iter() {
            let Ok(slot) = self.keyspaces.get(*id) else { continue };
            let is_current = match (found.get(name), slot.placed.id()) {
                (Some(Record::OwnTable(_)), None) => {
                    let table = slot.placed.table();
                    self.health.call("list keyspaces", || self.engine.is_current(name, table))?
                }
                (Some(Record::Packed { id, .. }), Some(known)) => *id == known,
                _ => false,
            };
            if is_current {
                found.remove(name);
            } else {
                slot.mark_dropped();
                self.catalogue.count_off(&slot.placed);
                dropped.push(name.clone());
            }
        }
        for name in dropped {
            names.remove(&name);
        }
        for (name, record) in found {
            let Some(placed) = self.open_listed("open keyspace", &name, record)? else { continue };
            self.catalogue.count(&placed);
            self.keyspaces.add_created(names, &name, placed)?;
        }
        Ok(())
    }

    pub(super) fn keyspace_hints(&self, keyspace: KeyspaceId) -> Result<KeyspaceHints> {
        self.health.check("keyspace hints")?;
        Ok(self.keyspaces.get(keyspace)?.placed.hints())
    }

    /// Returns the keyspace called `name`.
    pub(super) fn keyspace(&self, name: &str) -> Result<KeyspaceId> {
        check_keyspace_name(name)?;
        self.health.check("open keyspace")?;
        let mut names = self.keyspaces.names();
        if !names.contains_key(name) {
            self.learn_keyspaces(&mut names)?;
        }
        names.get(name).copied().ok_or_else(|| not_found(name))
    }
}
