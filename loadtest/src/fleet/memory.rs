//! Whether memory stays what it is.

use std::time::Duration;

/// Resident memory over time, one sample after the other.
#[derive(Debug, Default)]
pub(super) struct Memory(Vec<(Duration, u64)>);

impl Memory {
    pub(super) fn add(&mut self, at: Duration, rss_bytes: u64) {
        self.0.push((at, rss_bytes));
    }

    /// Growth in bytes per minute over the second half of the samples, by least squares: the first
    /// half still fills windows and buffers. 0 with fewer than four samples.
    pub(super) fn growth_per_minute(&self) -> f64 {
        let late = &self.0[self.0.len() / 2..];
        if late.len() < 2 {
            return 0.0;
        }
        let count = late.len() as f64;
        let points = || {
            late.iter()
                .map(|(at, bytes)| (at.as_secs_f64(), *bytes as f64))
        };
        let (sum_x, sum_y) = points().fold((0.0, 0.0), |(a, b), (x, y)| (a + x, b + y));
        let (mean_x, mean_y) = (sum_x / count, sum_y / count);
        let (above, below) = points().fold((0.0, 0.0), |(above, below), (x, y)| {
            let dx = x - mean_x;
            (above + dx * (y - mean_y), below + dx * dx)
        });
        match below > 0.0 {
            true => above / below * 60.0,
            false => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn growth(bytes: impl Fn(u64) -> u64) -> f64 {
        let mut memory = Memory::default();
        for second in 0..120 {
            memory.add(Duration::from_secs(second), bytes(second));
        }
        memory.growth_per_minute()
    }

    #[test]
    fn only_what_grows_to_the_end_is_growth() {
        assert!((growth(|second| 1_000 + 5 * second) - 300.0).abs() < 1e-6);
        assert!(
            growth(|second| second.min(50) * 1_000).abs() < 1e-6,
            "it filled up and stayed"
        );
        assert_eq!(Memory::default().growth_per_minute(), 0.0);
    }
}
