use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// Where the differences between two runs of a test come from.
///
/// Taken from `PLIMSOLL_TEST_SEED` where that is set, else from the clock; one for all tests of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The seed of this run.
    pub fn of_this_run() -> Seed {
        static SEED: OnceLock<Seed> = OnceLock::new();
        *SEED.get_or_init(|| {
            let given = std::env::var("PLIMSOLL_TEST_SEED")
                .ok()
                .and_then(|text| text.trim().parse().ok());
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            Seed(given.unwrap_or(now.as_millis() as u64 % 1_000_000_000))
        })
    }

    /// A generator of its own for the part of a test called `name`, whatever other parts draw.
    pub fn random(self, name: &str) -> Random {
        // FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Random(hash ^ self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

/// SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The next 64 bits.
    pub fn next_bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A whole number in `low..=high`.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.next_bits() % (high - low + 1)
    }

    /// A number in `[low, high)`.
    pub fn real(&mut self, low: f64, high: f64) -> f64 {
        low + (self.next_bits() >> 11) as f64 / (1_u64 << 53) as f64 * (high - low)
    }

    /// One of `choices`.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> &'a T {
        &choices[self.between(0, choices.len() as u64 - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_names_differ() {
        let draw = |name: &str| {
            let mut random = Seed(7).random(name);
            (0..20).map(|_| random.between(3, 9)).collect::<Vec<_>>()
        };
        assert_eq!(draw("a"), draw("a"));
        assert_ne!(draw("a"), draw("b"));
        assert!(draw("a").iter().all(|number| (3..=9).contains(number)));
    }
}
