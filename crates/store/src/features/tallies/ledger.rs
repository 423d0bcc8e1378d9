//! The tallies of a store with [`Integrity::Full`](super::Integrity::Full), in a keyspace of their own: for
//! each keyspace one row under its name.
//!
//! A commit changes rows and tallies in one atomic batch (invariant 11). Keyspaces are created and dropped in
//! steps, and a power cut may come between any two; so the steps are in an order in which what is found then
//! is plain:
//!
//! * no tally: the keyspace is empty, or is not there (it was being created); if not, or if the tally of the
//!   tallies knows of another, it is lost;
//! * a live tally: the keyspace is there, with these rows; if not, it is lost;
//! * a tally that says `dropping`: whatever is there is to be dropped, which the next opening does. Until then
//!   nobody sees it.
//!
//! All of it happens under the commit lock.

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
    /// The keyspace of the tallies.
    pub(crate) fn id(self) -> KeyspaceId {
        self.id
    }

    /// None for a store that has only its checksums. Finishes drops that were cut short, unless the store is
    /// only read.
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
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(gone("all keyspaces")),
            found => found?,
        };
        let ledger = Self { id };
        if is_new && backend.get(id, KEYSPACE.as_bytes())?.is_none() {
            let mut batch = WriteBatch::new();
            Root::count(&*backend.snapshot()?, id, None)?.put(&mut batch, id);
            commit_durably(backend, &batch)?;
        }
        // In a store that was ready it is a loss, which stops whoever writes there and nobody who reads.
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
            // One that cannot be read is for `verify` to report: the store opens all the same.
            if Tally::open(name, stored).is_ok_and(|tally| tally.state == State::Dropping) {
                names.push(name.to_owned());
            }
        }
        drop(cursor);
        drop(snapshot);
        for name in names {
            match self.finish_drop(backend, &name) {
                // The engine is busy and touched nothing. It is hidden until the next opening drops it.
                Err(error) if error.kind() == ErrorKind::Unavailable => {}
                finished => finished?,
            }
        }
        Ok(())
    }

    /// Drops what is there of a keyspace whose drop was begun.
    fn finish_drop(self, backend: &dyn StorageBackend, name: &str) -> Result<()> {
        match backend.keyspace(name) {
            Ok(id) => backend.drop_keyspace(id)?,
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.end_drop(backend, name)
    }

    /// Adds to `merged` the tallies as they are when it is applied. The caller holds the commit lock: between the
    /// reads here and the commit nobody writes.
    pub(crate) fn add_tallies(self, base: &Base, merged: &mut WriteBatch) -> Result<()> {
        let backend = base.backend();
        let mut books = Vec::with_capacity(merged.keyspaces().len());
        for id in merged.keyspaces() {
            let info = base.catalog.info(*id)?;
            books.push(if info.is_reserved() { None } else { Some(self.book(backend, *id, &info.name)?) });
        }
        // What the batch itself has done to a key so far.
        let mut now: HashMap<(usize, &[u8]), Option<u128>> = HashMap::with_capacity(merged.len());
        for (slot, op) in merged.ops() {
            let Some(book) = &mut books[slot] else { continue };
            let key = op.key();
            let before = match now.get(&(slot, key)) {
                Some(before) => *before,
                // As it is stored, whether its checksum fits or not: the tally is over what is stored.
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
            None => return Err(gone(&format!("keyspace {name:?}"))),
        };
        if tally.state == State::Dropping {
            return Err(Error::new(ErrorKind::NotFound, format!("keyspace {name:?} is being dropped"))
                .hint("drop it again, or reopen the store, which finishes the drop"));
        }
        Ok(Book { id, name: name.to_owned(), stored, tally, hasher: RowHasher::of(name) })
    }

    /// Whether a keyspace without a tally is one whose creation was cut short. Taken for one, a keyspace that was
    /// lost with its tally would get a new one, so all tallies have to be there.
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

    /// Before a keyspace is created: what a drop has left is removed, and a loss is not hidden.
    pub(crate) fn before_creation(self, backend: &dyn StorageBackend, name: &str) -> Result<()> {
        let Some(stored) = backend.get(self.id, name.as_bytes())? else { return Ok(()) };
        match Tally::open(name, &stored)?.state {
            State::Dropping => self.finish_drop(backend, name),
            State::Live => self.check_not_lost(backend, name),
        }
    }

    /// After a keyspace was created: it has no rows.
    pub(crate) fn enter(self, backend: &dyn StorageBackend, name: &str) -> Result<()> {
        self.set(backend, Root::read(backend, self.id)?, name, Some(&Tally::EMPTY.seal(name)))
    }

    /// [`Corruption`](ErrorKind::Corruption): there is a tally for this name and no keyspace.
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

    /// Drops the keyspace so that a power cut at any moment leaves it as it was or has it dropped.
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
            // What it said is not known, and goes with the keyspace. The others are counted anew without it.
            _ => Root::count(&*backend.snapshot()?, self.id, Some(name))?,
        };
        let is_counted = !matches!(opened, Some(Err(_)));
        let tally = opened.and_then(Result::ok).unwrap_or(Tally::EMPTY);
        let dropping = Tally { state: State::Dropping, ..tally }.seal(name);
        self.replace(backend, root, name, before.as_deref().filter(|_| is_counted), Some(&dropping))?;
        match backend.drop_keyspace(id) {
            Err(error) if error.kind() == ErrorKind::Unavailable => {
                // Nothing was touched: it is as it was, a damaged tally too.
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

    /// The keyspace is gone: so may be what is known about it, when its end is durable.
    pub(crate) fn end_drop(self, backend: &dyn StorageBackend, name: &str) -> Result<()> {
        backend.flush()?;
        self.set(backend, Root::read(backend, self.id)?, name, None)
    }

    /// Writes the tally of a keyspace in place of what is stored, or removes it.
    fn set(self, backend: &dyn StorageBackend, root: Root, name: &str, after: Option<&[u8]>) -> Result<()> {
        let before = backend.get(self.id, name.as_bytes())?;
        self.replace(backend, root, name, before.as_deref(), after)
    }

    /// As [`set`](Self::set), where `root` counts `before`.
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

    /// All tallies in a snapshot, by keyspace. `keyspaces` are those that are there at the same moment.
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
                Error::new(ErrorKind::Corruption, "a tally has a name that is no keyspace's").hint(HINT)
            })?;
            if name == KEYSPACE {
                continue;
            }
            tallies.insert(name.to_owned(), Tally::open(name, stored)?);
        }
        let mut without = keyspaces.iter().filter(|info| !tallies.contains_key(&*info.name)).peekable();
        // After the single ones: their own damage says more.
        match (Root::check(snapshot, self.id), without.peek()) {
            (Err(error), Some(info)) if error.kind() == ErrorKind::Corruption => Err(gone_with(error, info)),
            (Err(error), _) => Err(error),
            (Ok(()), _) => match without.find(|info| &*info.name == DEFAULT_KEYSPACE) {
                Some(info) => Err(gone(&format!("keyspace {:?}", info.name))),
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

fn gone(of: &str) -> Error {
    Error::new(ErrorKind::Corruption, format!("the tally of {of} is gone")).hint(HINT)
}

/// As [`gone`], where the tally of the tallies has told that one is.
fn gone_with(error: Error, info: &KeyspaceInfo) -> Error {
    error
        .into_kind(ErrorKind::Corruption, format!("the tally of keyspace {:?} is gone", info.name))
        .hint(HINT)
}

/// The keyspace is gone, and its tally is still there.
pub(crate) fn lost(name: &str) -> Error {
    Error::new(ErrorKind::Corruption, format!("keyspace {name:?} is lost: its tally is there and it is not"))
        .hint(HINT)
}
