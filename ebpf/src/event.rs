//! Recording events: sampling and distributions.

use aya_ebpf::helpers::bpf_get_prandom_u32;
use ebpf_common::{ALWAYS, BUCKETS, Distribution, NEVER, log2_bucket};

/// Whether this event is to be recorded.
#[inline(always)]
pub(crate) fn sampled(threshold: u32) -> bool {
    match threshold {
        NEVER => false,
        ALWAYS => true,
        _ => {
            // SAFETY: the helper has no preconditions.
            let draw = unsafe { bpf_get_prandom_u32() };
            draw < threshold
        }
    }
}

/// As how many of `units` events that come at once are to be recorded: on average the sampled share
/// of them, and of a single one all or nothing. Rounding at random what is no whole number keeps the
/// estimate unbiased, and no draw of integers with this mean varies less.
#[inline(always)]
pub(crate) fn recorded(threshold: u32, units: u64) -> u64 {
    match threshold {
        NEVER => 0,
        ALWAYS => units,
        _ => {
            // SAFETY: the helper has no preconditions.
            let draw = u64::from(unsafe { bpf_get_prandom_u32() });
            // A product of two numbers below 2^32 and a third: no overflow.
            ((units & 0xffff_ffff) * u64::from(threshold) + draw) >> 32
        }
    }
}

/// Adds `value` to a distribution.
#[inline(always)]
pub(crate) fn record(distribution: &mut Distribution, value: u64) {
    distribution.count += 1;
    distribution.sum += value;
    let bucket = log2_bucket(value);
    if bucket < BUCKETS {
        distribution.buckets[bucket] += 1;
    }
}
