//! Numbers that look random and are the same for the same seed.

/// SplitMix64. Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators".
pub struct Random(u64);

impl Random {
    /// The seed of `SCALECTL_SEED`, else one by the clock; told, so that a run can be repeated.
    pub fn seeded() -> (Self, u64) {
        let given = std::env::var("SCALECTL_SEED").ok();
        let seed = given.and_then(|it| it.parse().ok()).unwrap_or_else(|| {
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            now.map_or(0, |it| it.as_secs())
        });
        (Self(seed), seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut it = self.0;
        it = (it ^ (it >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        it = (it ^ (it >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        it ^ (it >> 31)
    }

    /// One of them; panics if there is none.
    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.next() % from.len() as u64).expect("small")]
    }
}
