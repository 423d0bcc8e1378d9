//! [`Store::verify`]: reads everything in one snapshot, in every way in which a reader may read it.
//!
//! A scan alone is not enough. An engine may lose a page of its index, so that a scan finds a row that a read by
//! key does not, or a reverse scan misses a row. So each row is read by its key too, and the keys are scanned
//! once more in reverse.

use super::snapshot::Snapshot;
use super::store::Store;
use crate::catalog::{KeyspaceInfo, Keyspaces};
use crate::features::high_water::recovery;
use crate::features::tallies::ledger::lost;
use crate::format::tally::{HINT, RowHasher, State, Tally};
use crate::format::{envelope, expiry_index, keyspace_row, own_rows};
use crate::integrity::Integrity;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use strongroom_core::limits::check_backend_key;
use strongroom_core::{Error, ErrorKind, KeyspaceId, Result, Scan};

/// Maximum rows between two calls of `watch`.
const WATCH_ROWS: u64 = 1_000;

/// The progress of [`Store::verify`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifyProgress<'a> {
    /// The keyspace that is being read. The store's own keyspaces, whose names begin with `_`, come first and are
    /// not counted below.
    pub keyspace: &'a str,
    /// Number of keyspaces that are done.
    pub keyspaces_done: usize,
    /// Number of all keyspaces.
    pub keyspaces: usize,
    /// Rows checked so far, in all keyspaces.
    pub rows: u64,
    /// Rows expected in all keyspaces, if the store counts them ([`Integrity::Full`]).
    pub rows_expected: Option<u64>,
}

/// The result of [`Store::verify`]: what was read and found intact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// Keyspaces that were read to their end.
    pub keyspaces: usize,
    /// Rows that were checked.
    pub rows: u64,
    /// Their keys and values, in bytes.
    pub bytes: u64,
    /// How the store detects missing rows. With [`Integrity::Rows`] they are not detected.
    pub integrity: Integrity,
    /// `watch` stopped the check before its end.
    pub stopped: bool,
}

type Watch<'w> = dyn FnMut(&VerifyProgress<'_>) -> ControlFlow<()> + 'w;

