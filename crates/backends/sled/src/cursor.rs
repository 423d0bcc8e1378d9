//! Cursors over the newest state: sled's own iterator, which lends its last row.

use crate::error::from_sled;
use crate::keyspace::SledKeyspace;
use crate::reverse::Careful;
use sled::{IVec, Iter};
use std::ops::Bound;
use strongroom_core::{Direction, EngineCursor, KeyRange, Result, Scan};

/// A cursor of [`SledEngine`](crate::SledEngine). A row is two reference counts; nothing is copied.
pub struct SledCursor {
    walk: Walk,
    row: Option<(IVec, IVec)>,
    // Declared last: it closes the store if it is the last handle.
    keyspace: SledKeyspace,
}

enum Walk {
    Forward(Iter),
    Reverse(Iter, KeyRange),
    Careful(Box<Careful>),
}

impl SledCursor {
    pub(crate) fn new(keyspace: SledKeyspace, scan: &Scan) -> Self {
        let range = &scan.range;
        let iter = || {
            let end = range.end().map_or(Bound::Unbounded, Bound::Excluded);
            keyspace.tree().range::<&[u8], _>((Bound::Included(range.start()), end))
        };
        let walk = match scan.direction {
            Direction::Forward => Walk::Forward(iter()),
            Direction::Reverse => Walk::Reverse(iter(), range.clone()),
        };
        Self { walk, row: None, keyspace }
    }

    /// Switches to a careful walk if a key was written that sled cannot walk back over.
    fn switch_if_careful(&mut self) {
        if let Walk::Reverse(_, range) = &self.walk
            && self.keyspace.is_walked_carefully()
        {
            let left = match &self.row {
                Some((key, _)) => range.after_position(key, Direction::Reverse),
                None => range.clone(),
            };
            self.walk = Walk::Careful(Box::new(Careful::new(self.keyspace.tree().clone(), &left)));
        }
    }
}

impl EngineCursor for SledCursor {
    fn advance(&mut self) -> Result<bool> {
        self.switch_if_careful();
        let next = match &mut self.walk {
            Walk::Forward(iter) => iter.next().transpose().map_err(from_sled),
            Walk::Reverse(iter, _) => iter.next_back().transpose().map_err(from_sled),
            Walk::Careful(careful) => careful.next_back(),
        };
        self.row = next.map_err(|error| self.keyspace.failed_read(error))?;
        Ok(self.row.is_some())
    }

    fn key(&self) -> &[u8] {
        match &self.row {
            Some((key, _)) => key,
            None => no_row(),
        }
    }

    fn value(&self) -> &[u8] {
        match &self.row {
            Some((_, value)) => value,
            None => no_row(),
        }
    }
}

/// Invariant 3: a row is requested only while there is one.
fn no_row() -> ! {
    unreachable!("invariant 3: the cursor stands on no row")
}
