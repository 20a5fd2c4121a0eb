//! What the programs count. Each cell belongs to one container and one CPU, so plain additions do;
//! cells only grow, and the agent zeroes them when it gives a slot to a new container.

/// Buckets of a distribution. The last also holds everything larger: 2^39 ns are nine minutes.
pub const BUCKETS: usize = 40;

/// Count, sum and log2 histogram of values.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Distribution {
    /// Number of values.
    pub count: u64,
    /// Their sum, in the metric's unit.
    pub sum: u64,
    /// By [`log2_bucket`].
    pub buckets: [u64; BUCKETS],
}

impl Distribution {
    /// Nothing seen.
    pub const ZERO: Self = Self {
        count: 0,
        sum: 0,
        buckets: [0; BUCKETS],
    };
}

/// Number of events that have no value.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CountCell {
    /// Number of events.
    pub count: u64,
}

impl CountCell {
    /// Nothing seen.
    pub const ZERO: Self = Self { count: 0 };
}

/// What the scheduler hook counts.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SchedCell {
    /// Time on this CPU, ns.
    pub on_cpu_ns: u64,
    /// Time runnable and not running, ns. Never sampled, unlike `waits`.
    pub wait_ns: u64,
    /// Switch-outs of tasks that blocked.
    pub voluntary: u64,
    /// Switch-outs of tasks that stayed runnable.
    pub involuntary: u64,
    /// Wait before each stint on a CPU, ns; subject to sampling.
    pub waits: Distribution,
}

impl SchedCell {
    /// Nothing seen.
    pub const ZERO: Self = Self {
        on_cpu_ns: 0,
        wait_ns: 0,
        voluntary: 0,
        involuntary: 0,
        waits: Distribution::ZERO,
    };
}

/// floor(log2(value)), at most the last bucket; 0 for 0.
///
/// A search among constants, because BPF has no instruction that counts zeros: six comparisons, where
/// halving the value step by step takes twelve and the usual arithmetic forty instructions.
#[inline(always)]
pub const fn log2_bucket(value: u64) -> usize {
    macro_rules! below {
        ($middle:literal, $low:expr, $high:expr) => {
            if value < 1 << $middle { $low } else { $high }
        };
    }
    // Each leaf is the bucket that is left.
    #[rustfmt::skip]
    let bucket = below!(16,
        below!(8,
            below!(4,
                below!(2, below!(1, 0, 1), below!(3, 2, 3)),
                below!(6, below!(5, 4, 5), below!(7, 6, 7))),
            below!(12,
                below!(10, below!(9, 8, 9), below!(11, 10, 11)),
                below!(14, below!(13, 12, 13), below!(15, 14, 15)))),
        below!(32,
            below!(24,
                below!(20,
                    below!(18, below!(17, 16, 17), below!(19, 18, 19)),
                    below!(22, below!(21, 20, 21), below!(23, 22, 23))),
                below!(28,
                    below!(26, below!(25, 24, 25), below!(27, 26, 27)),
                    below!(30, below!(29, 28, 29), below!(31, 30, 31)))),
            below!(36,
                below!(34, below!(33, 32, 33), below!(35, 34, 35)),
                below!(38, below!(37, 36, 37), below!(39, 38, BUCKETS - 1)))));
    bucket
}

#[cfg(feature = "user")]
mod pod {
    // SAFETY: repr(C) of u64 alone, no padding, every bit pattern is valid.
    unsafe impl aya::Pod for super::Distribution {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::CountCell {}
    // SAFETY: as above.
    unsafe impl aya::Pod for super::SchedCell {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_logarithms() {
        assert_eq!(log2_bucket(0), 0);
        for value in (0..64).flat_map(|bit| [1u64 << bit, (1u64 << bit) + 1, u64::MAX >> bit]) {
            assert_eq!(
                log2_bucket(value),
                (value.ilog2() as usize).min(BUCKETS - 1),
                "{value}"
            );
        }
    }
}
