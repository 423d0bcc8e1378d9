//! Backends with wrong scans and seeks.

use super::backend::{Broken, on_faults, on_memory};
use crate::twist::{CursorTwist, Twist, TwistedCursor, View};
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use strongroom_core::{
    Cursor, Direction, Error, ErrorKind, KeyRange, KeyspaceId, Result, Scan, Visitor, after_prefix,
    just_after,
};

pub(super) const ALL: &[Broken] = &[
    Broken {
        name: "a visit skips its first row",
        caught_by: "a_visit_passes_the_same_rows_as_a_cursor",
        fixture: on_memory::<VisitSkips>,
    },
    Broken {
        name: "a stopped visit resumes after the next row",
        caught_by: "a_stopped_visit_can_be_resumed",
        fixture: on_memory::<VisitForgets>,
    },
    Broken {
        name: "a visitor's panic is swallowed",
        caught_by: "a_visitor_that_panics_breaks_nothing",
        fixture: on_memory::<VisitSwallowsPanic>,
    },
    Broken {
        name: "a visit takes a dropped keyspace for an empty one",
        caught_by: "a_visit_over_a_dropped_keyspace_is_refused",
        fixture: on_memory::<VisitSeesNothing>,
    },
    Broken {
        name: "a visit takes an error for the end",
        caught_by: "an_error_under_a_visit_is_never_the_end",
        fixture: on_faults::<VisitEndsAtError>,
    },
    Broken { name: "order is reversed", caught_by: "order_is_bytewise", fixture: on_memory::<ReversedOrder> },
    Broken {
        name: "bytes are compared as signed",
        caught_by: "order_is_bytewise",
        fixture: on_memory::<SignedOrder>,
    },
    Broken {
        name: "a prefix ends at prefix ff",
        caught_by: "a_prefix_scan_loses_no_key",
        fixture: on_memory::<PrefixEndsAtFf>,
    },
    Broken {
        name: "the last byte of a prefix is incremented, ff to 00",
        caught_by: "a_prefix_scan_loses_no_key",
        fixture: on_memory::<PrefixOverflows>,
    },
    Broken {
        name: "resuming after a key skips those that begin with it",
        caught_by: "a_paged_scan_skips_nothing",
        fixture: on_memory::<ResumeSkips>,
    },
    Broken {
        name: "an error under a cursor looks like the end",
        caught_by: "an_error_under_a_cursor_is_never_the_end",
        fixture: on_faults::<SwallowedError>,
    },
    Broken {
        name: "after an error a cursor reports its end",
        caught_by: "a_failed_cursor_keeps_failing",
        fixture: on_faults::<ForgottenError>,
    },
    Broken {
        name: "a row is skipped at a block's boundary",
        caught_by: "a_scan_of_many_rows_sees_each_once",
        fixture: on_memory::<SkipsAtBlock>,
    },
    Broken {
        name: "a reverse scan includes the end of its range",
        caught_by: "ranges_are_half_open",
        fixture: on_memory::<ReverseIncludesEnd>,
    },
    Broken {
        name: "an inverted range panics",
        caught_by: "empty_and_inverted_ranges_hold_nothing",
        fixture: on_memory::<InvertedRangePanics>,
    },
    Broken {
        name: "a reverse scan starts one row late",
        caught_by: "reverse_gives_the_same_rows_backwards",
        fixture: on_memory::<ReverseStartsLate>,
    },
    Broken {
        name: "a seek goes past its key",
        caught_by: "a_seek_stands_before_the_first_row_at_or_after",
        fixture: on_memory::<SeekPastKey>,
    },
    Broken {
        name: "a seek in reverse goes past its key",
        caught_by: "a_seek_in_reverse_stands_before_the_last_row_at_or_before",
        fixture: on_memory::<SeekPastKey>,
    },
    Broken {
        name: "a seek leaves the range",
        caught_by: "a_seek_stays_within_the_range",
        fixture: on_memory::<SeekLeavesRange>,
    },
    Broken {
        name: "a seek after the end does nothing",
        caught_by: "a_seek_works_backwards_and_after_the_end",
        fixture: on_memory::<SeekStuckAtEnd>,
    },
    Broken {
        name: "a seek to an empty key is accepted",
        caught_by: "a_seek_to_an_empty_key_is_refused_and_moves_nothing",
        fixture: on_memory::<SeekToNothing>,
    },
    Broken {
        name: "a cursor restarts after its end",
        caught_by: "a_cursor_at_its_end_stays_there",
        fixture: on_memory::<BeginsAnew>,
    },
    Broken {
        name: "a scan of keys only returns values",
        caught_by: "keys_only_gives_keys_and_no_values",
        fixture: on_memory::<KeysOnlyWithValues>,
    },
    Broken {
        name: "a scan of an empty keyspace is an error",
        caught_by: "a_scan_of_nothing_ends_at_once",
        fixture: on_memory::<EmptyIsNotFound>,
    },
    Broken {
        name: "a cursor on no row lends an empty one",
        caught_by: "a_cursor_on_no_row_lends_nothing",
        fixture: on_memory::<LendsNothing>,
    },
];

