//! The tallies of a store with [`Integrity::Full`](crate::Integrity::Full), in a keyspace of their own: one row
//! for each keyspace, under its name.
//!
//! A commit changes rows and tallies in one atomic batch (invariant 11). Creating and dropping a keyspace takes
//! several steps, and a power cut may come between any two. So the steps are in an order in which each state has
//! one meaning:
//!
//! * No tally: the keyspace is empty, or does not exist (its creation was interrupted). If it has rows, or if the
//!   tally of the tallies counts one more, its tally is lost.
//! * A live tally: the keyspace exists, with these rows. If it does not exist, it is lost.
//! * A tally in the state `dropping`: what is left of the keyspace has to be dropped, which the next opening
//!   does. Until then the keyspace is hidden.
//!
//! All of this happens under the commit lock.

use super::root::Root;
use crate::base::Base;
use crate::catalog::KeyspaceInfo;
use crate::directory::StoreDirectory;
use crate::format::own_keyspaces::{DEFAULT_KEYSPACE, TALLIES_KEYSPACE as KEYSPACE, commit_durably};
use crate::format::tally::{HINT, RowHasher, State, Tally};
use crate::integrity::Integrity;
use crate::sync::Arc;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};
use strongroom_core::{
    Error, ErrorKind, KeyspaceHints, KeyspaceId, Op, Result, Scan, Snapshot, StorageBackend, WriteBatch,
};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Ledger {
    id: KeyspaceId,
}

impl Ledger {
    /// Returns the keyspace of the tallies.
    pub(crate) fn id(self) -> KeyspaceId {
        self.id
    }

