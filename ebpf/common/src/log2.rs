//! The bucket of a value.

use crate::BUCKETS;

/// floor(log2(value)), at most the last bucket; 0 for 0.
///
/// By halving, because BPF has no instruction that counts zeros. A search among constants takes half as
/// many steps, but a jump for each bucket: a program that runs now and then finds its code no longer in
/// the CPU's cache, and what it costs is how much code there is.
#[inline(always)]
pub const fn log2_bucket(value: u64) -> usize {
    let (mut rest, mut bucket) = (value, 0);
    macro_rules! halve {
        ($($bits:literal)*) => {
            $(if rest >= 1 << $bits {
                rest >>= $bits;
                bucket += $bits;
            })*
        };
    }
    halve!(32 16 8 4 2);
    if rest >= 2 {
        bucket += 1;
    }
    if bucket < BUCKETS {
        bucket
    } else {
        BUCKETS - 1
    }
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