/// Defines a twist that changes only the scan.
macro_rules! changes_scan {
    ($name:ident, |$scan:ident| $change:expr) => {
        #[derive(Default)]
        struct $name;

        impl Twist for $name {
            fn cursor(&self, view: &View, keyspace: KeyspaceId, mut $scan: Scan) -> Result<Box<dyn Cursor>> {
                $change;
                view.snapshot.cursor(keyspace, $scan)
            }
        }
    };
}

/// Defines a twist that changes only the cursor.
macro_rules! changes_cursor {
    ($name:ident, |$scan:ident| $twist:expr) => {
        #[derive(Default)]
        struct $name;

        impl Twist for $name {
            fn cursor(&self, view: &View, keyspace: KeyspaceId, $scan: Scan) -> Result<Box<dyn Cursor>> {
                let twist = $twist;
                Ok(TwistedCursor::boxed(view.snapshot.cursor(keyspace, $scan)?, twist))
            }
        }
    };
}

changes_scan!(ReversedOrder, |scan| {
    scan.direction = match scan.direction {
        Direction::Forward => Direction::Reverse,
        Direction::Reverse => Direction::Forward,
    };
});

changes_scan!(PrefixEndsAtFf, |scan| {
    let prefix = scan.range.start().to_vec();
    if !prefix.is_empty() && scan.range.end() == after_prefix(&prefix).as_deref() {
        scan.range = KeyRange::between(prefix.clone(), [prefix.as_slice(), b"\xff"].concat());
    }
});

changes_scan!(PrefixOverflows, |scan| {
    let mut end = scan.range.start().to_vec();
    if scan.range.end() == after_prefix(&end).as_deref() && end.last() == Some(&0xff) {
        end.pop();
        end.push(0);
        scan.range = KeyRange::between(scan.range.start(), end);
    }
});

changes_scan!(ResumeSkips, |scan| {
    if let [prefix @ .., 0] = scan.range.start() {
        let after = after_prefix(prefix).unwrap_or_else(|| prefix.to_vec());
        scan.range = scan.range.clone().intersection(&KeyRange::from(after));
    }
});

changes_scan!(ReverseIncludesEnd, |scan| {
    let end = scan.range.end().map(just_after);
    if let (Direction::Reverse, false, Some(end)) = (scan.direction, scan.range.is_empty(), end) {
        scan.range = KeyRange::between(scan.range.start(), end);
    }
});

changes_cursor!(InvertedRangePanics, |scan| {
    // As `BTreeMap::range` does.
    let inverted = scan.range.end().is_some_and(|end| end < scan.range.start());
    assert!(!inverted, "range start is greater than range end");
    EmptySeek
});

changes_scan!(KeysOnlyWithValues, |scan| scan.keys_only = false);

/// Rows read in advance, to be lent in another order.
#[derive(Default)]
struct Listed {
    rows: VecDeque<(Vec<u8>, Vec<u8>)>,
    on_row: bool,
}

