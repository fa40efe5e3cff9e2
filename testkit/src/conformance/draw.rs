//! Numbers drawn by a seed, the same on every machine.

use std::{ops::Range, time::Duration};

/// A sequence of drawn numbers (SplitMix64).
#[derive(Debug, Clone)]
pub struct Draw(u64);

impl Draw {
    /// The sequence of a seed; `stream` tells sequences of the same seed apart.
    #[must_use]
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut draw = Self(seed ^ stream.wrapping_mul(0xd134_2543_de82_ef95));
        draw.next();
        draw
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    /// A number below `end`, which must not be 0.
    pub fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    /// A number from 0 up to 1.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A time in a range of seconds; short ones come as often as long ones.
    pub fn time(&mut self, range: Range<f64>) -> Duration {
        let (from, to) = (range.start.ln(), range.end.ln());
        Duration::from_secs_f64((from + (to - from) * self.fraction()).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_another_stream_others() {
        let numbers = |seed, stream| {
            let mut draw = Draw::new(seed, stream);
            [draw.next(), draw.next(), draw.next()]
        };
        assert_eq!(numbers(7, 1), numbers(7, 1));
        assert_ne!(numbers(7, 1), numbers(7, 2));
        assert_ne!(numbers(7, 1), numbers(8, 1));
        let mut draw = Draw::new(1, 0);
        assert!((0..1000).all(|_| draw.below(3) < 3 && (0.0..1.0).contains(&draw.fraction())));
    }
}
