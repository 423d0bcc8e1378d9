//! Translates a batch whose keyspaces share tables: keys with ids, and one handle per table.

use super::format::TABLES;
use super::id::{PREFIX_BYTES, PackedId};
use crate::batch::{Op, WriteBatch};

/// The location of a packed keyspace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The index in [`TABLES`].
    pub(crate) table: usize,
    /// The id within that table.
    pub(crate) id: PackedId,
}

/// The operations of a batch as the engine sees them. Made only if a keyspace of the batch is packed. Keys are
/// copied, values are not.
#[derive(Debug)]
pub(crate) struct Packing {
    /// For each keyspace of the batch, its index among the engine's handles.
    slots: Vec<usize>,
    /// Keys with their ids, one after another.
    keys: Vec<u8>,
    /// The end of each operation's key in `keys`. Equal to the end before it for an operation on a table of its
    /// own; the batch's key is then used.
    ends: Vec<usize>,
}

impl Packing {
    /// Translates the operations of `batch`, whose keyspaces are at `places` (`None`: in a table of their own).
    /// Also returns the keyspaces whose handles the engine needs. No two of them share a table (invariant 5).
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

    /// Returns operation `number` as the engine sees it.
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

    /// Returns an upper bound on the bytes added to the keys.
    pub(crate) fn added_bytes(&self) -> usize {
        self.ends.len() * PREFIX_BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keyspace::KeyspaceId;

    #[test]
    fn each_table_has_one_handle_and_keys_carry_their_ids() {
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
