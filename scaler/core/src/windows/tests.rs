use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::histogram::Log2Histogram;
use crate::metric::Metric;
use crate::sample::{MetricDelta, Scheduling};

const SECOND: Duration = Duration::from_secs(1);

fn sample(at: u64) -> ContainerSample {
    ContainerSample {
        received_at: Timestamp::from_secs(at),
        interval: SECOND,
        ..ContainerSample::default()
    }
}

fn arrivals(windows: &Windows, pod: &str, window: u64, now: u64) -> Option<Vec<u64>> {
    let now = Timestamp::from_secs(now);
    let samples = windows.recent(&pod.into(), "server", SECOND * window as u32, now)?;
    Some(
        samples
            .map(|sample| sample.received_at().since_start().as_secs())
            .collect(),
    )
}

fn windows(capacity: Capacity, times: impl IntoIterator<Item = u64>) -> Windows {
    let mut windows = Windows::new(capacity);
    for at in times {
        windows.record(&"a".into(), "server", sample(at));
    }
    windows
}

#[test]
fn a_window_ends_now_and_excludes_its_start() {
    let windows = windows(Capacity::default(), 1..=10);
    assert_eq!(arrivals(&windows, "a", 3, 10), Some(vec![8, 9, 10]));
    assert_eq!(arrivals(&windows, "a", 3, 11), Some(vec![9, 10]));
    assert_eq!(arrivals(&windows, "b", 3, 11), None);
}

#[test]
fn the_latest_sample_counts_until_it_is_stale() {
    let windows = windows(Capacity::default(), [10]);
    assert_eq!(arrivals(&windows, "a", 1, 13), Some(vec![10]));
    assert_eq!(arrivals(&windows, "a", 60, 14), None);
}

#[test]
fn a_short_interval_after_a_late_tick_does_not_make_silent_earlier() {
    let milliseconds = |time| Duration::from_millis(time);
    // Every two seconds; the tick of 14 s came 1.97 s late.
    let ticks = [
        (10_000, 2000),
        (12_000, 2000),
        (15_970, 3970),
        (16_000, 30),
        (18_000, 2000),
        (20_000, 2000),
    ];
    let silent_after = |ticks: &[(u64, u64)]| {
        let mut windows = Windows::default();
        for (at, interval) in ticks {
            let sample = ContainerSample {
                received_at: Timestamp::new(milliseconds(*at)),
                interval: milliseconds(*interval),
                ..ContainerSample::default()
            };
            windows.record(&"a".into(), "server", sample);
        }
        let last = Timestamp::new(milliseconds(ticks[ticks.len() - 1].0));
        let heard = |after: &u64| {
            let now = last.after(milliseconds(*after));
            windows.recent(&"a".into(), "server", SECOND, now).is_some()
        };
        (0..20_000).step_by(30).filter(heard).last()
    };
    assert_eq!(silent_after(&ticks[..2]), Some(6000));
    assert_eq!(silent_after(&ticks[..4]), Some(11_910), "3 x 3.97 s");
    assert_eq!(silent_after(&ticks), Some(6000), "the late tick is past");
    assert_eq!(silent_after(&ticks[3..4]), Some(3000), "the only sample");
}

#[test]
fn a_late_sample_takes_the_place_of_its_time() {
    let capacity = Capacity {
        samples: 4,
        ..Capacity::default()
    };
    let late = windows(capacity, [100, 103, 101]);
    assert_eq!(arrivals(&late, "a", 60, 103), Some(vec![100, 101, 103]));
    assert_eq!(arrivals(&late, "a", 1, 103), Some(vec![103]), "the latest");
    let full = windows(capacity, [100, 101, 102, 103, 99]);
    assert_eq!(
        arrivals(&full, "a", 60, 103),
        Some(vec![100, 101, 102, 103]),
        "the oldest makes room, though it came last"
    );
    let forgotten = windows(capacity, [100, 30]);
    assert_eq!(arrivals(&forgotten, "a", 1000, 100), Some(vec![100]));
}

#[test]
fn a_short_window_keeps_no_more_than_it_needs() {
    let mut short = Windows::default();
    for at in (1..=50).chain([47, 20]) {
        short.record_for(SECOND * 5, &"a".into(), &"server".into(), &sample(at));
    }
    assert_eq!(
        arrivals(&short, "a", 60, 50),
        Some(vec![45, 46, 47, 47, 48, 49, 50])
    );
    let mut slow = Windows::default();
    for at in [10, 20, 30, 40, 50] {
        slow.record_for(SECOND * 5, &"a".into(), &"server".into(), &sample(at));
    }
    let known = arrivals(&slow, "a", 60, 50);
    assert_eq!(known, Some(vec![30, 40, 50]), "three tell silence");
}

#[test]
fn old_samples_are_stale_however_many_come_at_once() {
    let windows = windows(Capacity::default(), 40..=69);
    assert_eq!(arrivals(&windows, "a", 60, 100), None);
}

#[test]
fn memory_is_bounded_and_refusals_are_counted() {
    let capacity = Capacity {
        samples: 4,
        containers: 1,
        nodes: 1,
        ..Capacity::default()
    };
    let mut windows = windows(capacity, 1..=10);
    assert_eq!(arrivals(&windows, "a", 60, 10), Some(vec![7, 8, 9, 10]));
    windows.record(&"b".into(), "server", sample(10));
    windows.record_node("one", NodeSample::default());
    windows.record_node("two", NodeSample::default());
    assert_eq!((windows.containers(), windows.refused()), (1, 2));
    windows.forget(&"a".into());
    windows.record(&"b".into(), "server", sample(10));
    assert_eq!(arrivals(&windows, "b", 60, 10), Some(vec![10]));
}

