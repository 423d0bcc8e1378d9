//! Walks backwards where sled cannot.
//!
//! When sled 0.34 walks backwards out of a leaf that begins at `x‖i`, it looks for the preceding leaf at
//! `x‖i-1‖ff ff ff ff`. If longer keys with exactly this prefix fill a leaf of their own, it finds the wrong
//! leaf, tries a million times, and panics with the whole tree in its message. Such keys are realistic: a
//! newest-first index has them, `user‖(u64::MAX - seconds)`.
//!
//! So a keyspace records (in a tree of the adapter) whether such a key was ever written to it. If none was,
//! sled's iterator is used. Otherwise, and in trees that the adapter did not create, [`Careful`] is used. It
//! only reads forward, block by block, and finds the beginning of the next block by bisecting the rest.

use crate::error::from_sled;
use sled::{IVec, Tree};
use std::ops::Bound;
use strongroom_core::{KeyRange, Result, just_after};

/// Returns whether sled may find the wrong leaf next to this key.
pub(crate) fn leads_astray(key: &[u8]) -> bool {
    key.windows(6).any(|window| window[0] != 0xff && window[1..5] == [0xff; 4])
}

/// Rows of a block.
const BLOCK_ROWS: usize = 256;

/// How many bytes of a key [`halfway`] uses. Keys that differ only later are still walked, in smaller steps.
const HALVED_BYTES: usize = 2_048;

/// A backward walk that reads forward.
pub(crate) struct Careful {
    tree: Tree,
    /// Rows at or after this key were visited, or are in the block.
    end: Option<Vec<u8>>,
    /// Starts of blocks, in ascending order. The range from the last one up to `end` is read next.
    fences: Vec<Vec<u8>>,
    /// The rows to lend, the next one last.
    block: Vec<(IVec, IVec)>,
}

impl Careful {
    pub(crate) fn new(tree: Tree, range: &KeyRange) -> Self {
        Self {
            tree,
            end: range.end().map(<[u8]>::to_vec),
            fences: vec![range.start().to_vec()],
            block: Vec::new(),
        }
    }

    /// Returns the next row towards the smallest key.
    pub(crate) fn next_back(&mut self) -> Result<Option<(IVec, IVec)>> {
        while self.block.is_empty() {
            let Some(fence) = self.fences.last() else { return Ok(None) };
            let fence = fence.clone();
            if self.read_block(&fence)? {
                self.end = self.fences.pop();
            } else {
                self.block.clear();
            }
        }
        Ok(self.block.pop())
    }

    /// Reads the rows from `fence` on. If they are too many, sets a fence after them and returns `false`.
    fn read_block(&mut self, fence: &[u8]) -> Result<bool> {
        for row in self.rows_from(fence) {
            self.block.push(row.map_err(from_sled)?);
            if self.block.len() > BLOCK_ROWS {
                let (last_that_fits, _) = &self.block[BLOCK_ROWS - 1];
                let start = just_after(last_that_fits);
                self.set_fence(start)?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Sets a fence between `start` and the end, with a row after it. There must be a row at or after `start`.
    fn set_fence(&mut self, start: Vec<u8>) -> Result<()> {
        loop {
            let middle = halfway(&start, self.end.as_deref());
            if middle <= start {
                self.fences.push(start);
                return Ok(());
            }
            if self.rows_from(&middle).next().transpose().map_err(from_sled)?.is_some() {
                self.fences.push(middle);
                return Ok(());
            }
            self.end = Some(middle);
        }
    }

    fn rows_from(&self, start: &[u8]) -> sled::Iter {
        let end = self.end.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        self.tree.range::<&[u8], _>((Bound::Included(start), end))
    }
}

/// Returns a key about halfway from `start` to `end` (`None`: after all keys), before the end. If there is no
/// key in between, it may be at or before the start.
///
/// Keys are taken as fractions with a digit per byte, from 1 to 256, and 0 after the key's end, so that the
/// order of the fractions is that of the keys.
fn halfway(start: &[u8], end: Option<&[u8]>) -> Vec<u8> {
    let digit = |key: &[u8], place: usize| key.get(place).map_or(0, |byte| u32::from(*byte) + 1);
    let places = (start.len().max(end.map_or(0, <[u8]>::len)) + 1).min(HALVED_BYTES);
    let mut sum = vec![0; places];
    let mut carried = 0;
    for place in (0..places).rev() {
        let end_digit = end.map_or(256, |end| digit(end, place));
        let total = digit(start, place) + end_digit + carried;
        (sum[place], carried) = (total % 257, total / 257);
    }
    let mut middle = Vec::with_capacity(places);
    for digit in sum {
        let doubled = carried * 257 + digit;
        carried = doubled % 2;
        // A zero is the key's end.
        let Some(byte) = (doubled / 2).checked_sub(1).and_then(|byte| u8::try_from(byte).ok()) else { break };
        middle.push(byte);
    }
    middle
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_mislead_sled_are_recognised() {
        assert!(leads_astray(b"\0\0\0\x01\xff\xff\xff\xff\x9a"));
        assert!(leads_astray(b"a\xff\xff\xff\xff\xff\xff"));
        for harmless in
            [&b""[..], b"a\xff\xff\xff\xff", b"\xff\xff\xff\xff\xff\xff\xff", b"a\xff\xff\xffb\xff"]
        {
            assert!(!leads_astray(harmless), "{harmless:x?}");
        }
    }

    #[test]
    fn halfway_is_always_before_the_end() {
        let keys: [&[u8]; 10] = [
            b"",
            b"\0",
            b"\0\0",
            b"\0\xff",
            b"a",
            b"a\0",
            b"a\0\0",
            b"a\0\x01",
            b"ab\xff\xff",
            b"\xff\xff\xff",
        ];
        for (place, start) in keys.iter().enumerate() {
            for end in keys[place + 1..].iter().map(|end| Some(*end)).chain([None]) {
                let middle = halfway(start, end);
                assert!(end.is_none_or(|end| middle.as_slice() < end), "{start:x?} {end:x?} {middle:x?}");
            }
        }
        assert_eq!(halfway(b"a", Some(b"c"))[0], b'b');
    }
}
