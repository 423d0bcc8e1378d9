//! Creates and drops keyspaces.
//!
//! One batch creates a packed keyspace: it writes the keyspace's row in the catalogue and the next id. One
//! batch drops it: it deletes that row and the first rows of the keyspace. If rows are left, the batch also
//! writes a tombstone, and [`removal`](super::removal) does the rest. So after a crash a keyspace exists
//! completely or not at all, and its id is never reused (invariant 6).

use super::catalogue::{put_row, table_id};
use super::keyspaces::{Slot, not_found};
use super::placed::Placed;
use super::shared::Shared;
use crate::batch::WriteBatch;
use crate::durability::Durability;
use crate::engine::{Engine, EngineBatch};
use crate::keyspace::{KeyspaceHints, KeyspaceId, check_keyspace_name};
use crate::packed::format::{Record, Row, TABLES, damaged, table_for, table_named};
use crate::packed::id::PackedId;
use crate::sync::write;
use crate::{Error, ErrorKind, Result};
use std::sync::atomic::Ordering;

impl<E: Engine> Shared<E> {
    /// Returns a shared table, and creates it if it is missing.
    pub(super) fn shared_table(&self, place: usize) -> Result<&E::Keyspace> {
        let cell = self.catalogue.cell(place);
        if let Some(table) = cell.get() {
            return Ok(table);
        }
        let (name, hints) = TABLES[place];
        let table = self.engine.open_keyspace(name, hints)?;
        // Creations and opens run one after another, so the cell is still empty.
        Ok(cell.get_or_init(|| table))
    }

    pub(super) fn create_keyspace(&self, name: &str, hints: KeyspaceHints) -> Result<KeyspaceId> {
        self.create_keyspace_as(name, hints, Durability::PowerSafe)
    }

    /// As [`create_keyspace`](Self::create_keyspace). With `Buffered` the caller makes it durable later.
    pub(super) fn create_keyspace_as(
        &self,
        name: &str,
        hints: KeyspaceHints,
        durability: Durability,
    ) -> Result<KeyspaceId> {
        check_keyspace_name(name)?;
        if table_named(name).is_some() {
            return Err(Error::new(ErrorKind::InvalidInput, format!("the name {name:?} is reserved"))
                .hint("choose a name that does not begin with '_'"));
        }
        self.health.check("create keyspace")?;
        let mut names = self.keyspaces.names();
        if let Some(id) = names.get(name) {
            return Ok(*id);
        }
        self.check_writable()?;
        self.check_home()?;
        let _exclusive = write(&self.commit_turn);
        let _change = self.view.begin_change();
        let is_own = self.catalogue.wants_own_table(hints.placement, self.engine.keyspaces_max());
        let mut placed = None;
        self.health.try_change("create keyspace", || {
            placed = Some(if is_own {
                self.create_own_table(name, hints, durability)?
            } else {
                self.create_packed(name, hints, durability)?
            });
            Ok(())
        })?;
        match placed {
            Some(placed) => {
                self.catalogue.count(&placed);
                self.keyspaces.add_created(&mut names, name, placed)
            }
            None => Err(Error::new(ErrorKind::Closed, "the engine returned no keyspace")),
        }
    }

    fn create_own_table(
        &self,
        name: &str,
        hints: KeyspaceHints,
        durability: Durability,
    ) -> Result<Placed<E::Keyspace>> {
        let mut batch = WriteBatch::new();
        if hints.says_something() {
            self.shared_table(0)?;
            put_row(&mut batch, &Row::Keyspace(name.to_owned(), Record::OwnTable(hints)));
            // Before the table: a row without a table is ignored, but a table without its row has lost its
            // hints.
            self.apply_rows(&batch, durability)?;
        } else if let Some(catalogue) = self.catalogue.table(0) {
            // A crash during a drop may have left the row of a dropped keyspace.
            let key = Row::keyspace_key(name);
            if self.engine.get(catalogue, &key)?.is_some() {
                batch.delete(table_id(0), &key);
                self.apply_rows(&batch, durability)?;
            }
        }
        Ok(Placed::dedicated(self.engine.open_keyspace(name, hints)?, hints))
    }

