//! The ids of packed keyspaces, and how they prefix keys and ranges.

use crate::range::KeyRange;

/// Bytes that packing adds before a key.
pub(crate) const PREFIX_BYTES: usize = 4;

/// The id of a packed keyspace. Ids are never reused. 0 is the catalogue's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PackedId(pub(crate) u32);

impl PackedId {
    /// The id of the catalogue, which holds the names and ids of keyspaces.
    pub(crate) const CATALOGUE: Self = Self(0);

    /// Returns the prefix of its rows' keys.
    pub(crate) fn prefix(self) -> [u8; PREFIX_BYTES] {
        self.0.to_be_bytes()
    }

    /// Returns the engine's key for `key`.
    pub(crate) fn key(self, key: &[u8]) -> Vec<u8> {
        let mut prefixed = Vec::with_capacity(PREFIX_BYTES + key.len());
        prefixed.extend_from_slice(&self.prefix());
        prefixed.extend_from_slice(key);
        prefixed
    }

    /// Returns the engine's range for `range`.
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
        // The last id has no neighbour above it.
        assert!(PackedId(u32::MAX).range(&KeyRange::all()).contains(&PackedId(u32::MAX).key(b"\xff")));
    }
}
