//! Which rows a scan visits, and in which order.
//!
//! Every range is half-open, `[start, end)`, because every other range can be expressed with it. The first key
//! after `k` is `k ‖ 00`. The first key after all keys with the prefix `p` is `p` without its trailing `ff`
//! bytes and with its last byte then incremented. A mistake in the second one (incrementing a byte that
//! overflows, or appending `ff`) loses rows. It is the most common error in layers like this one, so it is
//! written once, here.

use crate::{Error, ErrorKind, Result};

/// A half-open range of keys, `[start, end)`, in bytewise order. It owns its bounds, so that a cursor borrows
/// nothing.
///
/// ```
/// use strongroom_core::KeyRange;
///
/// let range = KeyRange::prefix(b"a\xff");
/// assert!(range.contains(b"a\xff"));
/// assert!(range.contains(b"a\xff\xff\xff"));
/// assert!(!range.contains(b"b"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct KeyRange {
    start: Vec<u8>,
    end: Option<Vec<u8>>,
}

impl KeyRange {
    /// Returns the range of all keys.
    pub fn all() -> Self {
        Self::default()
    }

    /// Returns the range of keys that begin with `prefix`; all keys if it is empty.
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { start: prefix.to_vec(), end: after_prefix(prefix) }
    }

    /// Returns the range of keys from `start` on, including `start`.
    pub fn from(start: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), end: None }
    }

    /// Returns the range of keys from `start` (included) to `end` (excluded). Empty if `end` is not after
    /// `start`.
    pub fn between(start: impl Into<Vec<u8>>, end: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), end: Some(end.into()) }
    }

    /// Converts standard bounds.
    pub fn from_bounds<'k>(bounds: impl std::ops::RangeBounds<&'k [u8]>) -> Self {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let start = match bounds.start_bound() {
            Included(key) => key.to_vec(),
            Excluded(key) => just_after(key),
            Unbounded => Vec::new(),
        };
        let end = match bounds.end_bound() {
            Included(key) => Some(just_after(key)),
            Excluded(key) => Some(key.to_vec()),
            Unbounded => None,
        };
        Self { start, end }
    }

    /// Returns the first key that may be in the range.
    pub fn start(&self) -> &[u8] {
        &self.start
    }

    /// Returns the first key after the range, if it is bounded.
    pub fn end(&self) -> Option<&[u8]> {
        self.end.as_deref()
    }

    /// Returns whether no key can be in the range.
    pub fn is_empty(&self) -> bool {
        self.end.as_ref().is_some_and(|end| *end <= self.start)
    }

    /// Returns whether `key` is in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        key >= self.start.as_slice() && self.end.as_deref().is_none_or(|end| key < end)
    }

    /// Returns the keys that are in both ranges.
    #[must_use]
    pub fn intersection(mut self, other: &Self) -> Self {
        if other.start > self.start {
            self.start.clone_from(&other.start);
        }
        self.end = match (self.end.take(), &other.end) {
            (Some(a), Some(b)) => Some(a.min(b.clone())),
            (Some(a), None) => Some(a),
            (None, b) => b.clone(),
        };
        self
    }

    /// Returns the rest of the range from `key` on, in the order of `direction`: keys at or after it when
    /// forward, at or before it when in reverse.
    #[must_use]
    pub fn from_position(&self, key: &[u8], direction: Direction) -> Self {
        let rest = match direction {
            Direction::Forward => Self::from(key),
            Direction::Reverse => Self { start: Vec::new(), end: Some(just_after(key)) },
        };
        self.clone().intersection(&rest)
    }

    /// Returns the rest of the range once `key` has been visited.
    #[must_use]
    pub fn after_position(&self, key: &[u8], direction: Direction) -> Self {
        let rest = match direction {
            Direction::Forward => Self::from(just_after(key)),
            Direction::Reverse => Self { start: Vec::new(), end: Some(key.to_vec()) },
        };
        self.clone().intersection(&rest)
    }
}

