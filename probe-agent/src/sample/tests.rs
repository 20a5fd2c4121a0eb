use proptest::prelude::*;

use super::*;
use crate::kernel::Metric;

fn reading(metric: Metric, count: u64, sum: u64, log2_buckets: &[u64]) -> Reading {
    let totals = Totals {
        count,
        sum,
        log2_buckets: log2_buckets.to_vec(),
        sampling: 1.0,
    };
    Reading {
        scheduling: None,
        metrics: [(metric, totals)].into(),
    }
}

fn advance(series: &mut Series, now: &Reading) -> v1::MetricSample {
    let mut sample = series.advance(now, None).expect("nothing was missed");
    assert_eq!(sample.metrics.len(), 1);
    sample.metrics.remove(0)
}

#[test]
fn the_first_interval_counts_from_when_the_container_was_added() {
    let mut series = Series::default();
    let first = advance(
        &mut series,
        &reading(Metric::RunqLatency, 3, 30, &[1, 2, 0, 0]),
    );
    assert_eq!(first.metric(), Metric::RunqLatency);
    assert_eq!(
        (first.count, first.sum, first.log2_buckets),
        (3, 30, vec![1, 2])
    );
}

#[test]
fn later_intervals_hold_the_change_without_trailing_zeros() {
    let mut series = Series::default();
    advance(
        &mut series,
        &reading(Metric::RunqLatency, 3, 30, &[1, 2, 5, 0]),
    );
    let second = advance(
        &mut series,
        &reading(Metric::RunqLatency, 5, 70, &[1, 4, 5, 0]),
    );
    assert_eq!(
        (second.count, second.sum, second.log2_buckets),
        (2, 40, vec![0, 2])
    );
    let idle = advance(
        &mut series,
        &reading(Metric::RunqLatency, 5, 70, &[1, 4, 5, 0]),
    );
    assert_eq!((idle.count, idle.log2_buckets), (0, vec![]));
}

#[test]
fn totals_that_went_back_invent_no_events() {
    let mut series = Series::default();
    advance(&mut series, &reading(Metric::UserPageFaults, 100, 100, &[]));
    let reset = advance(&mut series, &reading(Metric::UserPageFaults, 7, 7, &[]));
    assert_eq!((reset.count, reset.sum), (0, 0));
    let after = advance(&mut series, &reading(Metric::UserPageFaults, 9, 9, &[]));
    assert_eq!(after.count, 2);
}

#[test]
fn a_metric_switched_off_and_on_does_not_report_its_past_again() {
    let mut series = Series::default();
    advance(&mut series, &reading(Metric::SentBytes, 4, 400, &[]));
    assert!(
        series
            .advance(&Reading::default(), None)
            .expect("nothing was missed")
            .metrics
            .is_empty()
    );
    let again = advance(&mut series, &reading(Metric::SentBytes, 5, 500, &[]));
    assert_eq!((again.count, again.sum), (1, 100));
}

#[test]
fn throttling_before_the_container_was_added_is_not_counted() {
    let mut series = Series::starting(Some(throttling(100, 50, 5_000)));
    let after = throttled(&mut series, Some(throttling(110, 53, 5_700)));
    assert_eq!(after, (10, 3, 700));
}

#[test]
fn throttling_that_could_not_be_read_is_counted_once_and_from_its_first_reading_on() {
    let mut series = Series::starting(None);
    assert_eq!(throttled(&mut series, None), (0, 0, 0));
    let lifetime = Some(throttling(100, 50, 5_000));
    assert_eq!(throttled(&mut series, lifetime), (0, 0, 0), "the baseline");
    assert_eq!(throttled(&mut series, None), (0, 0, 0), "kept");
    let after = throttled(&mut series, Some(throttling(110, 53, 5_700)));
    assert_eq!(after, (10, 3, 700));
}

fn throttling(periods: u64, throttled_periods: u64, throttled_ns: u64) -> Throttling {
    Throttling {
        periods,
        throttled_periods,
        throttled_ns,
    }
}