impl Store {
    /// Reads everything in one snapshot, and finds what is not as it was written: rows that fail their checksum,
    /// keys out of order, rows that a scan finds and a read by key does not (or the other way round, or in
    /// reverse). With [`Integrity::Full`](crate::Integrity::Full) it finds missing rows and keyspaces too.
    ///
    /// `watch` is called at each keyspace and at least every 1,000 rows. If it breaks, the check stops, and
    /// [`stopped`](Verified::stopped) is set. Readers and writers continue meanwhile. A keyspace that is dropped
    /// meanwhile is left out.
    ///
    /// Returns the first damage found as [`Corruption`](ErrorKind::Corruption), with keyspace and key. Returns
    /// [`SnapshotExpired`](ErrorKind::SnapshotExpired) if too much was overwritten meanwhile, on an engine
    /// without snapshots of its own: run it again when less is written.
    pub fn verify(&self, watch: &mut dyn FnMut(&VerifyProgress<'_>) -> ControlFlow<()>) -> Result<Verified> {
        self.base().located("verify", || check(self, watch))
    }
}

fn check(store: &Store, watch: &mut Watch<'_>) -> Result<Verified> {
    // Before the snapshot, since the mark only advances.
    let mark = recovery::read(store.base())?;
    let (snapshot, known, tallies) = consistent_state(store)?;
    recovery::check_snapshot(
        store.base(),
        store.handle.features.high_water.accepted,
        mark,
        snapshot.backend(),
    )?;
    let keyspaces = known.of_applications();
    let verified = Verified { keyspaces: 0, rows: 0, bytes: 0, integrity: store.integrity(), stopped: false };
    let rows_expected = tallies.as_ref().map(rows_expected);
    let mut check = Check {
        snapshot: &snapshot,
        own_keyspace: store.base().own_keyspace(),
        watch,
        keyspaces: keyspaces.len(),
        done: 0,
        tallies,
        rows_expected,
        verified,
    };
    let mut all = known.reserved();
    all.extend(keyspaces);
    for info in &all {
        match check.keyspace(info) {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => {
                check.verified.stopped = true;
                break;
            }
            Err(error) if error.kind() == ErrorKind::NotFound && was_dropped(store, info)? => {}
            Err(error) => {
                store.base().count_damaged(&error);
                return Err(error);
            }
        }
    }
    Ok(check.verified)
}

type Tallies = BTreeMap<String, Tally>;

/// How often a keyspace with a tally has to be missing before it counts as lost, while another process may create
/// and drop it. A keyspace that was created after the names were read, is in the snapshot, and was dropped before
/// the names are read again seems lost. Each attempt takes another snapshot, and only a real loss shows in all of
/// them.
const ATTEMPTS_MAX: usize = 32;

/// Takes a snapshot, with the keyspaces of the same state, and their tallies if the store keeps them.
fn consistent_state(store: &Store) -> Result<(Snapshot, Keyspaces, Option<Tallies>)> {
    let mut attempts = 0;
    loop {
        let (snapshot, known) = store.snapshot_with_keyspaces()?;
        let Some(ledger) = store.handle.features.tallies.ledger else { return Ok((snapshot, known, None)) };
        let tallies = ledger.tallies(snapshot.backend(), &known.of_applications())?;
        let is_lost = |(name, tally): &(&String, &Tally)| {
            tally.state == State::Live && !known.by_name.contains_key(*name)
        };
        attempts += 1;
        match tallies.iter().find(is_lost) {
            None => return Ok((snapshot, known, Some(tallies))),
            Some(_) if store.base().is_beside_a_writer() && attempts < ATTEMPTS_MAX => {}
            Some((name, _)) => return Err(lost(name)),
        }
    }
}

/// Returns the number of rows in all tallies. A tally below zero disagrees with its rows: it is left out here and
/// reported later.
fn rows_expected(tallies: &Tallies) -> u64 {
    let counted = tallies.values().filter(|tally| !tally.is_below_zero());
    counted.fold(0, |rows, tally| tally.rows.saturating_add(rows))
}

/// Whether the keyspace was dropped since the snapshot was taken.
fn was_dropped(store: &Store, info: &KeyspaceInfo) -> Result<bool> {
    store.base().refresh_catalog()?;
    Ok(store.base().catalog.check(info.id).is_err())
}

struct Check<'c, 'w> {
    snapshot: &'c Snapshot,
    /// The store's own keyspace.
    own_keyspace: Option<KeyspaceId>,
    watch: &'c mut Watch<'w>,
    keyspaces: usize,
    done: usize,
    tallies: Option<Tallies>,
    rows_expected: Option<u64>,
    verified: Verified,
}

impl Check<'_, '_> {
    fn keyspace(&mut self, info: &KeyspaceInfo) -> Result<ControlFlow<()>> {
        self.walk(info).map_err(|error| match error.kind() {
            // An error of the engine does not name the keyspace. An error of the store does, and has no engine
            // yet.
            kind @ (ErrorKind::Corruption | ErrorKind::Io) if error.engine().is_some() => {
                let hint = match kind {
                    ErrorKind::Corruption => HINT.to_owned(),
                    _ => error.way_out().to_owned(),
                };
                error
                    .into_kind(kind, format!("keyspace {:?} cannot be read", info.name))
                    .in_keyspace(&info.name)
                    .hint(hint)
            }
            _ => error,
        })
    }

