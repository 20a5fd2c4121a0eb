//! The dots beside the numbers of the verdict.

use comparison::Comparison;
use comparison::comparison::VerdictRow;

use super::ORDER;
use crate::chart::spread::{Lane, Spread};
use crate::text::of_trial;

/// Every trial of a row of the verdict.
#[must_use]
pub fn spread(comparison: &Comparison, row: &VerdictRow) -> Spread {
    let recommends = |route: &str| {
        comparison
            .routes
            .iter()
            .any(|r| r.route == route && r.uses_recommendation)
    };
    Spread {
        description: format!("{}: every trial as a dot, medians as bars", row.title),
        lanes: ORDER
            .into_iter()
            .map(|autoscaler| {
                let estimate = row.estimates.of(autoscaler);
                Lane {
                    side: autoscaler.into(),
                    trials: comparison
                        .trials
                        .iter()
                        .filter(|trial| trial.key.autoscaler == autoscaler)
                        .filter_map(|trial| of_trial(row.metric, &trial.measures, recommends))
                        .collect(),
                    median: estimate.median,
                    interval: Some((estimate.low, estimate.high)),
                }
            })
            .collect(),
    }
}
