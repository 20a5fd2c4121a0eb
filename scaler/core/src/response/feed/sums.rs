//! The scheduling of a deployment's pods, added up.

use std::time::Duration;

use super::Serving;
use crate::measure::wanted_containers;
use crate::observation::PodObservation;
use crate::pods::MeasuredPod;
use crate::policy::MetricPolicy;
use crate::sample::Scheduling;
use crate::time::Timestamp;

/// Intervals longer than this are taken to be this long; nothing real comes near.
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);

/// The scheduling of all serving pods over one interval.
#[derive(Debug, Default)]
pub(super) struct Sums {
    pub(super) scheduling: Scheduling,
    pub(super) length: Duration,
    pub(super) pods: u32,
    /// Sum over pods in cores; `None` once one of them has no limit.
    pub(super) limit_cores: Option<f64>,
    /// Pods reported, and none of them has settled.
    pub(super) all_warming: bool,
}

impl Sums {
    pub(super) fn collect(
        policy: &MetricPolicy,
        serving: &Serving<'_>,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let window = since.map_or(Duration::ZERO, |since| now.since(since));
        let mut pods: Vec<(bool, _, Vec<_>)> = serving
            .pods
            .iter()
            .enumerate()
            .filter_map(|(index, pod)| {
                let containers = of_pod(policy, pod, window, now)?;
                Some((index < serving.settled, *pod, containers))
            })
            .collect();
        let settled = pods.iter().filter(|(settled, ..)| *settled);
        let (mut cores, mut count) = (0.0, 0_u32);
        for (_, _, containers) in settled {
            cores += cores_of(containers);
            count += 1;
        }
        let usual = cores / f64::from(count.max(1));
        for (_, _, containers) in pods.iter_mut().filter(|(settled, ..)| !settled) {
            shrink_to(containers, usual);
        }
        let length = pods
            .iter()
            .flat_map(|(_, _, containers)| containers.iter().map(|(_, elapsed)| *elapsed))
            .max()
            .unwrap_or_default();
        let mut all = Self {
            length,
            limit_cores: Some(0.0),
            all_warming: count == 0 && !pods.is_empty(),
            ..Self::default()
        };
        for (_, pod, containers) in &pods {
            all.pods += 1;
            for (scheduling, elapsed) in containers {
                all.scheduling
                    .merge(&stretched(scheduling, *elapsed, length));
            }
            all.limit_cores = all
                .limit_cores
                .zip(limit_of(policy, pod))
                .map(|(a, b)| a + b);
        }
        all
    }
}

/// Mean cores in use over the intervals of one pod's containers.
fn cores_of(containers: &[(Scheduling, Duration)]) -> f64 {
    let cores = |(scheduling, elapsed): &(Scheduling, Duration)| {
        scheduling.on_cpu.as_secs_f64() / elapsed.as_secs_f64()
    };
    containers.iter().map(cores).sum()
}

/// A pod that is warming up takes its share of the requests, and works for itself on top: caches,
/// compilers, connections. Load balancers spread requests about evenly, so what it does beyond the
/// `usual` cores of a settled pod is not demand.
fn shrink_to(containers: &mut [(Scheduling, Duration)], usual: f64) {
    let cores = cores_of(containers);
    if cores > usual {
        for (scheduling, _) in containers {
            *scheduling = scaled(scheduling, usual / cores);
        }
    }
}

/// Per wanted container, what the scheduler did and over which time; `None` when one is silent.
fn of_pod(
    policy: &MetricPolicy,
    pod: &MeasuredPod<'_>,
    window: Duration,
    now: Timestamp,
) -> Option<Vec<(Scheduling, Duration)>> {
    let mut containers = Vec::new();
    for container in wanted_containers(policy.container.as_deref(), pod) {
        let mut sum = Scheduling::default();
        let mut elapsed = Duration::ZERO;
        for sample in pod.windows.recent(container, window, now)? {
            if let Some(scheduling) = sample.scheduling() {
                sum.merge(&scheduling);
                elapsed = elapsed.saturating_add(sample.interval());
            }
        }
        if elapsed.is_zero() {
            return None;
        }
        containers.push((sum, elapsed.min(LONGEST_INTERVAL)));
    }
    (!containers.is_empty()).then_some(containers)
}

/// CPU limit of the wanted containers together.
fn limit_of(policy: &MetricPolicy, pod: &PodObservation) -> Option<f64> {
    let wanted = |name: &str| {
        policy
            .container
            .as_deref()
            .is_none_or(|wanted| wanted == name)
    };
    pod.containers
        .iter()
        .filter(|container| wanted(&container.name))
        .map(|container| container.cpu_limit)
        .sum()
}

/// What `scheduling` over `elapsed` amounts to over `length` at the same pace.
fn stretched(scheduling: &Scheduling, elapsed: Duration, length: Duration) -> Scheduling {
    if elapsed == length {
        return *scheduling;
    }
    scaled(scheduling, length.as_secs_f64() / elapsed.as_secs_f64())
}

fn scaled(scheduling: &Scheduling, factor: f64) -> Scheduling {
    let time = |time: Duration| {
        Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX)
    };
    let count = |count: u64| (count as f64 * factor).round() as u64;
    Scheduling {
        on_cpu: time(scheduling.on_cpu),
        wait: time(scheduling.wait),
        voluntary_switches: count(scheduling.voluntary_switches),
        involuntary_switches: count(scheduling.involuntary_switches),
        throttled: time(scheduling.throttled),
        throttled_periods: count(scheduling.throttled_periods),
        quota_periods: count(scheduling.quota_periods),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// What a pod does to start counts for a settled pod's work at most, and never for more than it was.
        #[test]
        fn warming_pods_count_for_a_settled_one_at_most(
            on_cpu in proptest::collection::vec(0u64..10_000_000_000, 1..4), usual in 0.0f64..8.0,
        ) {
            let second = Duration::from_secs(1);
            let container = |nanoseconds: u64| {
                let scheduling = Scheduling {
                    on_cpu: Duration::from_nanos(nanoseconds),
                    wait: Duration::from_nanos(nanoseconds / 2),
                    voluntary_switches: nanoseconds / 1_000_000,
                    ..Scheduling::default()
                };
                (scheduling, second)
            };
            let before: Vec<_> = on_cpu.into_iter().map(container).collect();
            let mut after = before.clone();
            shrink_to(&mut after, usual);
            // Rounding to whole nanoseconds, for each container.
            prop_assert!(cores_of(&after) <= cores_of(&before).min(usual) + 1e-8);
            for ((before, _), (after, _)) in before.iter().zip(&after) {
                prop_assert!(after.wait <= before.wait);
                prop_assert!(after.voluntary_switches <= before.voluntary_switches);
            }
        }
    }
}
