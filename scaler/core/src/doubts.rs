//! What is wrong with one sample by itself, looked for once, when it arrives.
//!
//! A sample is decided on as often as its window has seconds; whether it contradicts itself does not
//! change in the meantime.

use crate::metric::Metric;
use crate::sample::{ContainerSample, Scheduling};

/// Fewer events than this may be off by rounding alone.
const MIN_EVENTS: u64 = 64;
/// The bit of [`Doubts::throttling`]; the metrics have those below.
const THROTTLING: u16 = 1 << 15;

const _: () = assert!(Metric::ALL.len() <= 15, "a metric has a bit of its own");

/// The ways in which a sample contradicts itself, of which there may be none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Doubts(u16);

impl Doubts {
    /// Looks at a sample that has just arrived.
    pub(crate) fn of(sample: &ContainerSample) -> Self {
        let mut doubts = 0;
        if sample.scheduling.as_ref().is_some_and(throttled_too_often) {
            doubts |= THROTTLING;
        }
        for (metric, delta) in &sample.metrics {
            if differ(delta.count, delta.histogram.count()) {
                doubts |= bit(*metric);
            }
        }
        Self(doubts)
    }

    /// Throttled in more quota periods than there were.
    pub(crate) fn throttling(self) -> bool {
        self.0 & THROTTLING != 0
    }

    /// Events and distribution of one of these metrics differ.
    pub(crate) fn distribution(self, of: Metrics) -> bool {
        self.0 & of.0 != 0
    }
}

/// A set of metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Metrics(u16);

impl FromIterator<Metric> for Metrics {
    fn from_iter<I: IntoIterator<Item = Metric>>(metrics: I) -> Self {
        Self(metrics.into_iter().fold(0, |set, metric| set | bit(metric)))
    }
}

fn bit(metric: Metric) -> u16 {
    1 << metric as u16
}

fn throttled_too_often(scheduling: &Scheduling) -> bool {
    scheduling.throttled_periods > scheduling.quota_periods.saturating_add(1)
}

/// Whether count and histogram of one delta cannot be of the same events. Both are scaled up where
/// events are sampled, and read one after the other, so they are never quite equal.
fn differ(counted: u64, distributed: u64) -> bool {
    let (fewer, more) = (counted.min(distributed), counted.max(distributed));
    more >= MIN_EVENTS && fewer.saturating_mul(2) < more
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::MetricDelta;

    #[test]
    fn throttling_may_be_one_period_off_and_no_more() {
        let doubts = |throttled_periods| {
            let scheduling = Scheduling {
                throttled_periods,
                quota_periods: 10,
                ..Scheduling::default()
            };
            Doubts::of(&ContainerSample {
                scheduling: Some(scheduling),
                ..ContainerSample::default()
            })
        };
        assert!(!doubts(11).throttling());
        assert!(doubts(12).throttling());
    }

    #[test]
    fn a_count_without_its_distribution_is_a_contradiction() {
        assert!(!differ(0, 0));
        assert!(!differ(63, 0), "rounding");
        assert!(differ(64, 0));
        assert!(!differ(100, 50));
        assert!(differ(100, 49));
        assert!(differ(10, 1000));
        assert!(!differ(u64::MAX, u64::MAX));
    }

    #[test]
    fn each_metric_is_doubted_for_itself() {
        for doubted in Metric::ALL {
            let sample = ContainerSample {
                metrics: Metric::ALL
                    .map(|metric| {
                        let count = if metric == doubted { 100 } else { 0 };
                        let delta = MetricDelta {
                            count,
                            ..MetricDelta::default()
                        };
                        (metric, delta)
                    })
                    .into(),
                ..ContainerSample::default()
            };
            let doubts = Doubts::of(&sample);
            assert!(!doubts.throttling(), "{doubted}");
            for metric in Metric::ALL {
                let of = Metrics::from_iter([metric]);
                assert_eq!(doubts.distribution(of), metric == doubted, "{metric}");
            }
        }
    }
}
