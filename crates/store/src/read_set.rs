//! The read set of a transaction: the keys and the ranges that it read. A range includes the gaps between its
//! rows.

use std::collections::{BTreeMap, BTreeSet};
use strongroom_core::{KeyRange, KeyspaceId};

/// Maximum keys and ranges that are recorded for a keyspace. Beyond it the whole keyspace counts as read: memory
/// stays bounded, and a transaction that reads so much is likely to conflict anyway.
const KEYS_MAX: usize = 1 << 16;
const RANGES_MAX: usize = 1 << 12;

#[derive(Debug, Clone, Default)]
pub(crate) struct ReadSet {
    by_keyspace: BTreeMap<KeyspaceId, KeyspaceReads>,
    /// The earliest expiry of the rows that were read.
    expires_first_ms: Option<u64>,
}

#[derive(Debug, Clone, Default)]
struct KeyspaceReads {
    keys: BTreeSet<Vec<u8>>,
    ranges: Vec<KeyRange>,
    /// The whole keyspace counts as read.
    is_whole: bool,
}

/// The index of a scan's range.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ScanPlace(usize);

impl ReadSet {
    pub(crate) fn key(&mut self, keyspace: KeyspaceId, key: &[u8]) {
        let reads = self.by_keyspace.entry(keyspace).or_default();
        if !reads.is_whole && !reads.keys.contains(key) {
            reads.keys.insert(key.to_vec());
            if reads.keys.len() > KEYS_MAX {
                reads.read_whole();
            }
        }
    }

    /// Begins a scan. Its whole range counts as read until it ends, so that a scan that is never ended does not
    /// count for less than it read.
    pub(crate) fn begin_scan(&mut self, keyspace: KeyspaceId, range: KeyRange) -> ScanPlace {
        let reads = self.by_keyspace.entry(keyspace).or_default();
        if !reads.is_whole {
            reads.ranges.push(range);
            if reads.ranges.len() > RANGES_MAX {
                reads.read_whole();
            }
        }
        ScanPlace(reads.ranges.len() - 1)
    }

    /// Ends a scan that has visited these ranges.
    pub(crate) fn end_scan(&mut self, keyspace: KeyspaceId, place: ScanPlace, visited: Vec<KeyRange>) {
        let Some(reads) = self.by_keyspace.get_mut(&keyspace).filter(|reads| !reads.is_whole) else { return };
        // Emptied and not removed, so that the indexes of other scans stay valid.
        reads.ranges[place.0] = KeyRange::between("", "");
        for range in visited {
            if reads.ranges[place.0].is_empty() {
                reads.ranges[place.0] = range;
            } else {
                reads.ranges.push(range);
            }
        }
        if reads.ranges.len() > RANGES_MAX {
            reads.read_whole();
        }
    }

    /// Records that a row that was read expires at `at_ms`. From then on, the read would have another result.
    pub(crate) fn note_expiry(&mut self, at_ms: u64) {
        self.expires_first_ms = Some(self.expires_first_ms.map_or(at_ms, |first_ms| first_ms.min(at_ms)));
    }

    pub(crate) fn expires_first_ms(&self) -> Option<u64> {
        self.expires_first_ms
    }

    /// Sorts and merges the ranges of each keyspace, so that a binary search finds whether a key is in one of
    /// them. Called once, before the set is checked.
    pub(crate) fn merge_ranges(&mut self) {
        for reads in self.by_keyspace.values_mut() {
            reads.merge_ranges();
        }
    }

    /// Whether the key was read. The ranges must be merged.
    pub(crate) fn contains(&self, keyspace: KeyspaceId, key: &[u8]) -> bool {
        self.by_keyspace.get(&keyspace).is_some_and(|reads| reads.contains(key))
    }

    /// Returns the size of the keys and bounds, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        let of_range = |range: &KeyRange| range.start().len() + range.end().map_or(0, <[u8]>::len);
        let of_keyspace = |reads: &KeyspaceReads| {
            reads.keys.iter().map(Vec::len).sum::<usize>() + reads.ranges.iter().map(of_range).sum::<usize>()
        };
        self.by_keyspace.values().map(of_keyspace).sum()
    }

    pub(crate) fn keyspaces(&self) -> impl Iterator<Item = KeyspaceId> {
        self.by_keyspace.keys().copied()
    }
}