/// Returns the smallest key after `key`.
pub fn just_after(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// Returns the smallest key after all keys that begin with `prefix`, or `None` if there is none.
pub fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let kept = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut end = prefix[..=kept].to_vec();
    // Cannot overflow: the byte at `kept` is not ff.
    end[kept] += 1;
    Some(end)
}

/// The order in which a scan visits keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// From the smallest key up.
    #[default]
    Forward,
    /// From the largest key down.
    Reverse,
}

/// A scan: a range, a direction, and whether to read values.
///
/// ```
/// use strongroom_core::{KeyRange, Scan};
///
/// let newest_first = Scan::new(KeyRange::prefix(b"event/")).reverse();
/// let keys = Scan::all().keys_only();
/// # let _ = (newest_first, keys);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Scan {
    /// The keys to visit.
    pub range: KeyRange,
    /// The order to visit them in.
    pub direction: Direction,
    /// If set, the cursor's values are empty, and an engine that separates values from keys does not read them.
    pub keys_only: bool,
}

impl Scan {
    /// Returns a forward scan of `range` with values.
    pub fn new(range: KeyRange) -> Self {
        Self { range, ..Self::default() }
    }

    /// Returns a forward scan of all keys.
    pub fn all() -> Self {
        Self::default()
    }

    /// Returns a forward scan of the keys that begin with `prefix`.
    pub fn prefix(prefix: &[u8]) -> Self {
        Self::new(KeyRange::prefix(prefix))
    }

    /// Returns the same scan, from the largest key down.
    #[must_use]
    pub fn reverse(mut self) -> Self {
        self.direction = Direction::Reverse;
        self
    }

    /// Returns the same scan without values.
    #[must_use]
    pub fn keys_only(mut self) -> Self {
        self.keys_only = true;
        self
    }

    /// Returns the same scan from `key` on (see [`KeyRange::from_position`]).
    #[must_use]
    pub fn seek(&self, key: &[u8]) -> Self {
        Self { range: self.range.from_position(key, self.direction), ..self.clone() }
    }
}

/// Refuses an empty key, which no row can have.
pub(crate) fn check_seek(key: &[u8]) -> Result<()> {
    if key.is_empty() {
        return Err(Error::new(ErrorKind::InvalidInput, "a seek needs a key of at least one byte"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_after_a_prefix_drops_trailing_ff() {
        assert_eq!(after_prefix(b""), None);
        assert_eq!(after_prefix(b"a"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"a\xff"), Some(b"b".to_vec()));
        assert_eq!(after_prefix(b"a\xfe\xff\xff"), Some(b"a\xff".to_vec()));
        assert_eq!(after_prefix(b"\xff\xff"), None);
    }

    #[test]
    fn a_prefix_range_is_the_keys_with_that_prefix() {
        let alphabet = [0u8, 1, b'a', 0xfe, 0xff];
        let mut keys: Vec<Vec<u8>> = vec![vec![]];
        for _ in 0..3 {
            let longer: Vec<Vec<u8>> = keys
                .iter()
                .flat_map(|key| alphabet.iter().map(move |byte| [key.as_slice(), &[*byte]].concat()))
                .collect();
            keys.extend(longer);
        }
        for prefix in &keys {
            let range = KeyRange::prefix(prefix);
            for key in &keys {
                assert_eq!(range.contains(key), key.starts_with(prefix), "{prefix:x?} {key:x?}");
            }
        }
    }

    #[test]
    fn positions_split_a_range_without_losing_a_key() {
        let range = KeyRange::between("a", "c");
        assert!(range.after_position(b"a", Direction::Forward).contains(b"aa"));
        assert!(!range.after_position(b"a", Direction::Forward).contains(b"a"));
        assert!(range.from_position(b"a", Direction::Reverse).contains(b"a"));
        assert!(!range.from_position(b"a", Direction::Reverse).contains(b"a\0"));
        assert!(range.after_position(b"a", Direction::Reverse).is_empty());
    }

    #[test]
    fn standard_bounds_become_half_open() {
        let range = KeyRange::from_bounds(&b"a"[..]..=&b"b"[..]);
        assert!(range.contains(b"b") && !range.contains(b"b\0"));
    }
}
