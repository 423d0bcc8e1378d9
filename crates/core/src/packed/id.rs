//! The ids of packed keyspaces, and what they do to keys and ranges.

use crate::range::KeyRange;

/// Bytes that packing puts before a key.
pub(crate) const PREFIX_BYTES: usize = 4;

/// The id of a packed keyspace, which is never used again. 0 is the catalogue's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackedId(pub(crate) u32);

impl PackedId {
    /// Where the names and ids of keyspaces are kept.
    pub(crate) const CATALOGUE: Self = Self(0);

    /// What the keys of its rows begin with.
    pub(crate) fn prefix(self) -> [u8; PREFIX_BYTES] {
        self.0.to_be_bytes()
    }

    /// The engine's key of the row `key`.
    pub(crate) fn key(self, key: &[u8]) -> Vec<u8> {
        let mut prefixed = Vec::with_capacity(PREFIX_BYTES + key.len());
        prefixed.extend_from_slice(&self.prefix());
        prefixed.extend_from_slice(key);
        prefixed
    }

    /// The engine's range of `range`.
    pub(crate) fn range(self, range: &KeyRange) -> KeyRange {
        match range.end() {
            Some(end) => KeyRange::between(self.key(range.start()), self.key(end)),
            None => KeyRange::from(self.key(range.start())).intersection(&KeyRange::prefix(&self.prefix())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_without_an_end_stops_at_the_next_keyspace() {
        let id = PackedId(0x01ff);
        let all = id.range(&KeyRange::all());
        assert!(all.contains(&id.key(b"")) && all.contains(&id.key(b"\xff\xff\xff\xff\xff")));
        assert!(!all.contains(&PackedId(0x0200).key(b"\0")) && !all.contains(&PackedId(0x01fe).key(b"\xff")));
        let tail = id.range(&KeyRange::prefix(b"\xff"));
        assert!(tail.contains(&id.key(b"\xff\xff")) && !tail.contains(&id.key(b"\xfe")));
        assert!(!tail.contains(&PackedId(0x0200).key(b"\xff")));
        // The last id there is has no neighbour above.
        assert!(PackedId(u32::MAX).range(&KeyRange::all()).contains(&PackedId(u32::MAX).key(b"\xff")));
    }
}
