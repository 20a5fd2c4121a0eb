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
/// Written as a search, because BPF has no instruction that counts zeros and the usual arithmetic
/// replacement takes three times as long.
#[inline(always)]
pub const fn log2_bucket(value: u64) -> usize {
    let mut rest = value;
    let mut log = 0;
    if rest >= 1 << 32 {
        rest >>= 32;
        log += 32;
    }
    if rest >= 1 << 16 {
        rest >>= 16;
        log += 16;
    }
    if rest >= 1 << 8 {
        rest >>= 8;
        log += 8;
    }
    if rest >= 1 << 4 {
        rest >>= 4;
        log += 4;
    }
    if rest >= 1 << 2 {
        rest >>= 2;
        log += 2;
    }
    if rest >= 1 << 1 {
        log += 1;
    }
    if log < BUCKETS { log } else { BUCKETS - 1 }
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
