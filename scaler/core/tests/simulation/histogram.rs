//! The kernel's log2 histogram and the percentile the scaler reads from it.

/// Counts of values by floor(log2(nanoseconds)).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Log2 {
    buckets: [u64; 48],
}

impl Default for Log2 {
    fn default() -> Self {
        Self { buckets: [0; 48] }
    }
}

impl Log2 {
    pub(crate) fn record(&mut self, nanos: u64) {
        let bucket = nanos.max(1).ilog2() as usize;
        self.buckets[bucket.min(self.buckets.len() - 1)] += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        for (mine, theirs) in self.buckets.iter_mut().zip(other.buckets) {
            *mine += theirs;
        }
    }

    /// Seconds below which `share` of the values lie, interpolated inside the bucket.
    pub(crate) fn percentile(&self, share: f64) -> Option<f64> {
        let total: u64 = self.buckets.iter().sum();
        let rank = share * total as f64;
        let mut below = 0.0;
        for (index, &count) in self.buckets.iter().enumerate() {
            let here = count as f64;
            if count > 0 && below + here >= rank {
                let low = (1_u64 << index) as f64;
                return Some(low * (1.0 + (rank - below) / here) / 1e9);
            }
            below += here;
        }
        None
    }
}
