//! Distributions in log2 buckets, which merge over time, containers and pods.

/// How many events had a value of which magnitude.
///
/// Bucket `i` counts the values `v` with `floor(log2(v)) == i`, that is `2^i <= v < 2^(i+1)`;
/// bucket 0 also holds 0. Merging adds the buckets, so that a percentile of the merged histogram is
/// a percentile of all events, and not a mean of percentiles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Log2Histogram {
    /// At most [`Log2Histogram::MAX_BUCKETS`], without trailing zeros.
    buckets: Vec<u64>,
}

impl Log2Histogram {
    /// Values have 64 bits, so there are no more buckets than that.
    pub const MAX_BUCKETS: usize = 64;

    /// Takes counts per bucket; those beyond bucket 63 hold nothing that 64 bits can tell and are
    /// dropped.
    #[must_use]
    pub fn from_buckets(mut buckets: Vec<u64>) -> Self {
        buckets.truncate(Self::MAX_BUCKETS);
        let used = buckets
            .iter()
            .rposition(|count| *count > 0)
            .map_or(0, |last| last + 1);
        buckets.truncate(used);
        Self { buckets }
    }

    /// Counts per bucket, without trailing zeros.
    #[must_use]
    pub fn buckets(&self) -> &[u64] {
        &self.buckets
    }

    /// Counts `count` events of `value`.
    pub fn record(&mut self, value: u64, count: u64) {
        if count == 0 {
            return;
        }
        let bucket = value.checked_ilog2().unwrap_or(0) as usize;
        if self.buckets.len() <= bucket {
            self.buckets.resize(bucket + 1, 0);
        }
        self.buckets[bucket] = self.buckets[bucket].saturating_add(count);
    }

    /// All events.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets
            .iter()
            .fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Adds the events of `other`.
    pub fn merge(&mut self, other: &Self) {
        if self.buckets.len() < other.buckets.len() {
            self.buckets.resize(other.buckets.len(), 0);
        }
        for (mine, theirs) in self.buckets.iter_mut().zip(&other.buckets) {
            *mine = mine.saturating_add(*theirs);
        }
    }

    /// The value below which the share `quantile` (in [0, 1]) of the events lies; `None` without
    /// events.
    ///
    /// Inside a bucket the events are taken to be spread evenly. The true value lies in the same
    /// bucket, so the answer is never off by more than a factor of two, and for an even spread it
    /// is exact. With the largest value in bucket `i`, no answer exceeds `2^(i+1)`.
    #[must_use]
    pub fn percentile(&self, quantile: f64) -> Option<f64> {
        let total: f64 = self.buckets.iter().map(|count| *count as f64).sum();
        if total == 0.0 {
            return None;
        }
        let rank = quantile.clamp(0.0, 1.0) * total;
        let mut below = 0.0;
        let mut answer = 0.0;
        for (bucket, count) in self.buckets.iter().map(|count| *count as f64).enumerate() {
            if count == 0.0 {
                continue;
            }
            let (low, high) = bounds(bucket);
            let inside = ((rank - below) / count).clamp(0.0, 1.0);
            answer = low + inside * (high - low);
            below += count;
            if below >= rank {
                break;
            }
        }
        Some(answer)
    }
}

/// The values that a bucket holds: from the first, to below the second.
fn bounds(bucket: usize) -> (f64, f64) {
    let power = |exponent: usize| 2f64.powi(exponent as i32);
    match bucket {
        0 => (0.0, 2.0),
        _ => (power(bucket), power(bucket + 1)),
    }
}
