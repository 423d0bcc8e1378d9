//! Snapshots and cursors of a mirror.

use super::compare::{same, same_unit};
use super::ids::Ids;
use bytes::Bytes;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use strongroom_core::{Cursor, KeyspaceId, Result, Scan, Snapshot};

pub(super) struct MirrorSnapshot {
    left: Arc<dyn Snapshot>,
    right: Arc<dyn Snapshot>,
    ids: Arc<Ids>,
    /// The lock of the mirror: a drop affects open snapshots too, and must not come between the two halves of a read.
    turn: Arc<RwLock<()>>,
}

impl MirrorSnapshot {
    pub(super) fn new(
        left: Arc<dyn Snapshot>,
        right: Arc<dyn Snapshot>,
        ids: Arc<Ids>,
        turn: Arc<RwLock<()>>,
    ) -> Self {
        Self { left, right, ids, turn }
    }
}

fn reading(turn: &RwLock<()>) -> RwLockReadGuard<'_, ()> {
    turn.read().unwrap_or_else(PoisonError::into_inner)
}

impl Snapshot for MirrorSnapshot {
    fn get(&self, keyspace: KeyspaceId, key: &[u8]) -> Result<Option<Bytes>> {
        let _turn = reading(&self.turn);
        let (left, right) = self.ids.both(keyspace);
        same(&format!("a snapshot's get {key:x?}"), self.left.get(left, key), self.right.get(right, key))
    }

    fn cursor(&self, keyspace: KeyspaceId, scan: Scan) -> Result<Box<dyn Cursor>> {
        let _turn = reading(&self.turn);
        let (left, right) = self.ids.both(keyspace);
        match (self.left.cursor(left, scan.clone()), self.right.cursor(right, scan.clone())) {
            (Ok(left), Ok(right)) => {
                let turn = Arc::clone(&self.turn);
                Ok(Box::new(MirrorCursor { left, right, scan, turn }))
            }
            (left, right) => same_unit("cursor", left.map(drop), right.map(drop)).map(|()| unreachable!()),
        }
    }
}

struct MirrorCursor {
    left: Box<dyn Cursor>,
    right: Box<dyn Cursor>,
    /// For the description of a difference.
    scan: Scan,
    turn: Arc<RwLock<()>>,
}

impl Cursor for MirrorCursor {
    fn advance(&mut self) -> Result<bool> {
        fn row(cursor: &mut dyn Cursor) -> Result<Option<(Bytes, Bytes)>> {
            let copied = Bytes::copy_from_slice;
            Ok(if cursor.advance()? { Some((copied(cursor.key()), copied(cursor.value()))) } else { None })
        }
        let _turn = reading(&self.turn);
        let (left, right) = (row(&mut *self.left), row(&mut *self.right));
        same(&format!("the next row of {:x?}", self.scan), left, right).map(|row| row.is_some())
    }

    fn key(&self) -> &[u8] {
        self.left.key()
    }

    fn value(&self) -> &[u8] {
        self.left.value()
    }

    fn seek(&mut self, key: &[u8]) -> Result<()> {
        let _turn = reading(&self.turn);
        same_unit(&format!("seek {key:x?}"), self.left.seek(key), self.right.seek(key))
    }
}
