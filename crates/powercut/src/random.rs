//! Seeded random numbers, so that a failure can be repeated from its printed seed.
//!
//! This is `SplitMix64`, implemented here because no library promises that a seed gives the same numbers in every
//! later version. Not for cryptography.

/// A deterministic stream of random numbers.
#[derive(Clone, Debug)]
pub struct Random(pub u64);

impl Random {
    /// Creates the stream of `seed`.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// Returns the next 64 bits.
    // Not an `Iterator`, because an endless stream needs no `Option`.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number from 0 to `n` - 1; 0 if `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        // The upper half of the product is almost uniform for every `n` far from 2^64. It fits, as it is below `n`.
        usize::try_from((u128::from(self.next()) * n as u128) >> 64).unwrap_or(0)
    }

    /// Returns a number from 0 to 1, excluding 1.
    #[allow(clippy::cast_precision_loss)] // an `f64` represents 53 bits exactly
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns `true` with probability `p`: never for 0, always for 1.
    pub fn chance(&mut self, p: f64) -> bool {
        self.fraction() < p
    }

    /// Returns one of `items`, all equally likely.
    ///
    /// # Panics
    /// If `items` is empty.
    pub fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }

    /// Shuffles `items`.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published test vector of `SplitMix64`: printed seeds must keep their meaning.
    #[test]
    fn a_seed_gives_the_published_numbers() {
        let mut random = Random::new(1_234_567);
        assert_eq!(
            [random.next(), random.next(), random.next()],
            [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]
        );
    }

    #[test]
    fn numbers_stay_below_their_bound_and_reach_it() {
        let mut random = Random::new(1);
        let mut seen = [false; 5];
        for _ in 0..1000 {
            seen[random.below(5)] = true;
        }
        assert_eq!(seen, [true; 5]);
        assert_eq!((random.below(0), random.below(1)), (0, 0));
        assert_eq!(random.pick(&[7]), &7);
    }

    #[test]
    fn chance_follows_its_probability_and_shuffle_permutes() {
        let mut random = Random::new(2);
        assert!((0..1000).all(|_| random.chance(1.0) && !random.chance(0.0)));
        let half = (0..1000).filter(|_| random.chance(0.5)).count();
        assert!((400..600).contains(&half), "{half} of 1000");
        let mut items: Vec<usize> = (0..100).collect();
        random.shuffle(&mut items);
        assert_ne!(items, (0..100).collect::<Vec<_>>());
        items.sort_unstable();
        assert_eq!(items, (0..100).collect::<Vec<_>>());
    }
}