    /// Opens the tallies. Returns none for a store that has only its checksums. Finishes interrupted drops,
    /// unless the store is read-only.
    pub(crate) fn open(
        backend: &dyn StorageBackend,
        directory: Option<&StoreDirectory>,
        integrity: Integrity,
    ) -> Result<Option<Self>> {
        if integrity == Integrity::Rows {
            return Ok(None);
        }
        let is_new = !directory.is_some_and(StoreDirectory::is_finished) && !backend.is_read_only();
        let id = match backend.keyspace(KEYSPACE) {
            Err(error) if error.kind() == ErrorKind::NotFound && is_new => {
                backend.create_keyspace(KEYSPACE, KeyspaceHints::default())?
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(missing("all keyspaces")),
            found => found?,
        };
        let ledger = Self { id };
        if is_new && backend.get(id, KEYSPACE.as_bytes())?.is_none() {
            let mut batch = WriteBatch::new();
            Root::count(&*backend.snapshot()?, id, None)?.put(&mut batch, id);
            commit_durably(backend, &batch)?;
        }
        // In a finished store a missing tally is a loss, which fails writes to the keyspace and no reads.
        if is_new && backend.get(id, DEFAULT_KEYSPACE.as_bytes())?.is_none() {
            ledger.enter(backend, DEFAULT_KEYSPACE)?;
        }
        if !backend.is_read_only() {
            ledger.finish_drops(backend)?;
        }
        Ok(Some(ledger))
    }

    fn finish_drops(self, backend: &dyn StorageBackend) -> Result<()> {
        let snapshot = backend.snapshot()?;
        let mut cursor = snapshot.cursor(self.id, Scan::all())?;
        let mut names = Vec::new();
        while cursor.advance()? {
            let (key, stored) = cursor.row();
            let Ok(name) = std::str::from_utf8(key) else { continue };
            // `verify` reports a tally that cannot be read. The store opens nevertheless.
            if Tally::open(name, stored).is_ok_and(|tally| tally.state == State::Dropping) {
                names.push(name.to_owned());
            }
        }
        drop(cursor);
        drop(snapshot);
        for name in names {
            match self.finish_drop(backend, &name) {
                // The engine is busy and changed nothing. The keyspace stays hidden until the next opening drops
                // it.
                Err(error) if error.kind() == ErrorKind::Unavailable => {}
                finished => finished?,
            }
        }
        Ok(())
    }

    /// Drops what is left of a keyspace whose drop has begun.
    fn finish_drop(self, backend: &dyn StorageBackend, name: &str) -> Result<()> {
        match backend.keyspace(name) {
            Ok(id) => backend.drop_keyspace(id)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.end_drop(backend, name)
    }

    /// Adds to `merged` the tallies that it leads to. The caller holds the commit lock, so nothing is written
    /// between the reads here and the commit.
    pub(crate) fn add_tallies(self, base: &Base, merged: &mut WriteBatch) -> Result<()> {
        let backend = base.backend();
        let mut books = Vec::with_capacity(merged.keyspaces().len());
        for id in merged.keyspaces() {
            let info = base.catalog.info(*id)?;
            books.push(if info.is_reserved() { None } else { Some(self.book(backend, *id, &info.name)?) });
        }
        // The hash of each key's row after the operations so far. None if the row was deleted.
        let mut now: HashMap<(usize, &[u8]), Option<u128>> = HashMap::with_capacity(merged.len());
        for (slot, op) in merged.ops() {
            let Some(book) = &mut books[slot] else { continue };
            let key = op.key();
            let before = match now.get(&(slot, key)) {
                Some(before) => *before,
                // Hashed as stored, whether its checksum matches or not: the tally is over the stored bytes.
                None => backend.get(book.id, key)?.map(|stored| book.hasher.hash(key, &stored)),
            };
            let after = match op {
                Op::Put { value, .. } => Some(book.hasher.hash(key, value)),
                Op::Delete { .. } => None,
            };
            if let Some(row) = before {
                book.tally.remove(row);
            }
            if let Some(row) = after {
                book.tally.add(row);
            }
            now.insert((slot, key), after);
        }
        let mut books = books.into_iter().flatten().peekable();
        if books.peek().is_some() {
            let mut root = Root::read(backend, self.id)?;
            for book in books {
                let after = book.tally.seal(&book.name);
                root.change(merged, self.id, &book.name, book.stored.as_deref(), Some(&after));
            }
            root.put(merged, self.id);
        }
        Ok(())
    }

    fn book(self, backend: &dyn StorageBackend, id: KeyspaceId, name: &str) -> Result<Book> {
        let stored = backend.get(self.id, name.as_bytes())?;
        let tally = match &stored {
            Some(stored) => Tally::open(name, stored)?,
            None if self.may_lack_tally(backend, id, name)? => Tally::EMPTY,
            None => return Err(missing(&format!("keyspace {name:?}")).in_keyspace(name)),
        };
        if tally.state == State::Dropping {
            return Err(Error::new(ErrorKind::NotFound, format!("keyspace {name:?} is being dropped"))
                .in_keyspace(name)
                .hint("drop it again, or reopen the store, which finishes the drop"));
        }
        Ok(Book { id, name: name.to_owned(), stored, tally, hasher: RowHasher::of(name) })
    }

    /// Whether a keyspace without a tally is one whose creation was interrupted. All other tallies have to be
    /// intact. Otherwise a keyspace that was lost with its tally would count as such, and get a new tally.
    fn may_lack_tally(self, backend: &dyn StorageBackend, id: KeyspaceId, name: &str) -> Result<bool> {
        let snapshot = backend.snapshot()?;
        if name == DEFAULT_KEYSPACE || !is_empty_in(&*snapshot, id)? {
            return Ok(false);
        }
        match Root::check(&*snapshot, self.id) {
            Err(error) if error.kind() == ErrorKind::Corruption => Ok(false),
            checked => checked.map(|()| true),
        }
    }

    /// Prepares the creation of a keyspace: finishes an interrupted drop, and reports a lost keyspace of that
    /// name.
    pub(crate) fn before_creation(self, backend: &dyn StorageBackend, name: &str) -> Result<()> {
        let Some(stored) = backend.get(self.id, name.as_bytes())? else { return Ok(()) };
        match Tally::open(name, &stored)?.state {
            State::Dropping => self.finish_drop(backend, name),
            State::Live => self.check_not_lost(backend, name),
        }
    }

    /// Adds the tally of a new keyspace, which has no rows.
    pub(crate) fn enter(self, backend: &dyn StorageBackend, name: &str) -> Result<()> {
        self.set(backend, Root::read(backend, self.id)?, name, Some(&Tally::EMPTY.seal(name)))
    }

    /// Returns [`Corruption`](ErrorKind::Corruption) if there is a tally for this name and no keyspace.
    pub(crate) fn check_not_lost(self, backend: &dyn StorageBackend, name: &str) -> Result<()> {
        let Some(stored) = backend.get(self.id, name.as_bytes())? else { return Ok(()) };
        if Tally::open(name, &stored)?.state == State::Dropping {
            return Ok(());
        }
        match backend.keyspace(name) {
            Err(error) if error.kind() == ErrorKind::NotFound => Err(lost(name)),
            found => found.map(drop),
        }
    }

    /// Drops the keyspace. After a power cut at any time, it is as it was or is dropped by the next opening.
    pub(crate) fn drop_keyspace(
        self,
        backend: &dyn StorageBackend,
        id: KeyspaceId,
        name: &str,
    ) -> Result<()> {
        let before = backend.get(self.id, name.as_bytes())?;
        let opened = before.as_ref().map(|stored| Tally::open(name, stored));
        let root = match &opened {
            Some(Ok(_)) => Root::read(backend, self.id)?,
            None if is_empty(backend, id)? => Root::read(backend, self.id)?,
            // The tally is damaged or lost, and is dropped with the keyspace. The others are counted again
            // without it.
            _ => Root::count(&*backend.snapshot()?, self.id, Some(name))?,
        };
        let is_counted = !matches!(opened, Some(Err(_)));
        let tally = opened.and_then(Result::ok).unwrap_or(Tally::EMPTY);
        let dropping = Tally { state: State::Dropping, ..tally }.seal(name);
        self.replace(backend, root, name, before.as_deref().filter(|_| is_counted), Some(&dropping))?;
        match backend.drop_keyspace(id) {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                // The engine changed nothing, so the tally is put back as it was, even a damaged one.
                let live = Tally { state: State::Live, ..tally }.seal(name);
                let as_it_was = match &before {
                    Some(stored) if tally.state == State::Live => Some(&stored[..]),
                    Some(_) => Some(&live[..]),
                    None => None,
                };
                self.set(backend, Root::read(backend, self.id)?, name, as_it_was)?;
                Err(error)
            }
            outcome => outcome,
        }
    }

    /// Removes the tally of a dropped keyspace, once the drop is durable.
    pub(crate) fn end_drop(self, backend: &dyn StorageBackend, name: &str) -> Result<()> {
        backend.flush()?;
        self.set(backend, Root::read(backend, self.id)?, name, None)
    }

    /// Replaces the stored tally of a keyspace, or removes it.
    fn set(self, backend: &dyn StorageBackend, root: Root, name: &str, after: Option<&[u8]>) -> Result<()> {
        let before = backend.get(self.id, name.as_bytes())?;
        self.replace(backend, root, name, before.as_deref(), after)
    }

    /// As [`set`](Self::set), for a `root` that counts `before`.
    fn replace(
        self,
        backend: &dyn StorageBackend,
        mut root: Root,
        name: &str,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
    ) -> Result<()> {
        let mut batch = WriteBatch::new();
        root.change(&mut batch, self.id, name, before, after);
        root.put(&mut batch, self.id);
        commit_durably(backend, &batch)
    }

    /// Returns all tallies in a snapshot, by keyspace. `keyspaces` are those of the same state.
    pub(crate) fn tallies(
        self,
        snapshot: &dyn Snapshot,
        keyspaces: &[Arc<KeyspaceInfo>],
    ) -> Result<BTreeMap<String, Tally>> {
        let mut cursor = snapshot.cursor(self.id, Scan::all())?;
        let mut tallies = BTreeMap::new();
        while cursor.advance()? {
            let (key, stored) = cursor.row();
            let name = std::str::from_utf8(key).map_err(|_| {
                Error::new(ErrorKind::Corruption, "a row count has a name that is not a keyspace name")
                    .hint(HINT)
            })?;
            if name == KEYSPACE {
                continue;
            }
            tallies.insert(name.to_owned(), Tally::open(name, stored)?);
        }
        let mut without = keyspaces.iter().filter(|info| !tallies.contains_key(&*info.name)).peekable();
        // After the single tallies, whose own errors say more.
        match (Root::check(snapshot, self.id), without.peek()) {
            (Err(error), Some(info)) if error.kind() == ErrorKind::Corruption => {
                Err(missing_with(error, info))
            }
            (Err(error), _) => Err(error),
            (Ok(()), _) => match without.find(|info| &*info.name == DEFAULT_KEYSPACE) {
                Some(info) => Err(missing(&format!("keyspace {:?}", info.name)).in_keyspace(&info.name)),
                None => Ok(tallies),
            },
        }
    }
}

/// The tally of a keyspace while a batch is counted.
struct Book {
    id: KeyspaceId,
    name: String,
    /// The tally as it is stored.
    stored: Option<Bytes>,
    tally: Tally,
    hasher: RowHasher,
}

fn is_empty(backend: &dyn StorageBackend, id: KeyspaceId) -> Result<bool> {
    is_empty_in(&*backend.snapshot()?, id)
}

fn is_empty_in(snapshot: &dyn Snapshot, id: KeyspaceId) -> Result<bool> {
    let mut cursor = snapshot.cursor(id, Scan::all().keys_only())?;
    Ok(!cursor.advance()?)
}

fn missing(of: &str) -> Error {
    Error::new(ErrorKind::Corruption, format!("the row count of {of} is missing")).hint(HINT)
}

/// As [`missing`], where the tally of the tallies has revealed it.
fn missing_with(error: Error, info: &KeyspaceInfo) -> Error {
    error
        .into_kind(ErrorKind::Corruption, format!("the row count of keyspace {:?} is missing", info.name))
        .in_keyspace(&info.name)
        .hint(HINT)
}

/// The error for a keyspace that is missing although it has a tally.
pub(crate) fn lost(name: &str) -> Error {
    Error::new(
        ErrorKind::Corruption,
        format!("keyspace {name:?} is lost: its row count exists, but the keyspace does not"),
    )
    .in_keyspace(name)
    .hint(HINT)
}
