//! A batch whose keyspaces share tables: keys with their ids, and one handle for each table.

use super::format::TABLES;
use super::id::{PREFIX_BYTES, PackedId};
use crate::batch::{Op, WriteBatch};

/// Where a packed keyspace is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which of [`TABLES`].
    pub(crate) table: usize,
    /// Its id there.
    pub(crate) id: PackedId,
}

/// How the operations of a batch look to the engine. Made only where a keyspace of the batch is packed. Keys are
/// copied, values are not.
#[derive(Debug)]
pub(crate) struct Packing {
    /// The place of each of the batch's keyspaces among the engine's handles.
    slots: Vec<usize>,
    /// Keys with their ids, one after another.
    keys: Vec<u8>,
    /// Where each operation's key ends in `keys`. It is as long as the key before it in a table of its own: then the
    /// batch's key holds.
    ends: Vec<usize>,
}

impl Packing {
    /// How the operations of `batch` look, whose keyspaces are at `places` (none: in a table of their own); and the
    /// keyspaces of which the engine needs the handles. No two of them are of one table (invariant 5).
    pub(crate) fn of(batch: &WriteBatch, places: &[Option<Place>]) -> (Vec<usize>, Self) {
        let mut needed = Vec::with_capacity(places.len());
        let mut shared: [Option<usize>; TABLES.len()] = Default::default();
        let mut slots = Vec::with_capacity(places.len());
        for (keyspace, place) in places.iter().enumerate() {
            let mut known = place.map(|place| &mut shared[place.table]);
            if let Some(Some(slot)) = known {
                slots.push(*slot);
                continue;
            }
            if let Some(known) = &mut known {
                **known = Some(needed.len());
            }
            slots.push(needed.len());
            needed.push(keyspace);
        }
        let mut keys = Vec::with_capacity(batch.bytes().min(batch.len() * 64));
        let mut ends = Vec::with_capacity(batch.len());
        for (slot, op) in batch.ops() {
            if let Some(place) = places[slot] {
                keys.extend_from_slice(&place.id.prefix());
                keys.extend_from_slice(op.key());
            }
            ends.push(keys.len());
        }
        (needed, Self { slots, keys, ends })
    }

    /// The operation of this number as the engine is to see it.
    #[inline]
    pub(crate) fn op<'p>(&'p self, number: usize, (slot, op): (usize, Op<'p>)) -> (usize, Op<'p>) {
        let start = if number == 0 { 0 } else { self.ends[number - 1] };
        let key = &self.keys[start..self.ends[number]];
        let op = match op {
            own_table if key.is_empty() => own_table,
            Op::Put { value, .. } => Op::Put { key, value },
            Op::Delete { .. } => Op::Delete { key },
        };
        (self.slots[slot], op)
    }

    /// By how many bytes the keys have grown.
    pub(crate) fn added_bytes(&self) -> usize {
        self.ends.len() * PREFIX_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::KeyspaceId;

    #[test]
    fn tables_are_named_once_and_keys_carry_their_ids() {
        let packed = |table, id| Some(Place { table, id: PackedId(id) });
        let places = [None, packed(0, 1), packed(0, 2), packed(1, 3)];
        let [a, b, c, d] = [0, 1, 2, 3].map(KeyspaceId::from_index);
        let mut batch = WriteBatch::new();
        batch.put(a, b"k", b"1").put(b, b"k", b"2").delete(c, b"k").put(a, b"l", b"").put(d, b"m", b"3");
        let (needed, packing) = Packing::of(&batch, &places);
        assert_eq!(needed, [0, 1, 3]);
        let ops: Vec<_> = batch.ops().enumerate().map(|(number, op)| packing.op(number, op)).collect();
        assert_eq!(
            ops,
            [
                (0, Op::Put { key: b"k", value: b"1" }),
                (1, Op::Put { key: b"\0\0\0\x01k", value: b"2" }),
                (1, Op::Delete { key: b"\0\0\0\x02k" }),
                (0, Op::Put { key: b"l", value: b"" }),
                (2, Op::Put { key: b"\0\0\0\x03m", value: b"3" }),
            ]
        );
    }
}
