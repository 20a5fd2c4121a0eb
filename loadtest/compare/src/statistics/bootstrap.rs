//! Bootstrap intervals: what the median might as well have been.
//!
//! Trials are drawn with replacement, as many as there were, and the statistic is computed anew; the percentiles of
//! the results are the ends of the interval (B. Efron, "Bootstrap methods: another look at the jackknife", 1979; the
//! percentile interval: B. Efron and R. Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13). Not the
//! BCa interval of their chapter 14: its acceleration comes from the jackknife, which fails for the median.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Resamples: enough that the interval's ends do not depend on the seed for five trials.
const RESAMPLES: usize = 2_000;
/// Resamples cut off at each end of a 95 % interval.
const CUT: usize = RESAMPLES / 40;

/// The 95 % interval of `statistic` over trials `0..trials`. It is widened to contain `point`, the statistic of the
/// trials themselves, which a percentile interval does not promise.
pub(super) fn interval(
    trials: usize,
    seed: u64,
    point: f64,
    statistic: impl Fn(&[usize]) -> f64,
) -> (f64, f64) {
    if trials == 0 {
        return (point, point);
    }
    // A named generator: the same numbers on every machine and in every version.
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut drawn = vec![0; trials];
    let mut results: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            drawn.fill_with(|| random.random_range(0..trials));
            statistic(&drawn)
        })
        .collect();
    results.sort_by(f64::total_cmp);
    // As many cut off at either end: exchanging the autoscalers mirrors the interval.
    let (low, high) = (results[CUT], results[RESAMPLES - 1 - CUT]);
    (low.min(point), high.max(point))
}