impl Cursor for Listed {
    fn advance(&mut self) -> Result<bool> {
        if self.on_row {
            self.rows.pop_front();
        }
        self.on_row = !self.rows.is_empty();
        Ok(self.on_row)
    }

    fn key(&self) -> &[u8] {
        self.rows.front().map_or(&[], |row| &row.0)
    }

    fn value(&self) -> &[u8] {
        self.rows.front().map_or(&[], |row| &row.1)
    }

    fn seek(&mut self, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

fn listed(cursor: &mut dyn Cursor) -> Result<Listed> {
    let mut listed = Listed::default();
    while cursor.advance()? {
        listed.rows.push_back((cursor.key().to_vec(), cursor.value().to_vec()));
    }
    Ok(listed)
}

#[derive(Default)]
struct SignedOrder;

impl Twist for SignedOrder {
    fn cursor(&self, view: &View, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        let mut listed = listed(&mut *view.snapshot.cursor(keyspace, scan)?)?;
        let signed =
            |row: &(Vec<u8>, Vec<u8>)| row.0.iter().map(|byte| byte.cast_signed()).collect::<Vec<_>>();
        listed.rows.make_contiguous().sort_by_key(signed);
        Ok(Box::new(listed))
    }
}

#[derive(Default)]
struct LendsNothing;

impl Twist for LendsNothing {
    fn cursor(&self, view: &View, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        Ok(Box::new(listed(&mut *view.snapshot.cursor(keyspace, scan)?)?))
    }
}

#[derive(Default)]
struct EmptyIsNotFound;

impl Twist for EmptyIsNotFound {
    fn cursor(&self, view: &View, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        if view.snapshot.cursor(keyspace, Scan::all())?.advance()? {
            return view.snapshot.cursor(keyspace, scan);
        }
        Err(Error::new(ErrorKind::NotFound, "the keyspace has no rows").at("memory", "scan"))
    }
}

struct EndsAtError;

impl CursorTwist for EndsAtError {
    fn advance(&mut self, inner: &mut Box<dyn Cursor>) -> Result<bool> {
        Ok(inner.advance().unwrap_or(false))
    }
}

changes_cursor!(SwallowedError, |scan| EndsAtError);

struct EndsAfterError(bool);

impl CursorTwist for EndsAfterError {
    fn advance(&mut self, inner: &mut Box<dyn Cursor>) -> Result<bool> {
        if self.0 {
            return Ok(false);
        }
        let moved = inner.advance();
        self.0 = moved.is_err();
        moved
    }
}

changes_cursor!(ForgottenError, |scan| EndsAfterError(false));

struct SkipRow {
    row: u32,
    skipped: u32,
}

impl CursorTwist for SkipRow {
    fn advance(&mut self, inner: &mut Box<dyn Cursor>) -> Result<bool> {
        self.row += 1;
        if self.row == self.skipped {
            inner.advance()?;
        }
        inner.advance()
    }
}

changes_cursor!(SkipsAtBlock, |scan| SkipRow { row: 0, skipped: 257 });
changes_cursor!(ReverseStartsLate, |scan| {
    // Only a scan with an end can start on the wrong side of it.
    let late = scan.direction == Direction::Reverse && scan.range.end().is_some();
    SkipRow { row: 0, skipped: u32::from(late) }
});

/// Skips the row at the key of a seek.
struct PastKey(Option<Vec<u8>>);

impl CursorTwist for PastKey {
    fn advance(&mut self, inner: &mut Box<dyn Cursor>) -> Result<bool> {
        let sought = self.0.take();
        let moved = inner.advance()?;
        if moved && sought.is_some_and(|key| key == inner.key()) { inner.advance() } else { Ok(moved) }
    }

    fn seek(&mut self, inner: &mut Box<dyn Cursor>, key: &[u8]) -> Result<()> {
        inner.seek(key)?;
        self.0 = Some(key.to_vec());
        Ok(())
    }
}

changes_cursor!(SeekPastKey, |scan| PastKey(None));

/// Replaces the cursor by one over all rows at a seek.
struct WithoutBounds {
    view: View,
    keyspace: KeyspaceId,
    scan: Scan,
}

impl CursorTwist for WithoutBounds {
    fn seek(&mut self, inner: &mut Box<dyn Cursor>, key: &[u8]) -> Result<()> {
        let scan = Scan { range: KeyRange::all(), ..self.scan.clone() };
        *inner = self.view.snapshot.cursor(self.keyspace, scan)?;
        inner.seek(key)
    }
}

#[derive(Default)]
struct SeekLeavesRange;

impl Twist for SeekLeavesRange {
    fn cursor(&self, view: &View, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        let inner = view.snapshot.cursor(keyspace, scan.clone())?;
        Ok(TwistedCursor::boxed(inner, WithoutBounds { view: view.clone(), keyspace, scan }))
    }
}

struct StuckAtEnd(bool);

impl CursorTwist for StuckAtEnd {
    fn advance(&mut self, inner: &mut Box<dyn Cursor>) -> Result<bool> {
        let moved = inner.advance()?;
        self.0 = !moved;
        Ok(moved)
    }

    fn seek(&mut self, inner: &mut Box<dyn Cursor>, key: &[u8]) -> Result<()> {
        if self.0 { Ok(()) } else { inner.seek(key) }
    }
}

changes_cursor!(SeekStuckAtEnd, |scan| StuckAtEnd(false));

struct EmptySeek;

impl CursorTwist for EmptySeek {
    fn seek(&mut self, inner: &mut Box<dyn Cursor>, key: &[u8]) -> Result<()> {
        inner.seek(if key.is_empty() { b"\0" } else { key })
    }
}

changes_cursor!(SeekToNothing, |scan| EmptySeek);

struct Again(bool, Direction);

impl CursorTwist for Again {
    fn advance(&mut self, inner: &mut Box<dyn Cursor>) -> Result<bool> {
        if std::mem::take(&mut self.0) {
            inner.seek(if self.1 == Direction::Forward { b"\0" } else { b"\xff" })?;
        }
        let moved = inner.advance()?;
        self.0 = !moved;
        Ok(moved)
    }
}

changes_cursor!(BeginsAnew, |scan| Again(false, scan.direction));

struct SkipVisited;

impl CursorTwist for SkipVisited {
    fn visit(&mut self, inner: &mut Box<dyn Cursor>, visitor: &mut Visitor<'_>) -> Option<Result<()>> {
        Some(inner.advance().and_then(|_| inner.visit(visitor)))
    }
}

changes_cursor!(VisitSkips, |scan| SkipVisited);

struct ForgetVisited;

impl CursorTwist for ForgetVisited {
    fn visit(&mut self, inner: &mut Box<dyn Cursor>, visitor: &mut Visitor<'_>) -> Option<Result<()>> {
        Some(inner.visit(visitor).and_then(|()| inner.advance().map(drop)))
    }
}

changes_cursor!(VisitForgets, |scan| ForgetVisited);

struct SwallowPanic;

impl CursorTwist for SwallowPanic {
    fn visit(&mut self, inner: &mut Box<dyn Cursor>, visitor: &mut Visitor<'_>) -> Option<Result<()>> {
        Some(catch_unwind(AssertUnwindSafe(|| inner.visit(visitor))).unwrap_or(Ok(())))
    }
}

changes_cursor!(VisitSwallowsPanic, |scan| SwallowPanic);

/// Treats errors of this kind as the end of a visit.
struct EndVisit(ErrorKind);

impl CursorTwist for EndVisit {
    fn visit(&mut self, inner: &mut Box<dyn Cursor>, visitor: &mut Visitor<'_>) -> Option<Result<()>> {
        Some(inner.visit(visitor).or_else(|error| if error.kind() == self.0 { Ok(()) } else { Err(error) }))
    }
}

changes_cursor!(VisitSeesNothing, |scan| EndVisit(ErrorKind::NotFound));
changes_cursor!(VisitEndsAtError, |scan| EndVisit(ErrorKind::Io));
