//! Seeded pseudo-random numbers, equal on every machine and in every version, so that findings can be repeated.

/// A `SplitMix64` generator.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        // The bias of a 64-bit number modulo a small bound does not matter here.
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }

    /// Returns one of `choices`.
    pub(crate) fn pick<'c, T>(&mut self, choices: &'c [T]) -> &'c T {
        &choices[self.below(choices.len())]
    }

    /// Returns true about once in `times` calls.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// Returns a short key of error-prone bytes, from an alphabet so small that keys repeat.
    pub(crate) fn key(&mut self) -> Vec<u8> {
        const ALPHABET: [u8; 6] = [0x00, b'a', b'b', 0x7f, 0x80, 0xff];
        (0..=self.below(3)).map(|_| *self.pick(&ALPHABET)).collect()
    }

    /// Returns a value: mostly short, sometimes empty, rarely a few pages long.
    pub(crate) fn value(&mut self) -> Vec<u8> {
        let length = match self.below(20) {
            0 | 1 => 0,
            2 => 3_000 + self.below(9_000),
            _ => 1 + self.below(30),
        };
        let first = self.next().to_le_bytes();
        first.iter().copied().cycle().take(length).collect()
    }
}