/// Periods, throttled periods and time of the next interval.
fn throttled(series: &mut Series, now: Option<Throttling>) -> (u64, u64, u64) {
    let reading = Reading {
        scheduling: Some(Scheduling::default()),
        ..Reading::default()
    };
    let sample = series.advance(&reading, now).expect("nothing was missed");
    let scheduling = sample.scheduling.expect("scheduled");
    (
        scheduling.quota_periods,
        scheduling.throttled_periods,
        scheduling.throttled_ns,
    )
}

#[test]
fn several_intervals_do_not_pass_for_one() {
    let mut series = Series::default();
    advance(&mut series, &reading(Metric::SentBytes, 4, 400, &[]));
    series.miss();
    let two_intervals = reading(Metric::SentBytes, 14, 1_400, &[]);
    assert_eq!(series.advance(&two_intervals, None), None);
    let one = advance(&mut series, &reading(Metric::SentBytes, 19, 1_900, &[]));
    assert_eq!((one.count, one.sum), (5, 500));
}

#[test]
fn scheduling_is_absent_while_the_hook_is_off() {
    let sample = Series::default().advance(&Reading::default(), None);
    assert_eq!(sample, Some(Sample::default()));
}

#[test]
fn quantiles_interpolate_inside_a_bucket() {
    assert_eq!(quantile(&[], 0.5), None);
    assert_eq!(quantile(&[0, 0], 0.5), None);
    // Four events in [4, 8).
    assert_eq!(quantile(&[0, 0, 4], 0.5), Some(6.0));
    assert_eq!(quantile(&[0, 0, 4], 1.0), Some(8.0));
    // Bucket 0 begins at 0.
    assert_eq!(quantile(&[2], 0.5), Some(1.0));
}

proptest! {
    /// Whatever the totals do, the sum of all changes is the growth from start to end as long as
    /// nothing went back.
    #[test]
    fn changes_add_up(steps in prop::collection::vec(
        (0u64..1_000, prop::collection::vec(0u64..100, 0..64)), 1..20,
    )) {
        let mut series = Series::default();
        let (mut total, mut buckets) = (0u64, vec![0u64; 64]);
        let (mut counted, mut counted_buckets) = (0u64, vec![0u64; 64]);
        for (grown, grown_buckets) in steps {
            total += grown;
            grown_buckets.iter().enumerate().for_each(|(index, by)| buckets[index] += by);
            let sample = advance(&mut series, &reading(Metric::RunqLatency, total, total, &buckets));
            prop_assert_ne!(sample.log2_buckets.last(), Some(&0), "trailing zeros are trimmed");
            counted += sample.count;
            sample.log2_buckets.iter().enumerate().for_each(|(i, by)| counted_buckets[i] += by);
        }
        prop_assert_eq!(counted, total);
        prop_assert_eq!(counted_buckets, buckets);
    }

    #[test]
    fn arbitrary_totals_neither_panic_nor_exceed_what_is_there(
        first in any::<(u64, u64)>(), second in any::<(u64, u64)>(),
        one in prop::collection::vec(any::<u64>(), 0..70),
        two in prop::collection::vec(any::<u64>(), 0..70),
    ) {
        let mut series = Series::default();
        advance(&mut series, &reading(Metric::RunqLatency, first.0, first.1, &one));
        let sample = advance(&mut series, &reading(Metric::RunqLatency, second.0, second.1, &two));
        prop_assert!(sample.count <= second.0 && sample.sum <= second.1);
        prop_assert!(sample.log2_buckets.len() <= two.len());
    }

    #[test]
    fn quantiles_grow_with_the_share(
        buckets in prop::collection::vec(0u64..1_000, 0..64),
        low in 0.0..1.0f64, high in 0.0..1.0f64,
    ) {
        let (low, high) = (low.min(high), low.max(high));
        if let (Some(low), Some(high)) = (quantile(&buckets, low), quantile(&buckets, high)) {
            prop_assert!(low <= high);
        }
    }
}
