//! From raw cells to estimates: scaling what was sampled.
//!
//! The total of a metric is what had been estimated when its rate last changed, plus everything since
//! then divided by the rate in force since then; nothing while it is off, though its cell may go on
//! counting for another metric. Scaling the whole difference anew each time, instead
//! of summing scaled steps, keeps rounding from adding up.

use std::collections::BTreeMap;

use ebpf_common::Distribution;

use super::cache::Hits;
use super::{Metric, SamplingRate, Scheduling, Settings, Totals};

/// Counters of one metric, summed over CPUs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Raw {
    pub(super) count: u64,
    pub(super) sum: u64,
    pub(super) buckets: Vec<u64>,
}

/// One container's meters.
#[derive(Debug)]
pub(super) struct Meters {
    meters: BTreeMap<Metric, Meter>,
    hits: Hits,
}

#[derive(Debug)]
struct Meter {
    /// `None` while the metric is off.
    rate: Option<SamplingRate>,
    /// Raw counters when the rate was set.
    origin: Raw,
    /// Estimate at that time.
    settled: Raw,
}

impl Meters {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            meters: settings
                .iter()
                .map(|(metric, rate)| (metric, Meter::new(Some(rate))))
                .collect(),
            hits: Hits::default(),
        }
    }

    /// The totals of `metric` when its counters stand at `raw`, unless it is off.
    pub(super) fn totals(&mut self, metric: Metric, raw: &Raw) -> Option<Totals> {
        let meter = self.meters.get(&metric)?;
        let rate = meter.rate?;
        let Raw {
            count,
            sum,
            buckets: log2_buckets,
        } = meter.estimate(raw);
        Some(Totals {
            count,
            sum: match metric {
                Metric::PageCacheHitRatio => self.hits.advance(count, sum),
                _ => sum,
            },
            log2_buckets,
            sampling: rate.probability(),
        })
    }

    /// Goes on with another rate, or off, from `raw` on.
    pub(super) fn set_rate(&mut self, metric: Metric, rate: Option<SamplingRate>, raw: &Raw) {
        let meter = self
            .meters
            .entry(metric)
            .or_insert_with(|| Meter::new(None));
        meter.settled = meter.estimate(raw);
        meter.origin = raw.clone();
        meter.rate = rate;
    }
}

impl Meter {
    fn new(rate: Option<SamplingRate>) -> Self {
        Self {
            rate,
            origin: Raw::default(),
            settled: Raw::default(),
        }
    }

    fn estimate(&self, raw: &Raw) -> Raw {
        let grown = |settled: u64, now: u64, then: u64| {
            let since = now.saturating_sub(then);
            settled.saturating_add(self.rate.map_or(0, |rate| rate.scale(since)))
        };
        let at = |buckets: &[u64], index: usize| buckets.get(index).copied().unwrap_or(0);
        Raw {
            count: grown(self.settled.count, raw.count, self.origin.count),
            sum: grown(self.settled.sum, raw.sum, self.origin.sum),
            buckets: (0..raw.buckets.len())
                .map(|index| {
                    grown(
                        at(&self.settled.buckets, index),
                        raw.buckets[index],
                        at(&self.origin.buckets, index),
                    )
                })
                .collect(),
        }
    }
}

impl Raw {
    /// A distribution's.
    pub(super) fn of_distribution(cell: &Distribution) -> Self {
        Self {
            count: cell.count,
            sum: cell.sum,
            buckets: cell.buckets.to_vec(),
        }
    }

    /// Those of events without a value.
    pub(super) fn of_count(count: u64) -> Self {
        Self {
            count,
            sum: count,
            buckets: Vec::new(),
        }
    }

    /// Time on CPU: one event per stint that ended.
    pub(super) fn of_on_cpu(scheduling: &Scheduling) -> Self {
        let count = scheduling.voluntary_switches + scheduling.involuntary_switches;
        Self {
            count,
            sum: scheduling.on_cpu_ns,
            buckets: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(count: u64) -> Raw {
        Raw {
            count,
            sum: 3 * count,
            buckets: vec![0, count],
        }
    }

    fn meters(rate: f64) -> Meters {
        let mut settings = Settings::default();
        let rate = SamplingRate::try_new(rate).expect("a rate");
        settings
            .set(Metric::SentBytes, rate)
            .expect("may be sampled");
        Meters::new(&settings)
    }

    #[test]
    fn a_rate_that_changes_scales_each_part_by_its_own() {
        let mut meters = meters(0.5);
        let quarter = SamplingRate::try_new(0.25).expect("a rate");
        meters.set_rate(Metric::SentBytes, Some(quarter), &raw(10));
        let totals = meters
            .totals(Metric::SentBytes, &raw(11))
            .expect("measured");
        assert_eq!((totals.count, totals.sum), (10 * 2 + 4, 3 * (10 * 2 + 4)));
        assert_eq!(totals.log2_buckets, [0, 24]);
        assert_eq!(totals.sampling, 0.25);
    }

    #[test]
    fn what_its_cell_counts_while_a_metric_is_off_is_not_its_own() {
        let count = |meters: &mut Meters, metric, now| {
            let totals = meters.totals(metric, &raw(now));
            totals.map(|totals| (totals.count, totals.sum, totals.log2_buckets))
        };
        let on = Some(SamplingRate::ALL);
        let mut meters = meters(1.0);
        meters.set_rate(Metric::SentBytes, None, &raw(10));
        assert_eq!(count(&mut meters, Metric::SentBytes, 15), None);
        meters.set_rate(Metric::SentBytes, on, &raw(50));
        let (ours, sum) = (10 + 4, 3 * (10 + 4));
        let expected = Some((ours, sum, vec![0, ours]));
        assert_eq!(count(&mut meters, Metric::SentBytes, 54), expected);

        meters.set_rate(Metric::TcpDrops, on, &raw(50));
        let expected = Some((4, 12, vec![0, 4]));
        assert_eq!(
            count(&mut meters, Metric::TcpDrops, 54),
            expected,
            "first on"
        );
    }

    #[test]
    fn pages_that_were_not_brought_in_are_hits() {
        let mut settings = Settings::default();
        settings
            .set(Metric::PageCacheHitRatio, SamplingRate::ALL)
            .expect("may be set");
        let raw = Raw {
            count: 10,
            sum: 4,
            buckets: Vec::new(),
        };
        let totals = Meters::new(&settings)
            .totals(Metric::PageCacheHitRatio, &raw)
            .expect("measured");
        assert_eq!((totals.count, totals.sum), (10, 6));
    }

    #[test]
    fn what_is_not_measured_has_no_totals() {
        assert_eq!(meters(1.0).totals(Metric::TcpDrops, &raw(1)), None);
    }

    proptest! {
        #[test]
        fn everything_recorded_is_exact(count in 0..u64::MAX / 4) {
            let totals = meters(1.0).totals(Metric::SentBytes, &raw(count)).expect("measured");
            prop_assert_eq!(totals.count, count);
        }

        #[test]
        fn estimates_never_shrink_and_are_right_to_half_an_event(
            rate in 0.001..=1.0f64, steps in prop::collection::vec(0..1_000_000u64, 1..50),
        ) {
            let mut meters = meters(rate);
            let exact = SamplingRate::try_new(rate).expect("a rate").probability();
            let (mut seen, mut last) = (0, 0);
            for step in steps {
                seen += step;
                let count = meters.totals(Metric::SentBytes, &raw(seen)).expect("measured").count;
                prop_assert!(count >= last);
                prop_assert!((count as f64 - seen as f64 / exact).abs() <= 0.5 + 1e-6 * count as f64);
                last = count;
            }
        }
    }
}