#[test]
fn pruning_forgets_the_dead() {
    let mut windows = windows(Capacity::default(), [1, 2]);
    windows.record(&"b".into(), "server", sample(60));
    windows.prune(Timestamp::from_secs(100));
    assert_eq!(windows.containers(), 1);
    assert_eq!(arrivals(&windows, "b", 60, 60), Some(vec![60]));
}

/// What [`Windows`] does, in the plainest way: whole samples in a sorted list.
#[derive(Default)]
struct Model(Vec<ContainerSample>);

impl Model {
    fn record(&mut self, window: Duration, capacity: Capacity, sample: ContainerSample) {
        let at = sample.received_at;
        let place = self.0.partition_point(|known| known.received_at <= at);
        self.0.insert(place, sample);
        if self.0.len() > capacity.samples {
            self.0.remove(0);
        }
        let newest = self.0[self.0.len() - 1].received_at;
        while self.0.first().is_some_and(|oldest| {
            let age = newest.since(oldest.received_at);
            age > capacity.retention || age > window && self.0.len() > STALE_INTERVALS as usize
        }) {
            self.0.remove(0);
        }
    }

    fn recent(&self, window: Duration, now: Timestamp) -> Option<Vec<ContainerSample>> {
        let latest = self.0.last()?;
        let longest = self
            .0
            .iter()
            .rev()
            .take(3)
            .map(|sample| sample.interval)
            .max()?;
        if now.since(latest.received_at) > longest.max(SECOND) * 3 {
            return None;
        }
        let inside = |sample: &&ContainerSample| now.since(sample.received_at) < window;
        let found: Vec<_> = self.0.iter().filter(inside).cloned().collect();
        Some(match found.is_empty() {
            true => vec![latest.clone()],
            false => found,
        })
    }
}

/// A sample that can be told from others by its numbers.
fn numbered(at_ms: u64, interval_ms: u64, number: u64) -> ContainerSample {
    let delta = MetricDelta {
        count: number,
        sum: 3 * number,
        histogram: Log2Histogram::from_buckets(vec![0, number, number % 7]),
        // Estimates are packed in another way.
        sampling: if number.is_multiple_of(2) { 0.5 } else { 1.0 },
        relative_error: 0.0,
    };
    ContainerSample {
        received_at: Timestamp::new(Duration::from_millis(at_ms)),
        interval: Duration::from_millis(interval_ms),
        metrics: BTreeMap::from([(Metric::RunqLatency, delta)]),
        scheduling: (!number.is_multiple_of(3)).then(|| Scheduling {
            voluntary_switches: number,
            ..Scheduling::default()
        }),
    }
}

proptest! {
    #[test]
    fn packed_windows_are_what_plain_ones_are(
        steps in vec((0u64..1500, 0u64..4000, 100u64..2500), 1..60),
        window in 1u64..20, samples in 1usize..40,
    ) {
        let capacity = Capacity { samples, ..Capacity::default() };
        let window = SECOND * window as u32;
        let (mut windows, mut model) = (Windows::new(capacity), Model::default());
        let mut now_ms = 100_000;
        for (number, (passed, late, interval)) in (1u64..).zip(steps) {
            now_ms += passed;
            // Every fourth report was held up.
            let at = now_ms - if number % 4 == 0 { late } else { 0 };
            let sample = numbered(at, interval, number);
            windows.record_for(window, &"a".into(), &"server".into(), &sample);
            model.record(window, capacity, sample);
            let now = Timestamp::new(Duration::from_millis(now_ms));
            for look in [Duration::ZERO, SECOND, window, window * 2] {
                let found = windows.recent(&"a".into(), "server", look, now);
                let found: Option<Vec<ContainerSample>> = found.map(|found| found.map(whole).collect());
                prop_assert_eq!(found, model.recent(look, now));
            }
        }
    }
}

/// A sample as it was before it was packed; of the metrics, the one that [`numbered`] has.
fn whole(sample: Sample<'_>) -> ContainerSample {
    let mut delta = MetricDelta::default();
    let packed = sample.metric(Metric::RunqLatency);
    packed
        .iter()
        .for_each(|packed| packed.merge_into(&mut delta));
    ContainerSample {
        received_at: sample.received_at(),
        interval: sample.interval(),
        metrics: BTreeMap::from([(Metric::RunqLatency, delta)]),
        scheduling: sample.scheduling(),
    }
}

#[test]
fn what_the_scheduler_hook_saw_is_remembered_for_longer_than_samples() {
    let mut windows = Windows::default();
    windows.set_node_window(5 * SECOND);
    for at in 1..=30 {
        let sample = NodeSample {
            received_at: Timestamp::from_secs(at),
            interval: SECOND,
            scheduler_seen: at == 2,
            ..NodeSample::default()
        };
        windows.record_node("n1", sample);
    }
    let seen = |node: &str, time: u32, now| {
        windows.scheduler_seen(node, SECOND * time, Timestamp::from_secs(now))
    };
    assert!(seen("n1", 29, 30));
    assert!(!seen("n1", 28, 30), "longer ago than that");
    assert!(!seen("n1", 60, 40), "the node is silent");
    assert!(!seen("n2", 60, 30));
}
