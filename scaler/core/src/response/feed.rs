//! Brings the samples of a deployment into the form the queueing response wants.

use std::time::Duration;

use super::queueing::{self, Interval, Queueing};
use crate::measure::{Measurement, wanted_containers};
use crate::observation::PodObservation;
use crate::policy::MetricPolicy;
use crate::response::Proposal;
use crate::sample::Scheduling;
use crate::time::Timestamp;
use crate::windows::Windows;

/// Intervals longer than this are taken to be this long; nothing real comes near.
const LONGEST_INTERVAL: Duration = Duration::from_secs(3600);
/// The response learns over time, so asking again before this share of an interval has passed
/// repeats the answer.
const MIN_NEW_SHARE: f64 = 0.75;

/// The queueing response of one metric, fed with each sample once.
#[derive(Debug, Clone)]
pub(crate) struct Feed {
    queueing: Queueing,
    last: Option<Answer>,
}

/// What the response said last.
#[derive(Debug, Clone)]
struct Answer {
    at: Timestamp,
    length: Duration,
    proposal: Option<queueing::Proposal>,
    /// Pods that the answer was about.
    present: u32,
}

/// One deployment, as the response sees it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Serving<'a> {
    /// Pods that receive requests.
    pub(crate) pods: &'a [&'a PodObservation],
    /// `spec.replicas`.
    pub(crate) current: u32,
    /// What was measured.
    pub(crate) windows: &'a Windows,
}

impl Feed {
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            queueing: Queueing::new(window),
            last: None,
        }
    }

    /// Replicas for what happened since the last call; `None` without evidence.
    pub(crate) fn propose(
        &mut self,
        policy: &MetricPolicy,
        measured: &Measurement,
        serving: &Serving<'_>,
        now: Timestamp,
    ) -> Option<Proposal> {
        let since = self.last.as_ref().map(|answer| answer.at);
        let repeat = self.last.as_ref().is_some_and(|answer| {
            let passed = now.since(answer.at).as_secs_f64();
            passed < MIN_NEW_SHARE * answer.length.as_secs_f64()
        });
        if !repeat {
            let sums = Sums::collect(policy, serving, since, now);
            let interval = interval(policy, measured, &sums, serving.current)?;
            self.last = Some(Answer {
                at: now,
                length: interval.length,
                proposal: self.queueing.propose(&interval),
                present: interval.ready.saturating_add(interval.starting),
            });
        }
        let answer = self.last.as_ref()?;
        let proposal = answer.proposal?;
        Some(Proposal {
            replicas: relative_to(serving.current, answer.present, proposal.replicas),
            detail: format!(
                "demand {:.2} cores at utilisation {:.2}; {}",
                proposal.demand_cores, proposal.rho, proposal.reason
            ),
            demand_cores: Some(proposal.demand_cores),
        })
    }
}

/// The response speaks about the pods that are there. During a roll-out these are more than
/// `spec.replicas`, and "as many as there are" must not become a scale-up.
fn relative_to(current: u32, present: u32, proposed: u32) -> u32 {
    match proposed.cmp(&present) {
        std::cmp::Ordering::Less => proposed.min(current),
        std::cmp::Ordering::Equal => current,
        std::cmp::Ordering::Greater => proposed.max(current),
    }
}

/// The scheduling of all serving pods over one interval.
#[derive(Debug, Default)]
struct Sums {
    scheduling: Scheduling,
    length: Duration,
    pods: u32,
    /// Sum over pods in cores; `None` once one of them has no limit.
    limit_cores: Option<f64>,
}

impl Sums {
    fn collect(
        policy: &MetricPolicy,
        serving: &Serving<'_>,
        since: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let window = since.map_or(Duration::ZERO, |since| now.since(since));
        let pods: Vec<_> = serving
            .pods
            .iter()
            .filter_map(|pod| {
                of_pod(policy, pod, serving.windows, window, now).map(|sums| (pod, sums))
            })
            .collect();
        let length = pods
            .iter()
            .flat_map(|(_, containers)| containers.iter().map(|(_, elapsed)| *elapsed))
            .max()
            .unwrap_or_default();
        let mut all = Self {
            length,
            limit_cores: Some(0.0),
            ..Self::default()
        };
        for (pod, containers) in &pods {
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

/// Per wanted container, what the scheduler did and over which time; `None` when one is silent.
fn of_pod(
    policy: &MetricPolicy,
    pod: &PodObservation,
    windows: &Windows,
    window: Duration,
    now: Timestamp,
) -> Option<Vec<(Scheduling, Duration)>> {
    let mut containers = Vec::new();
    for container in wanted_containers(policy.container.as_deref(), pod) {
        let mut sum = Scheduling::default();
        let mut elapsed = Duration::ZERO;
        for sample in windows.recent(&pod.uid, container, window, now)? {
            if let Some(scheduling) = &sample.scheduling {
                sum.merge(scheduling);
                elapsed = elapsed.saturating_add(sample.interval);
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
    let factor = length.as_secs_f64() / elapsed.as_secs_f64();
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

/// `None` when no pod reported.
fn interval(
    policy: &MetricPolicy,
    measured: &Measurement,
    sums: &Sums,
    current: u32,
) -> Option<Interval> {
    let nanoseconds = |value: f64| Duration::from_nanos(value as u64);
    let threshold = nanoseconds(policy.threshold?.value());
    (sums.pods > 0).then(|| Interval {
        length: sums.length,
        ready: sums.pods,
        // Pods that do not report count as starting: no scale-down on partial data.
        starting: current.saturating_sub(sums.pods),
        on_cpu: sums.scheduling.on_cpu,
        wait: sums.scheduling.wait,
        voluntary: sums.scheduling.voluntary_switches,
        involuntary: sums.scheduling.involuntary_switches,
        throttled: sums.scheduling.throttled,
        throttled_periods: sums.scheduling.throttled_periods,
        quota_periods: sums.scheduling.quota_periods,
        limit_cores: sums.limit_cores.map(|sum| sum / f64::from(sums.pods)),
        waiting: measured
            .value
            .filter(|_| measured.events > 0)
            .map(nanoseconds),
        threshold,
    })
}
