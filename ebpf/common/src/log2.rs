//! The bucket of a value.

use crate::BUCKETS;

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
