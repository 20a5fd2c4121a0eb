//! Proposals from one value for the whole target.

use super::{Calculator, Proposal, ReplicaError, round_up};
use crate::status::Reading;

impl Calculator<'_> {
    /// Object metric with a `Value` target, in thousandths.
    ///
    /// The ratio applies to the pods that are running and ready; from zero there are none, and the
    /// ratio itself, rounded up and whatever the tolerance, is the proposal.
    pub fn value(&self, current: i32, target: i64, usage: i64) -> Result<Proposal, ReplicaError> {
        let ratio = usage as f64 / target as f64;
        let replicas = if current == 0 {
            round_up(ratio)
        } else if self.tolerance.allows(ratio) {
            current
        } else if self.pods.is_empty() {
            return Err(ReplicaError::NoReadyPods);
        } else {
            let ready = self
                .pods
                .iter()
                .filter(|pod| pod.is_running_and_ready())
                .count();
            round_up(ratio * ready as f64)
        };
        Ok(Proposal {
            replicas,
            reading: Reading {
                value_milli: Some(usage),
                ..Reading::default()
            },
        })
    }

    /// Object metric with an `AverageValue` target, in thousandths per replica.
    ///
    /// `replicas` are those of the scale's status: what there is, not what was asked for.
    pub fn average_of_total(&self, replicas: i32, target: i64, usage: i64) -> Proposal {
        let ratio = usage as f64 / (target as f64 * f64::from(replicas));
        let proposal = if self.tolerance.allows(ratio) {
            replicas
        } else {
            round_up(usage as f64 / target as f64)
        };
        let average = to_i64((usage as f64 / f64::from(replicas)).ceil());
        let reading = Reading {
            average_value_milli: Some(average),
            ..Reading::default()
        };
        Proposal {
            replicas: proposal,
            reading,
        }
    }

    /// External metric with a `Value` target: [`Calculator::value`] of the series' sum.
    pub fn external_value(
        &self,
        current: i32,
        target: i64,
        series: &[i64],
    ) -> Result<Proposal, ReplicaError> {
        self.value(current, target, sum(series))
    }

    /// External metric with an `AverageValue` target: [`Calculator::average_of_total`] of the
    /// series' sum, of which the largest possible is shown as it is.
    pub fn external_average(&self, replicas: i32, target: i64, series: &[i64]) -> Proposal {
        let usage = sum(series);
        let mut proposal = self.average_of_total(replicas, target, usage);
        if usage as f64 >= i64::MAX as f64 {
            proposal.reading.average_value_milli = Some(i64::MAX);
        }
        proposal
    }
}

/// The sum, up to the largest possible.
fn sum(series: &[i64]) -> i64 {
    let mut sum = 0i64;
    for &value in series {
        match sum.checked_add(value) {
            Some(next) => sum = next,
            None => return i64::MAX,
        }
    }
    sum
}

/// Go's conversion on amd64, so that the status shows what the stock controller's does: anything
/// that does not fit (an average over no replicas) is the smallest integer.
fn to_i64(value: f64) -> i64 {
    // 2^63 is the first double that does not fit.
    if (i64::MIN as f64..9_223_372_036_854_775_808.0).contains(&value) {
        value as i64
    } else {
        i64::MIN
    }
}
