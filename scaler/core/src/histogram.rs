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

    /// Forgets all events, and keeps their room.
    pub(crate) fn clear(&mut self) {
        self.buckets.clear();
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

    /// Adds `counts` to the buckets from `first` on; the last of them is above 0.
    pub(crate) fn add(&mut self, first: usize, counts: impl ExactSizeIterator<Item = u64>) {
        let end = first + counts.len();
        if self.buckets.len() < end {
            self.buckets.resize(end, 0);
        }
        for (mine, theirs) in self.buckets[first..].iter_mut().zip(counts) {
            *mine = mine.saturating_add(theirs);
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(values: &[u64]) -> Log2Histogram {
        let mut histogram = Log2Histogram::default();
        for value in values {
            histogram.record(*value, 1);
        }
        histogram
    }

    #[test]
    fn values_fall_into_their_magnitude() {
        assert_eq!(of(&[0, 1, 2, 3, 4]).buckets(), [2, 2, 1]);
        assert_eq!(of(&[u64::MAX]).buckets().len(), Log2Histogram::MAX_BUCKETS);
        assert_eq!(Log2Histogram::from_buckets(vec![1, 0, 0]).buckets(), [1]);
        assert_eq!(Log2Histogram::from_buckets(vec![1; 99]).buckets().len(), 64);
    }

    #[test]
    fn percentiles_interpolate_inside_the_bucket() {
        assert_eq!(Log2Histogram::default().percentile(0.95), None);
        let even = Log2Histogram::from_buckets(vec![0, 0, 0, 0, 0, 0, 100]);
        assert_eq!(even.percentile(0.5), Some(96.0));
        assert_eq!(even.percentile(0.25), Some(80.0));
        assert_eq!(even.percentile(1.0), Some(128.0));
        let two = Log2Histogram::from_buckets(vec![0, 90, 0, 10]);
        assert_eq!(two.percentile(0.9), Some(4.0));
        assert_eq!(two.percentile(0.95), Some(12.0));
    }

    proptest! {
        #[test]
        fn a_percentile_is_within_a_factor_of_two(
            mut values in prop::collection::vec(1u64..1 << 40, 1..200),
            quantile in 0.01f64..1.0,
        ) {
            let answer = of(&values).percentile(quantile).unwrap();
            values.sort_unstable();
            let rank = ((quantile * values.len() as f64).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1] as f64;
            prop_assert!(answer >= exact / 2.0 && answer <= exact * 2.0, "{answer} for {exact}");
        }

        #[test]
        fn merging_is_counting_together(a: Vec<u64>, b: Vec<u64>) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(merged, of(&[a, b].concat()));
        }

        #[test]
        fn percentiles_grow_with_the_quantile_and_the_values(
            buckets in prop::collection::vec(0u64..1000, 1..64),
            low in 0.0f64..1.0, high in 0.0f64..1.0,
        ) {
            let mut slower = vec![0];
            slower.extend(&buckets);
            let (low, high) = (low.min(high), low.max(high));
            let (fast, slow) = (Log2Histogram::from_buckets(buckets), Log2Histogram::from_buckets(slower));
            prop_assert!(fast.percentile(low) <= fast.percentile(high));
            prop_assert!(fast.percentile(low) <= slow.percentile(low));
        }

        #[test]
        fn nothing_overflows(buckets: Vec<u64>, other: Vec<u64>, quantile: f64) {
            let mut histogram = Log2Histogram::from_buckets(buckets);
            histogram.merge(&Log2Histogram::from_buckets(other));
            histogram.record(u64::MAX, u64::MAX);
            let answer = histogram.percentile(quantile);
            prop_assert!(histogram.count() > 0 && answer.is_none_or(|a| !a.is_infinite()));
        }
    }
}
