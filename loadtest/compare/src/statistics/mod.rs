//! Medians over few trials, and what can be said about them.
//!
//! With five trials, the 95 % bootstrap interval of a median is the range of the trials: the median of a resample is the
//! smallest trial with probability 5.8 %, more than the 2.5 % that are cut off. That range covers the true median with
//! probability 1 − 2 × 0.5⁵ = 93.75 % (the sign test), so "95 %" is nearly kept; with fewer trials it is not, and no
//! winner is named.

mod bootstrap;

use serde::{Deserialize, Serialize};

/// Trials of each autoscaler below which no winner is named.
pub const FEWEST_TRIALS: u32 = 5;

/// A median over trials with its bootstrap interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Median over the trials.
    pub median: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// Trials behind it.
    pub trials: u32,
    /// Trials whose value is only known to be at least what was counted, because the event did not come before
    /// the horizon. When they are half or more, the median itself may be only a lower bound.
    pub at_least: u32,
}

impl Estimate {
    /// Whether the median may be only a lower bound.
    #[must_use]
    pub const fn is_lower_bound(&self) -> bool {
        self.at_least * 2 >= self.trials && self.at_least > 0
    }

    /// Whether the interval contains `value`.
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        (self.low..=self.high).contains(&value)
    }

    /// Of one autoscaler's trials.
    pub(crate) fn of(values: &[Value], seed: u64) -> Self {
        let numbers: Vec<f64> = values.iter().map(|value| value.number).collect();
        Self {
            at_least: count(values.iter().filter(|value| value.at_least).count()),
            ..Self::of_numbers(&numbers, seed)
        }
    }

    /// Of exact numbers. The seed decides which are drawn for the interval: the same one, the same interval.
    #[must_use]
    pub fn of_numbers(numbers: &[f64], seed: u64) -> Self {
        Self::new(numbers.len(), seed, |drawn| median_of(numbers, drawn))
    }

    /// Of the difference of medians, `ours - theirs`. Trials are drawn in pairs, because the trials of a pair share
    /// their seed and their hour.
    pub(crate) fn of_difference(theirs: &[f64], ours: &[f64], seed: u64) -> Self {
        Self::new(theirs.len().min(ours.len()), seed, |drawn| {
            median_of(ours, drawn) - median_of(theirs, drawn)
        })
    }

    /// Of the ratio of medians, `ours / theirs`, in pairs. None where it is or may be infinite.
    pub(crate) fn of_ratio(theirs: &[f64], ours: &[f64], seed: u64) -> Option<Self> {
        let estimate = Self::new(theirs.len().min(ours.len()), seed, |drawn| {
            let (theirs, ours) = (median_of(theirs, drawn), median_of(ours, drawn));
            // Not 0 / 0, which is no number: such a resample says "no difference".
            if theirs == 0.0 && ours == 0.0 {
                1.0
            } else {
                ours / theirs
            }
        });
        let whole: Vec<usize> = (0..theirs.len()).collect();
        let defined = median_of(theirs, &whole) > 0.0 && estimate.high.is_finite();
        defined.then_some(estimate)
    }

    fn new(trials: usize, seed: u64, statistic: impl Fn(&[usize]) -> f64) -> Self {
        let whole: Vec<usize> = (0..trials).collect();
        let median = statistic(&whole);
        let (low, high) = bootstrap::interval(trials, seed, median, statistic);
        Self {
            median,
            low,
            high,
            trials: count(trials),
            at_least: 0,
        }
    }
}

/// What a trial says about a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Value {
    pub(crate) number: f64,
    /// The true value is not below `number`.
    pub(crate) at_least: bool,
}

impl Value {
    pub(crate) const fn exact(number: f64) -> Self {
        Self {
            number,
            at_least: false,
        }
    }

    /// The number that came, or the bound below which it cannot be.
    pub(crate) fn or_at_least(number: Option<f64>, bound: f64) -> Self {
        Self {
            number: number.unwrap_or(bound),
            at_least: number.is_none(),
        }
    }
}