    fn walk(&mut self, info: &KeyspaceInfo) -> Result<ControlFlow<()>> {
        if self.report(info).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        let Some(found) = self.forward(info)? else { return Ok(ControlFlow::Break(())) };
        let rows = found.rows;
        let Some(reverse) = self.reverse(info)? else { return Ok(ControlFlow::Break(())) };
        if rows != reverse {
            let name = &info.name;
            return Err(Error::new(
                ErrorKind::Corruption,
                format!("keyspace {name:?} has {rows} rows forwards and {reverse} in reverse"),
            )
            .in_keyspace(name)
            .hint(HINT));
        }
        if !info.is_reserved() {
            self.check_tally(info, found)?;
            self.done += 1;
            self.verified.keyspaces += 1;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Compares the rows that were found with the tally.
    fn check_tally(&self, info: &KeyspaceInfo, found: Tally) -> Result<()> {
        let Some(tallies) = &self.tallies else { return Ok(()) };
        let expected = match tallies.get(&*info.name) {
            // A keyspace that is being dropped may be incomplete.
            Some(tally) if tally.state == State::Dropping => return Ok(()),
            Some(tally) => *tally,
            // Nothing was ever written to it.
            None => Tally::EMPTY,
        };
        if found == expected {
            return Ok(());
        }
        let (name, rows) = (&info.name, found.rows);
        let message = if rows == expected.rows {
            format!("keyspace {name:?} has other rows than were written: some are of an earlier version")
        } else if expected.is_below_zero() {
            let tally = expected.rows.cast_signed();
            format!("keyspace {name:?} has {rows} rows, but its row count is {tally}: deleted rows came back")
        } else {
            format!("keyspace {name:?} has {rows} rows, but {} were written", expected.rows)
        };
        Err(Error::new(ErrorKind::Corruption, message).in_keyspace(name).hint(HINT))
    }

    fn report(&mut self, info: &KeyspaceInfo) -> ControlFlow<()> {
        (self.watch)(&VerifyProgress {
            keyspace: &info.name,
            keyspaces_done: self.done,
            keyspaces: self.keyspaces,
            rows: self.verified.rows,
            rows_expected: self.rows_expected,
        })
    }

    /// Reads every row forwards, and each row again by its key. Returns none if it was stopped.
    fn forward(&mut self, info: &KeyspaceInfo) -> Result<Option<Tally>> {
        let mut cursor = self.snapshot.backend().cursor(info.id, Scan::all())?;
        let mut hasher = self.tallies.as_ref().map(|_| RowHasher::of(&info.name));
        let mut found = Tally::EMPTY;
        let mut last = Vec::new();
        while cursor.advance()? {
            let (key, stored) = cursor.row();
            if check_backend_key(key).is_err() || key <= last.as_slice() {
                return Err(row_error(info, key, "is out of order or has an invalid key"));
            }
            self.row(info, key, stored)?;
            found.add(hasher.as_mut().map_or(0, |hasher| hasher.hash(key, stored)));
            key.clone_into(&mut last);
            if found.rows.is_multiple_of(WATCH_ROWS) && self.report(info).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(found))
    }

    fn row(&mut self, info: &KeyspaceInfo, key: &[u8], stored: &[u8]) -> Result<()> {
        match self.snapshot.backend().get(info.id, key)? {
            None => return Err(row_error(info, key, "is found by a scan but not found by its key")),
            Some(found) if found != stored => {
                return Err(row_error(info, key, "is not the same in a scan and when read by its key"));
            }
            Some(_) => {}
        }
        if info.is_reserved() {
            return own_rows::check(&info.name, key, stored);
        }
        let (meta, value_start) =
            envelope::open(info.seed, key, stored).map_err(|damage| damage.into_error(&info.name, key))?;
        if let Some(at_ms) = meta.expires_at_ms {
            self.check_index(info, key, at_ms)?;
        }
        self.verified.rows += 1;
        self.verified.bytes += (key.len() + stored.len() - value_start) as u64;
        Ok(())
    }

    /// Checks that a row that expires has an entry in the index, without which it would never be removed, and
    /// that the settings of its keyspace say that rows may expire.
    fn check_index(&self, info: &KeyspaceInfo, key: &[u8], at_ms: u64) -> Result<()> {
        if !self.is_indexed(info, key, at_ms)? {
            return Err(row_error(info, key, "expires, but its entry in the expiry index is missing"));
        }
        // From the same snapshot, since another process may have written it after the catalog was loaded.
        let row = keyspace_row::in_snapshot(self.snapshot.backend(), self.own_keyspace, &info.name)?;
        if !row.may_expire {
            return Err(row_error(info, key, "expires, but the settings of its keyspace are missing"));
        }
        Ok(())
    }

    fn is_indexed(&self, info: &KeyspaceInfo, key: &[u8], at_ms: u64) -> Result<bool> {
        let Some(own) = self.own_keyspace else { return Ok(false) };
        for time_ms in expiry_index::entry_times_ms(at_ms) {
            let (index_key, _) = expiry_index::entry(time_ms, &info.name, key);
            if self.snapshot.backend().get(own, &index_key)?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Returns the number of rows in reverse. Returns none if it was stopped.
    fn reverse(&mut self, info: &KeyspaceInfo) -> Result<Option<u64>> {
        let mut cursor = self.snapshot.backend().cursor(info.id, Scan::all().reverse().keys_only())?;
        let mut rows = 0;
        let mut last = Vec::new();
        while cursor.advance()? {
            let key = cursor.key();
            if rows > 0 && key >= last.as_slice() {
                return Err(row_error(info, key, "is out of order in reverse"));
            }
            key.clone_into(&mut last);
            rows += 1;
            if rows % WATCH_ROWS == 0 && self.report(info).is_break() {
                return Ok(None);
            }
        }
        Ok(Some(rows))
    }
}

fn row_error(info: &KeyspaceInfo, key: &[u8], what: &str) -> Error {
    let (name, shown) = (&info.name, key.escape_ascii());
    Error::new(ErrorKind::Corruption, format!("the row with key \"{shown}\" in keyspace {name:?} {what}"))
        .in_keyspace(name)
        .with_key(key)
        .hint(HINT)
}
