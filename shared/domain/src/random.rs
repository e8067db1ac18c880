//! Randomness. It is passed in, so that a test gets the same ids twice.

/// A source of unpredictable bytes, for ids and signing secrets.
pub trait Random: Send + Sync {
    /// Fills `buffer` with random bytes.
    fn fill(&self, buffer: &mut [u8]);

    /// Returns 64 random bits.
    fn bits(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// Returns a random 32-bit number.
    fn number(&self) -> u32 {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        u32::from_le_bytes(bytes)
    }

    /// Returns a number from 0 (inclusive) to 1 (exclusive), evenly distributed.
    #[expect(clippy::cast_precision_loss, reason = "53 bits are all that an f64 keeps")]
    fn unit(&self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }
}
