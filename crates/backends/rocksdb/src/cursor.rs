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
    /// An iterator and the snapshot it reads, which stays open as long.
    struct Rows {
        owner: Arc<OwnedView>,
        #[covariant]
        dependent: Iter,
    }
);

/// Cursor of RocksDB. It keeps its snapshot alive, and the files of its keyspace.
pub struct RocksDbCursor {
    rows: Rows,
    direction: Direction,
    is_positioned: bool,
    // Declared last: RocksDB's iterator remembers the handle it was made with.
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

/// The bounds are RocksDB's business: with them it stops where the range ends, instead of walking on over
/// what was deleted behind it to find a row that nobody wants.
fn read_options(scan: &Scan, prefix_bytes: Option<usize>) -> ReadOptions {
    let mut options = ReadOptions::default();
    if !scan.range.start().is_empty() {
        options.set_iterate_lower_bound(scan.range.start());
    }
    if let Some(end) = scan.range.end() {
        options.set_iterate_upper_bound(end);
    }
    // Filters of prefixes may be asked only if all rows have the prefix that the walk begins with. Else
    // rows with other prefixes would be missing.
    if scan.direction == Direction::Forward
        && prefix_bytes.is_some_and(|len| has_one_prefix(&scan.range, len))
    {
        options.set_prefix_same_as_start(true);
    } else {
        options.set_total_order_seek(true);
    }
    options
}

/// Whether all keys of the range begin with the same `len` bytes.
fn has_one_prefix(range: &KeyRange, len: usize) -> bool {
    let Some(prefix) = range.start().get(..len) else { return false };
    match (range.end(), KeyRange::prefix(prefix).end()) {
        (Some(end), Some(end_of_prefix)) => end <= end_of_prefix,
        // Nothing comes after a prefix of nothing but ff.
        (_, None) => true,
        (None, Some(_)) => false,
    }
}

/// To the next row. An iterator that stands nowhere has come to the end or failed, and only its status says
/// which.
fn step(rows: &mut Iter<'_>, direction: Direction, is_positioned: &mut bool) -> Result<bool> {
    match (*is_positioned, direction) {
        (true, Direction::Forward) => rows.next(),
        (true, Direction::Reverse) => rows.prev(),
        // The bounds say where that is.
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
    fn filters_are_asked_only_for_ranges_within_one_prefix() {
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