/// Median of some numbers, 0 of none; of an even count, the mean of the two in the middle.
pub(crate) fn median(numbers: &[f64]) -> f64 {
    let whole: Vec<usize> = (0..numbers.len()).collect();
    median_of(numbers, &whole)
}

/// Median of the numbers at the `drawn` positions.
fn median_of(numbers: &[f64], drawn: &[usize]) -> f64 {
    let mut sorted: Vec<f64> = drawn.iter().map(|&index| numbers[index]).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => 0.0,
        odd if odd % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

fn count(trials: usize) -> u32 {
    u32::try_from(trials).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn medians_of_odd_and_even_counts() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert_eq!(median(&[]), 0.0);
    }

    #[test]
    fn with_five_trials_the_interval_is_their_range() {
        for seed in 0..20 {
            let estimate = Estimate::of_numbers(&[5.0, 1.0, 9.0, 3.0, 7.0], seed);
            assert_eq!(
                (estimate.low, estimate.median, estimate.high),
                (1.0, 5.0, 9.0)
            );
        }
    }

    #[test]
    fn with_many_trials_the_interval_is_narrower() {
        let numbers: Vec<f64> = (0..101).map(f64::from).collect();
        let estimate = Estimate::of_numbers(&numbers, 1);
        assert_eq!(estimate.median, 50.0);
        // By the order statistics, ranks 41 and 61 of 101.
        assert!((36.0..=44.0).contains(&estimate.low), "{estimate:?}");
        assert!((56.0..=64.0).contains(&estimate.high), "{estimate:?}");
    }

    #[test]
    fn a_ratio_to_nothing_is_none() {
        assert_eq!(Estimate::of_ratio(&[0.0; 5], &[1.0; 5], 1), None);
        let ratio = Estimate::of_ratio(&[100.0; 5], &[10.0; 5], 1).unwrap();
        assert_eq!((ratio.low, ratio.median, ratio.high), (0.1, 0.1, 0.1));
    }

    #[test]
    fn bounds_are_counted() {
        let value = |number| Value::or_at_least(number, 100.0);
        let mostly = Estimate::of(&[Some(3.0), None, None].map(value), 1);
        assert_eq!((mostly.median, mostly.at_least), (100.0, 2));
        assert!(mostly.is_lower_bound());
        assert!(!Estimate::of(&[Some(3.0), Some(4.0), None].map(value), 1).is_lower_bound());
    }

    fn numbers() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(-1e6..1e6f64, 1..12)
    }

    fn pairs() -> impl Strategy<Value = Vec<(f64, f64)>> {
        prop::collection::vec((0.0..1e4f64, 0.0..1e4f64), 1..12)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn the_interval_contains_the_median_and_lies_within_the_range(numbers in numbers(), seed: u64) {
            let estimate = Estimate::of_numbers(&numbers, seed);
            prop_assert!(estimate.contains(estimate.median));
            let least = numbers.iter().copied().fold(f64::INFINITY, f64::min);
            let most = numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            prop_assert!(least <= estimate.low && estimate.high <= most);
        }

        #[test]
        fn the_seed_decides(numbers in numbers(), seed: u64) {
            prop_assert_eq!(Estimate::of_numbers(&numbers, seed), Estimate::of_numbers(&numbers, seed));
        }

        #[test]
        fn exchanging_the_sides_mirrors_the_difference(pairs in pairs(), seed: u64) {
            let (theirs, ours): (Vec<f64>, Vec<f64>) = pairs.into_iter().unzip();
            let there = Estimate::of_difference(&theirs, &ours, seed);
            let back = Estimate::of_difference(&ours, &theirs, seed);
            prop_assert_eq!((there.low, there.median, there.high), (-back.high, -back.median, -back.low));
        }

        #[test]
        fn equal_trials_differ_by_nothing(numbers in numbers(), seed: u64) {
            let difference = Estimate::of_difference(&numbers, &numbers, seed);
            prop_assert_eq!((difference.low, difference.high), (0.0, 0.0));
        }
    }
}
