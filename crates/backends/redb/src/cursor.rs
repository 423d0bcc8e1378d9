//! Walks over a table, holding one row's guards at a time.

use crate::error::translate;
use crate::keyspace::{Database, Row};
use redb::{AccessGuard, Range};
use std::ops::Bound;
use std::sync::Arc;
use strongroom_core::{Direction, EngineCursor, Result, Scan};

/// A cursor of redb.
///
/// Key and value have a field each, filled as redb returns them: a single field with a pair costs more, because
/// the pair is moved around.
pub struct RedbCursor {
    key: Option<AccessGuard<'static, Row>>,
    value: Option<AccessGuard<'static, Row>>,
    /// None: the keyspace is not in this snapshot.
    rows: Option<Range<'static, Row, Row>>,
    direction: Direction,
    // Declared last: redb closes its file with the database, and the rows still need it.
    _database: Arc<Database>,
}

impl RedbCursor {
    pub(crate) fn new(
        table: Option<&redb::ReadOnlyTable<Row, Row>>,
        scan: &Scan,
        database: Arc<Database>,
    ) -> Result<Self> {
        let end = scan.range.end().map_or(Bound::Unbounded, Bound::Excluded);
        let bounds = (Bound::Included(scan.range.start()), end);
        let rows = table.map(|table| table.range::<&[u8]>(bounds)).transpose().map_err(translate)?;
        Ok(Self { key: None, value: None, rows, direction: scan.direction, _database: database })
    }
}

impl EngineCursor for RedbCursor {
    #[inline]
    fn advance(&mut self) -> Result<bool> {
        let Some(rows) = &mut self.rows else { return Ok(false) };
        let next = match self.direction {
            Direction::Forward => rows.next(),
            Direction::Reverse => rows.next_back(),
        };
        match next {
            Some(Ok((key, value))) => {
                // redb panics on a damaged page when the bytes are read. Here the panic is caught; in `key` and
                // `value` it would not be.
                let _ = (key.value(), value.value());
                self.key = Some(key);
                self.value = Some(value);
                Ok(true)
            }
            Some(Err(error)) => Err(translate(error)),
            None => {
                self.key = None;
                self.value = None;
                Ok(false)
            }
        }
    }

    #[inline]
    fn key(&self) -> &[u8] {
        self.key.as_ref().map_or(&[], |key| key.value())
    }

    #[inline]
    fn value(&self) -> &[u8] {
        self.value.as_ref().map_or(&[], |value| value.value())
    }
}
