//! The rows of the verdict.

use super::goals::goals;
use super::{Better, Metric, Pair, VerdictRow, Winner};
use crate::statistics::{Estimate, FEWEST_TRIALS, Value};
use crate::{Autoscaler, Measures};

/// Seed of every bootstrap: the same trials always give the same intervals.
pub(super) const BOOTSTRAP_SEED: u64 = 2020;

/// A row per metric that every trial measured. `measures` are those of the pairs of trials.
pub(super) fn rows(measures: &[Pair<&Measures>], page_timeout_ms: f64) -> Vec<VerdictRow> {
    let row = |metric: Metric| {
        let values = |autoscaler| -> Option<Vec<Value>> {
            let of = |pair: &Pair<&Measures>| metric.value(pair.of(autoscaler), page_timeout_ms);
            measures.iter().map(of).collect()
        };
        let values = Pair {
            hpa: values(Autoscaler::Hpa)?,
            viperscale: values(Autoscaler::Viperscale)?,
        };
        Some(row(metric, &values))
    };
    Metric::ALL.into_iter().filter_map(row).collect()
}

fn row(metric: Metric, values: &Pair<Vec<Value>>) -> VerdictRow {
    let numbers = Pair::from_fn(|autoscaler| -> Vec<f64> {
        values
            .of(autoscaler)
            .iter()
            .map(|value| value.number)
            .collect()
    });
    let estimates = Pair::from_fn(|autoscaler| Estimate::of(values.of(autoscaler), BOOTSTRAP_SEED));
    let difference = Estimate::of_difference(&numbers.hpa, &numbers.viperscale, BOOTSTRAP_SEED);
    let ratio = Estimate::of_ratio(&numbers.hpa, &numbers.viperscale, BOOTSTRAP_SEED);
    VerdictRow {
        metric,
        title: metric.title().to_owned(),
        unit: metric.unit().to_owned(),
        better: metric.better(),
        winner: winner(metric.better(), &difference),
        goals: goals(metric, &estimates),
        estimates,
        difference,
        ratio,
    }
}

/// Who is better by a difference `Viperscale - HPA`: nobody, unless its interval is on one side of 0.
fn winner(better: Better, difference: &Estimate) -> Winner {
    if difference.trials < FEWEST_TRIALS {
        return Winner::TooFewTrials;
    }
    if difference.contains(0.0) {
        return Winner::Tie;
    }
    match (better, difference.median < 0.0) {
        (Better::Lower, true) | (Better::Higher, false) => Winner::Viperscale,
        (Better::Lower, false) | (Better::Higher, true) => Winner::Hpa,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn judged(metric: Metric, hpa: &[f64], viperscale: &[f64]) -> VerdictRow {
        let values = |numbers: &[f64]| numbers.iter().copied().map(Value::exact).collect();
        let values = Pair {
            hpa: values(hpa),
            viperscale: values(viperscale),
        };
        row(metric, &values)
    }

    #[test]
    fn a_clear_difference_has_a_winner() {
        let (much, little) = (
            [90.0, 100.0, 110.0, 95.0, 105.0],
            [9.0, 10.0, 11.0, 8.0, 12.0],
        );
        let winner =
            |metric, hpa: &[f64], viperscale: &[f64]| judged(metric, hpa, viperscale).winner;
        assert_eq!(
            winner(Metric::FailedRequests, &much, &little),
            Winner::Viperscale
        );
        assert_eq!(winner(Metric::FailedRequests, &little, &much), Winner::Hpa);
        assert_eq!(winner(Metric::Requests, &much, &little), Winner::Hpa);
        assert_eq!(
            winner(Metric::FailedRequests, &much[..4], &little[..4]),
            Winner::TooFewTrials
        );
    }

    #[test]
    fn what_the_interval_does_not_separate_is_a_tie() {
        let row = judged(
            Metric::FailedRequests,
            &[10.0, 12.0, 9.0, 30.0, 11.0],
            &[8.0, 14.0, 7.0, 6.0, 9.0],
        );
        assert!(
            row.difference.median < 0.0 && row.difference.high >= 0.0,
            "{row:?}"
        );
        assert_eq!(row.winner, Winner::Tie);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn exchanging_the_sides_exchanges_the_winner(
            trials in prop::collection::vec((0.0..100.0f64, 0.0..100.0f64), 1..9), higher: bool,
        ) {
            let metric = if higher { Metric::Requests } else { Metric::FailedRequests };
            let (hpa, viperscale): (Vec<f64>, Vec<f64>) = trials.into_iter().unzip();
            let exchanged = match judged(metric, &viperscale, &hpa).winner {
                Winner::Hpa => Winner::Viperscale,
                Winner::Viperscale => Winner::Hpa,
                nobody => nobody,
            };
            prop_assert_eq!(judged(metric, &hpa, &viperscale).winner, exchanged);
        }

        #[test]
        fn the_same_trials_are_a_tie(numbers in prop::collection::vec(0.0..100.0f64, 5..9)) {
            prop_assert_eq!(judged(Metric::ReplicaSeconds, &numbers, &numbers).winner, Winner::Tie);
        }
    }
}
