//! Numbers by chance, and those that are the same for the same seed, everywhere and for ever: for what is made up, not for
//! secrets.

use std::hash::{BuildHasher, RandomState};
use std::ops::Range;

/// SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

/// Another number each time.
pub fn by_chance() -> u64 {
    RandomState::new().hash_one(())
}

impl Random {
    /// Those that follow from `seed`.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..1.
    pub fn unit(&mut self) -> f32 {
        (self.bits() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// In `range`, each part of it as likely as any other.
    pub fn within(&mut self, range: Range<f32>) -> f32 {
        range.start + (range.end - range.start) * self.unit()
    }

    /// Whether something happens that does so `of` the time, 0 to 1.
    pub fn chance(&mut self, of: f32) -> bool {
        self.unit() < of
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_splitmix64() {
        // As the reference implementation in C gives them (S. Vigna, 2015).
        let mut random = Random::new(1_234_567);
        let first: [u64; 3] = std::array::from_fn(|_| random.bits());
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn all_of_a_range_comes_and_nothing_else() {
        let mut random = Random::new(1);
        let numbers: Vec<f32> = (0..10_000).map(|_| random.within(-2.0..6.0)).collect();
        let mean = numbers.iter().sum::<f32>() / numbers.len() as f32;
        assert!(numbers.iter().all(|it| (-2.0..6.0).contains(it)) && (mean - 2.0).abs() < 0.1, "{mean}");
        let often = (0..10_000).filter(|_| random.chance(0.2)).count();
        assert!((1_800..2_200).contains(&often), "{often}");
    }
}
