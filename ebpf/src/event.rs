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
