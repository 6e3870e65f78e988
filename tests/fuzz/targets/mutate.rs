//! Seeded wounds: the same in every run.

/// The same numbers in every run (xorshift64*); the seed is not 0.
pub struct Random(pub u64);

impl Random {
    /// A number below `n`, which is not 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % n
    }

    /// `bytes` with one to three wounds.
    pub fn mutate(&mut self, bytes: &[u8], others: &[Vec<u8>]) -> Vec<u8> {
        let mut out = bytes.to_vec();
        for _ in 0..=self.below(3) {
            let at = self.below(out.len().max(1));
            match self.below(5) {
                0 if !out.is_empty() => out[at] ^= 1 << self.below(8),
                1 => out.insert(at, self.below(256) as u8),
                2 if !out.is_empty() => drop(out.remove(at)),
                3 if !out.is_empty() => out[at] = [0xc1, 0xdf, 0xdd, 0xc6, 0xff, 0x00][self.below(6)],
                _ => {
                    let other = &others[self.below(others.len())];
                    out.truncate(at);
                    out.extend_from_slice(&other[self.below(other.len())..]);
                }
            }
        }
        out
    }
}
