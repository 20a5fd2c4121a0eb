//! That packing loses nothing.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;
use crate::histogram::Log2Histogram;

fn any_number() -> impl Strategy<Value = u64> {
    prop_oneof![0u64..300, 0u64..100_000, any::<u64>()]
}

prop_compose! {
    fn any_delta()(
        count in any_number(), sum in any_number(),
        sampling in prop_oneof![Just(1.0), 0.001f64..=1.0],
        relative_error in prop_oneof![Just(0.0), Just(f64::INFINITY), 0.0f64..2.0],
        buckets in vec(any_number(), 0..64),
    ) -> MetricDelta {
        let histogram = Log2Histogram::from_buckets(buckets);
        MetricDelta { count, sum, sampling, relative_error, histogram }
    }
}

prop_compose! {
    fn any_scheduling()(numbers: [u64; 7]) -> Scheduling {
        let [on_cpu, wait, voluntary_switches, involuntary_switches, throttled, throttled_periods, quota_periods] = numbers;
        Scheduling {
            on_cpu: Duration::from_nanos(on_cpu),
            wait: Duration::from_nanos(wait),
            throttled: Duration::from_nanos(throttled),
            voluntary_switches, involuntary_switches, throttled_periods, quota_periods,
        }
    }
}

proptest! {
    #[test]
    fn nothing_is_lost(
        metrics in btree_map(0usize..Metric::ALL.len(), any_delta(), 0..5),
        scheduling in proptest::option::of(any_scheduling()),
    ) {
        let metrics: BTreeMap<Metric, MetricDelta> =
            metrics.into_iter().map(|(index, delta)| (Metric::ALL[index], delta)).collect();
        let mut bytes = Vec::new();
        pack(&metrics, scheduling.as_ref(), &mut bytes);
        let body = Body(&bytes);
        prop_assert_eq!(body.scheduling(), scheduling);
        for metric in Metric::ALL {
            // Merging into nothing gives the thing itself, and into something what merging gives.
            let merged = |mut all: MetricDelta| {
                body.metric(metric).map(|delta| { delta.merge_into(&mut all); all })
            };
            let expected = |mut all: MetricDelta| {
                metrics.get(&metric).map(|delta| { all.merge(delta); all })
            };
            let something = MetricDelta {
                count: 3,
                sampling: 0.5,
                histogram: Log2Histogram::from_buckets(vec![1, 2]),
                ..MetricDelta::default()
            };
            prop_assert_eq!(merged(MetricDelta::default()), expected(MetricDelta::default()));
            prop_assert_eq!(merged(something.clone()), expected(something));
        }
    }
}

#[test]
fn a_usual_sample_takes_some_seventy_bytes() {
    let latency = MetricDelta {
        count: 400,
        sum: 40_000_000,
        histogram: Log2Histogram::from_buckets((0..30).map(|i| 20 * u64::from(i > 9)).collect()),
        sampling: 1.0,
        ..MetricDelta::default()
    };
    let faults = |sampling| MetricDelta {
        count: 300,
        sampling,
        ..MetricDelta::default()
    };
    let metrics = BTreeMap::from([
        (Metric::RunqLatency, latency),
        (Metric::KernelPageFaults, faults(0.5)),
        (Metric::UserPageFaults, faults(1.0)),
    ]);
    let mut bytes = Vec::new();
    let scheduling = Scheduling {
        on_cpu: Duration::from_millis(200),
        wait: Duration::from_millis(40),
        voluntary_switches: 380,
        involuntary_switches: 20,
        throttled: Duration::ZERO,
        throttled_periods: 0,
        quota_periods: 10,
    };
    pack(&metrics, Some(&scheduling), &mut bytes);
    let scheduling = 4 + (4 + 4 + 2 + 1 + 1);
    let latency = 4 + 1 + (2 + 4) + 20;
    let faults = 4 + 1 + 2;
    assert_eq!(bytes.len(), 2 + scheduling + latency + 2 * faults + 16);
}
