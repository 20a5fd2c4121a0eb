//! Whether a goal is reached, as far as the rounds can tell. Pure.

use comparison::statistics::Estimate;
use serde::Serialize;

/// What the intervals allow to say of goals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Every interval lies below its goal.
    Met,
    /// Some interval lies above its goal.
    Missed,
    /// Neither: more rounds, or a quieter machine, would tell.
    Open,
}

/// Fewer rounds than this say nothing with 95 % confidence: all may lie on the same side of the median
/// by chance.
const ROUNDS_TO_JUDGE: u32 = 6;

impl Verdict {
    /// Of estimates, each with its goal.
    pub(super) fn of(estimates: [(&Estimate, f64); 2]) -> Self {
        let enough = |(estimate, _): &(&Estimate, f64)| estimate.trials >= ROUNDS_TO_JUDGE;
        if !estimates.iter().all(enough) {
            Self::Open
        } else if estimates
            .iter()
            .all(|(estimate, goal)| estimate.high < *goal)
        {
            Self::Met
        } else if estimates
            .iter()
            .any(|(estimate, goal)| estimate.low >= *goal)
        {
            Self::Missed
        } else {
            Self::Open
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_intervals_do_not_separate_from_the_goal_is_open() {
        let estimate = |low: f64, high: f64, trials| Estimate {
            median: f64::midpoint(low, high),
            low,
            high,
            trials,
            at_least: 0,
        };
        let sure = estimate(0.1, 0.9, 6);
        for (other, expected) in [
            (estimate(1.0, 1.9, 6), Verdict::Met),
            (estimate(1.0, 2.1, 6), Verdict::Open),
            (estimate(2.1, 3.0, 6), Verdict::Missed),
            (estimate(1.0, 1.9, 5), Verdict::Open),
            (estimate(2.1, 3.0, 5), Verdict::Open),
        ] {
            assert_eq!(
                Verdict::of([(&sure, 1.0), (&other, 2.0)]),
                expected,
                "{other:?}"
            );
            assert_eq!(
                Verdict::of([(&other, 2.0), (&sure, 1.0)]),
                expected,
                "{other:?}"
            );
        }
    }
}
