//! Walks over a column family as a snapshot sees it, with RocksDB's raw iterator.

use crate::error::translate;
use crate::keyspace::{Database, Held};
use crate::view::OwnedView;
use rocksdb::{DBRawIteratorWithThreadMode, ReadOptions};
use self_cell::self_cell;
use std::sync::Arc;
use strongroom_core::{Direction, EngineCursor, KeyRange, Result, Scan};

type Iter<'s> = DBRawIteratorWithThreadMode<'s, Database>;

self_cell!(
    /// An iterator and its snapshot, which stays open as long.
    struct Rows {
        owner: Arc<OwnedView>,
        #[covariant]
        dependent: Iter,
    }
);

/// A cursor of RocksDB. It keeps its snapshot and the files of its keyspace.
pub struct RocksDbCursor {
    rows: Rows,
    direction: Direction,
    is_positioned: bool,
    // Declared last: RocksDB's iterator refers to the handle that it was created with.
    _family: Arc<Held>,
}

impl RocksDbCursor {
    pub(crate) fn new(
        view: &Arc<OwnedView>,
        family: Arc<Held>,
        scan: &Scan,
        prefix_bytes: Option<usize>,
    ) -> Self {
        let options = read_options(scan, prefix_bytes);
        let rows = Rows::new(Arc::clone(view), |view| {
            view.borrow_dependent().snapshot.raw_iterator_cf_opt(family.borrow_dependent(), options)
        });
        Self { rows, direction: scan.direction, is_positioned: false, _family: family }
    }
}

/// Passes the bounds to RocksDB: it then stops at the end of the range, instead of searching the deleted rows
/// after it for a row that is not wanted.
fn read_options(scan: &Scan, prefix_bytes: Option<usize>) -> ReadOptions {
    let mut options = ReadOptions::default();
    if !scan.range.start().is_empty() {
        options.set_iterate_lower_bound(scan.range.start());
    }
    if let Some(end) = scan.range.end() {
        options.set_iterate_upper_bound(end);
    }
    // Prefix filters may be used only if all rows of the walk share its first row's prefix. Otherwise rows with
    // other prefixes would be missing.
    if scan.direction == Direction::Forward
        && prefix_bytes.is_some_and(|len| has_one_prefix(&scan.range, len))
    {
        options.set_prefix_same_as_start(true);
    } else {
        options.set_total_order_seek(true);
    }
    options
}

/// Returns whether all keys of the range begin with the same `len` bytes.
fn has_one_prefix(range: &KeyRange, len: usize) -> bool {
    let Some(prefix) = range.start().get(..len) else { return false };
    match (range.end(), KeyRange::prefix(prefix).end()) {
        (Some(end), Some(end_of_prefix)) => end <= end_of_prefix,
        // No key comes after a prefix that consists of ff bytes.
        (_, None) => true,
        (None, Some(_)) => false,
    }
}

/// Moves to the next row. An iterator without a row has ended or failed; only its status distinguishes the two.
fn step(rows: &mut Iter<'_>, direction: Direction, is_positioned: &mut bool) -> Result<bool> {
    match (*is_positioned, direction) {
        (true, Direction::Forward) => rows.next(),
        (true, Direction::Reverse) => rows.prev(),
        // The iterator's bounds define the first and the last row.
        (false, Direction::Forward) => rows.seek_to_first(),
        (false, Direction::Reverse) => rows.seek_to_last(),
    }
    *is_positioned = true;
    if rows.valid() {
        return Ok(true);
    }
    rows.status().map_err(translate)?;
    Ok(false)
}

impl EngineCursor for RocksDbCursor {
    #[inline]
    fn advance(&mut self) -> Result<bool> {
        let Self { rows, direction, is_positioned, .. } = self;
        rows.with_dependent_mut(|_, rows| step(rows, *direction, is_positioned))
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.rows.borrow_dependent().key().unwrap_or_default()
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.rows.borrow_dependent().value().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_used_only_for_ranges_within_one_prefix() {
        let within = |range: KeyRange| has_one_prefix(&range, 2);
        assert!(within(KeyRange::prefix(b"ab")));
        assert!(within(KeyRange::prefix(b"abc")));
        assert!(within(KeyRange::between("abc", "abd")));
        assert!(within(KeyRange::prefix(b"\xff\xff")));
        assert!(within(KeyRange::from(&b"\xff\xff\x01"[..])));
        assert!(!within(KeyRange::all()));
        assert!(!within(KeyRange::prefix(b"a")));
        assert!(!within(KeyRange::from("ab")));
        assert!(!within(KeyRange::between("ab", "ac\0")));
        assert!(!within(KeyRange::between("ab", "ad")));
        assert!(!within(KeyRange::from(&b"\xff\xfe"[..])));
    }
}