    fn create_packed(
        &self,
        name: &str,
        hints: KeyspaceHints,
        durability: Durability,
    ) -> Result<Placed<E::Keyspace>> {
        let next = self.catalogue.next_id.load(Ordering::Relaxed);
        let after = next.checked_add(1).ok_or_else(|| {
            Error::new(ErrorKind::Unavailable, "all ids of packed keyspaces have been used")
                .hint("copy the data into a new store, or create keyspaces with tables of their own")
        })?;
        self.shared_table(0)?;
        let table = table_for(hints);
        let handle = self.shared_table(table)?.clone();
        let id = PackedId(next);
        let mut batch = WriteBatch::new();
        put_row(&mut batch, &Row::Keyspace(name.to_owned(), Record::Packed { table, id, hints }));
        put_row(&mut batch, &Row::NextId(after));
        self.apply_rows(&batch, durability)?;
        self.catalogue.next_id.store(after, Ordering::Relaxed);
        Ok(Placed::packed(handle, id, hints))
    }

    pub(super) fn drop_keyspace(&self, keyspace: KeyspaceId) -> Result<()> {
        self.health.check("drop keyspace")?;
        self.check_writable()?;
        self.check_home()?;
        let mut names = self.keyspaces.names();
        let slot = self.keyspaces.get(keyspace)?;
        let _exclusive = write(&self.commit_turn);
        let _change = self.view.begin_change();
        slot.mark_dropped();
        let dropped = match slot.placed.id() {
            None => self.drop_own_table(slot),
            Some(id) => self.drop_packed(slot, id),
        };
        match &dropped {
            // Nothing changed.
            Err(error) if error.kind() != ErrorKind::CommitUnknown && !self.health.is_poisoned() => {
                slot.unmark_dropped();
                return dropped;
            }
            _ => {
                names.remove(&slot.name);
                self.catalogue.count_off(&slot.placed);
            }
        }
        dropped?;
        if slot.placed.id().is_some() { self.remove_after_drop() } else { Ok(()) }
    }

    fn drop_own_table(&self, slot: &Slot<Placed<E::Keyspace>>) -> Result<()> {
        self.health
            .try_change("drop keyspace", || self.engine.drop_keyspace(&slot.name, slot.placed.table()))?;
        if !slot.placed.hints().says_something() {
            return Ok(());
        }
        let mut batch = WriteBatch::new();
        batch.delete(table_id(0), &Row::keyspace_key(&slot.name));
        // After the table: a row that a crash leaves is ignored.
        self.health.change("drop keyspace", || self.apply_rows(&batch, Durability::Buffered))
    }

    fn drop_packed(&self, slot: &Slot<Placed<E::Keyspace>>, id: PackedId) -> Result<()> {
        let table = slot.placed.place().ok_or_else(|| not_found(&slot.name))?.table;
        let mut batch = WriteBatch::new();
        batch.delete(table_id(0), &Row::keyspace_key(&slot.name));
        let rest =
            self.health.call("drop keyspace", || self.gather(table, id, None, usize::MAX, &mut batch))?;
        if rest.is_some() {
            put_row(&mut batch, &Row::Dropped { table, id });
        }
        self.health.try_change("drop keyspace", || self.apply_rows(&batch, Durability::PowerSafe))?;
        if let Some(from) = rest {
            self.catalogue.leftovers.add(table, id, from);
        }
        Ok(())
    }

    /// Applies a batch of [`table_id`]s under the commit lock. `PowerSafe` means as durable as the engine can.
    pub(super) fn apply_rows(&self, batch: &WriteBatch, durability: Durability) -> Result<()> {
        let handle = |id: &KeyspaceId| self.catalogue.table(id.0 as usize).cloned().ok_or_else(damaged);
        let handles = batch.keyspaces().iter().map(handle).collect::<Result<Vec<_>>>()?;
        let batch = EngineBatch::unseen(batch, &handles);
        if durability == Durability::Buffered || self.info.capabilities.power_safe {
            return self.engine.apply(&batch, durability);
        }
        self.engine.apply(&batch, Durability::Buffered)?;
        self.engine.flush().map_err(|error| match error.kind() {
            // The rows are applied already, so the error may not claim that nothing changed.
            ErrorKind::Unavailable => error.into_kind(ErrorKind::Io, "the engine failed to sync"),
            _ => error,
        })
    }
}
