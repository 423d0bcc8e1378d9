//! The tally of the tallies, or root: their number, and a hash over all of them. It is a row among them, under
//! the reserved name of their own keyspace.
//!
//! Rows and their tally are written together, so an engine may lose them together: with a piece of its log, or
//! with the whole keyspace. The rest is then consistent in itself. But each commit that changes any tally also
//! writes the root. So the root is as new as the newest tally, and counts all of them.
//!
//! A damaged or missing root stays as it is: commits continue, and `verify` reports it.

use crate::format::own_keyspaces::TALLIES_KEYSPACE as KEYSPACE;
use crate::format::tally::{HINT, RowHasher, State, Tally};
use strongroom_core::{Error, ErrorKind, KeyspaceId, Result, Scan, Snapshot, StorageBackend, WriteBatch};

#[derive(Debug)]
pub(super) struct Root {
    /// None if it is damaged or missing. It is not written then.
    tally: Option<Tally>,
    hasher: RowHasher,
}

impl Root {
    /// Reads the stored root.
    pub(super) fn read(backend: &dyn StorageBackend, id: KeyspaceId) -> Result<Self> {
        let stored = backend.get(id, KEYSPACE.as_bytes())?;
        let tally = match stored.map(|stored| Tally::open(KEYSPACE, &stored)) {
            Some(Err(error)) if error.kind() != ErrorKind::Corruption => return Err(error),
            found => found.and_then(Result::ok),
        };
        Ok(Self { tally, hasher: RowHasher::of(KEYSPACE) })
    }

    /// Counts all tallies in a snapshot again, except the one of `without`.
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

    /// Returns [`Corruption`](ErrorKind::Corruption) if the tallies in a snapshot are not those that were
    /// written.
    pub(super) fn check(snapshot: &dyn Snapshot, id: KeyspaceId) -> Result<()> {
        let found = Self::count(snapshot, id, None)?.tally;
        let what = match snapshot.get(id, KEYSPACE.as_bytes())? {
            None => "the checksum over all row counts is missing",
            Some(stored) if Some(Tally::open(KEYSPACE, &stored)?) == found => return Ok(()),
            Some(_) => {
                "the row counts are not those that were written: some are missing or too old, and so \
                 may be the rows that they count"
            }
        };
        Err(Error::new(ErrorKind::Corruption, what).hint(HINT))
    }

    /// Adds a changed tally to `batch`. `before` and `after` are its stored forms.
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

    /// Adds the root to the same batch, after all changes.
    pub(super) fn put(&self, batch: &mut WriteBatch, id: KeyspaceId) {
        if let Some(tally) = self.tally {
            batch.put(id, KEYSPACE.as_bytes(), &Tally { state: State::Live, ..tally }.seal(KEYSPACE));
        }
    }
}