impl KeyspaceReads {
    fn merge_ranges(&mut self) {
        let mut ranges = std::mem::take(&mut self.ranges);
        ranges.retain(|range| !range.is_empty());
        ranges.sort_by(|a, b| a.start().cmp(b.start()));
        for range in ranges {
            let Some(last) = self.ranges.last_mut() else {
                self.ranges.push(range);
                continue;
            };
            match (last.end(), range.end()) {
                // Begins after the end of the previous one.
                (Some(last_end), _) if last_end < range.start() => self.ranges.push(range),
                (Some(_), None) => *last = KeyRange::from(last.start()),
                (Some(last_end), Some(end)) if end > last_end => {
                    *last = KeyRange::between(last.start(), end);
                }
                // Lies within the previous one.
                (None, _) | (Some(_), Some(_)) => {}
            }
        }
    }

    fn contains(&self, key: &[u8]) -> bool {
        let after = self.ranges.partition_point(|range| range.start() <= key);
        let is_in_range = after.checked_sub(1).is_some_and(|at| self.ranges[at].contains(key));
        is_in_range || self.keys.contains(key)
    }

    fn read_whole(&mut self) {
        self.is_whole = true;
        self.keys.clear();
        self.ranges = vec![KeyRange::all()];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: KeyspaceId = KeyspaceId::from_index(1);

    fn of_a(reads: &ReadSet) -> &KeyspaceReads {
        &reads.by_keyspace[&A]
    }

    #[test]
    fn the_whole_range_of_a_scan_counts_until_the_scan_ends() {
        let mut reads = ReadSet::default();
        let first = reads.begin_scan(A, KeyRange::all());
        let second = reads.begin_scan(A, KeyRange::prefix(b"x"));
        assert_eq!(of_a(&reads).ranges, [KeyRange::all(), KeyRange::prefix(b"x")]);
        let visited = vec![KeyRange::between("a", "b"), KeyRange::between("c", "d")];
        reads.end_scan(A, first, visited.clone());
        reads.end_scan(A, second, Vec::new());
        let left: Vec<_> = of_a(&reads).ranges.iter().filter(|range| !range.is_empty()).cloned().collect();
        assert_eq!(left, visited);
    }

    #[test]
    fn merged_ranges_contain_the_same_keys() {
        let ranges = [
            KeyRange::between("c", "e"),
            KeyRange::between("a", "b"),
            KeyRange::between("d", "dd"),
            KeyRange::between("e", "f"),
            KeyRange::between("x", "x"),
            KeyRange::between("k", "m"),
            KeyRange::from("y"),
            KeyRange::prefix(b"z"),
            KeyRange::between("l", "n"),
        ];
        let mut reads = ReadSet::default();
        for range in &ranges {
            reads.begin_scan(A, range.clone());
        }
        reads.merge_ranges();
        assert_eq!(of_a(&reads).ranges.len(), 4, "{:?}", of_a(&reads).ranges);
        for key in ["", "a", "az", "b", "c", "ddd", "e", "ez", "f", "k", "mm", "n", "x", "y", "zz", "\u{ff}"]
        {
            let expected = ranges.iter().any(|range| range.contains(key.as_bytes()));
            assert_eq!(reads.contains(A, key.as_bytes()), expected, "{key:?}");
        }
    }

    #[test]
    fn too_many_keys_or_ranges_count_as_the_whole_keyspace() {
        let mut reads = ReadSet::default();
        for key in 0..=KEYS_MAX {
            reads.key(A, &key.to_be_bytes());
        }
        assert_eq!((of_a(&reads).keys.len(), &of_a(&reads).ranges[..]), (0, &[KeyRange::all()][..]));
        let mut reads = ReadSet::default();
        let place = reads.begin_scan(A, KeyRange::all());
        for _ in 0..RANGES_MAX {
            reads.begin_scan(A, KeyRange::prefix(b"x"));
        }
        reads.end_scan(A, place, Vec::new());
        reads.key(A, b"more");
        assert_eq!((of_a(&reads).keys.len(), &of_a(&reads).ranges[..]), (0, &[KeyRange::all()][..]));
    }
}
