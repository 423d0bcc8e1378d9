//! The tally of the tallies: how many there are, and a hash over all of them. It is a row among them, under the
//! name of their own keyspace, which no application's can have.
//!
//! Rows and their tally are written together, so that an engine may lose them together: a piece of its log, or the
//! keyspace with all that was said about it. What is left then agrees with itself. This row is written by each
//! commit that changes a tally, whatever its keyspace, so it is of the newest of them and knows of all.
//!
//! One that is damaged or gone stays as it is: commits go on, and `verify` reports it.

use crate::format::own_keyspaces::TALLIES_KEYSPACE as KEYSPACE;
use crate::format::tally::{HINT, RowHasher, State, Tally};
use strongroom_core::{Error, ErrorKind, KeyspaceId, Result, Scan, Snapshot, StorageBackend, WriteBatch};

#[derive(Debug)]
pub(super) struct Root {
    /// None: damaged or gone, and not to be written.
    tally: Option<Tally>,
    hasher: RowHasher,
}

impl Root {
    /// As it is stored.
    pub(super) fn read(backend: &dyn StorageBackend, id: KeyspaceId) -> Result<Self> {
        let stored = backend.get(id, KEYSPACE.as_bytes())?;
        let tally = match stored.map(|stored| Tally::open(KEYSPACE, &stored)) {
            Some(Err(error)) if error.kind() != ErrorKind::Corruption => return Err(error),
            found => found.and_then(Result::ok),
        };
        Ok(Self { tally, hasher: RowHasher::of(KEYSPACE) })
    }

    /// Counted anew, over all tallies that a snapshot has but that of `without`.
    pub(super) fn count(snapshot: &dyn Snapshot, id: KeyspaceId, without: Option<&str>) -> Result<Self> {
        let mut hasher = RowHasher::of(KEYSPACE);
        let mut tally = Tally::EMPTY;
        let mut cursor = snapshot.cursor(id, Scan::all())?;
        while cursor.advance()? {
            let (key, stored) = cursor.row();
            if key != KEYSPACE.as_bytes() && without.is_none_or(|name| name.as_bytes() != key) {
                tally.add(hasher.hash(key, stored));
            }
        }
        Ok(Self { tally: Some(tally), hasher })
    }

    /// [`Corruption`](ErrorKind::Corruption): the tallies that a snapshot has are not those that were written.
    pub(super) fn check(snapshot: &dyn Snapshot, id: KeyspaceId) -> Result<()> {
        let found = Self::count(snapshot, id, None)?.tally;
        let what = match snapshot.get(id, KEYSPACE.as_bytes())? {
            None => "the tally of all tallies is gone",
            Some(stored) if Some(Tally::open(KEYSPACE, &stored)?) == found => return Ok(()),
            Some(_) => {
                "the tallies are not those that were written: some are gone or of an earlier time, and the rows \
                 that they counted may be too"
            }
        };
        Err(Error::new(ErrorKind::Corruption, what).hint(HINT))
    }

    /// Adds a tally that changes to `batch`, as it is stored before and after.
    pub(super) fn change(
        &mut self,
        batch: &mut WriteBatch,
        id: KeyspaceId,
        name: &str,
        before: Option<&[u8]>,
        after: Option<&[u8]>,
    ) {
        let key = name.as_bytes();
        match after {
            Some(after) => batch.put(id, key, after),
            None => batch.delete(id, key),
        };
        let Some(tally) = &mut self.tally else { return };
        if let Some(before) = before {
            tally.remove(self.hasher.hash(key, before));
        }
        if let Some(after) = after {
            tally.add(self.hasher.hash(key, after));
        }
    }

    /// Adds this row to the same batch, when all changes are in it.
    pub(super) fn put(&self, batch: &mut WriteBatch, id: KeyspaceId) {
        if let Some(tally) = self.tally {
            batch.put(id, KEYSPACE.as_bytes(), &Tally { state: State::Live, ..tally }.seal(KEYSPACE));
        }
    }
}
